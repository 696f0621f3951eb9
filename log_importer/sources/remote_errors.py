"""What the libraries of the stores raise -> `RemoteError`: one reason, and what to do about it.

They have no root in common, and importing them to name theirs would cost a second each: they are known by the names of
their classes, and by the status that they carry.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from log_importer.model.errors import SourceError
from log_importer.sources.unreadable import RemoteError

_CREDENTIALS = {
    "s3": "Set what the aws command uses: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
    "gs": "Set what Google's libraries use: GOOGLE_APPLICATION_CREDENTIALS, or gcloud auth application-default login.",
    "az": "Set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY.",
    "hdfs": "Check the user, and the configuration of Hadoop.",
    "https": "Check the URL and its signature, or write user and password for that host into ~/.netrc.",
}
_ADDRESS = {
    "s3": "Check the network, and AWS_ENDPOINT_URL and AWS_REGION.",
    "gs": "Check the network, and STORAGE_EMULATOR_HOST.",
    "az": "Check the network, and the name of the account.",
    "hdfs": "Check the network, and the configuration of Hadoop.",
    "https": "Check the URL and the network.",
}
_NO_CREDENTIALS = frozenset(
    """
    NoCredentialsError PartialCredentialsError CredentialRetrievalError TokenRetrievalError ProfileNotFound SSOError
    GoogleAuthError CredentialUnavailableError ClientAuthenticationError
""".split()
)
_NO_CONNECTION = frozenset(
    """
    EndpointConnectionError ConnectionError ConnectionClosedError ClientConnectionError ServiceRequestError
    ServiceResponseError HTTPClientError gaierror ClientPayloadError IncompleteReadError ResponseStreamingError
""".split()
)
_NO_TRUST = frozenset(["SSLError", "ClientSSLError", "ClientConnectorCertificateError", "SSLCertVerificationError"])
_TOO_LATE = frozenset(["TimeoutError", "ReadTimeoutError", "ConnectTimeoutError", "ServerTimeoutError"])
_REPLACED = "FileExpired"


@contextmanager
def told(scheme: str) -> Iterator[None]:
    """Whatever is raised within becomes a `RemoteError`."""
    try:
        yield
    except (RemoteError, SourceError):
        raise
    except Exception as error:  # the libraries' errors, of six unrelated trees
        raise remote_error(error, scheme) from error


def is_replaced(error: BaseException) -> bool:
    """Whether a store refused to give more of an object, since it is another by now."""
    return type(error).__name__ == _REPLACED


def is_without_bucket(error: BaseException) -> bool:
    """Whether S3 said that all of the bucket is missing, in its own words."""
    return "bucket does not exist" in str(error)


def remote_error(error: BaseException, scheme: str) -> RemoteError:
    """The reason and the hint for what a library raised about an object with a URL of `scheme`."""
    kind = "https" if scheme == "http" else scheme
    if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        error = error.__cause__  # fsspec calls whatever a web server answers a missing file
    names = {one.__name__ for one in type(error).__mro__}
    status = _status(error)
    if names & _NO_CREDENTIALS or (isinstance(error, ValueError) and "credential" in str(error).lower()):
        return RemoteError("there are no credentials for it", _CREDENTIALS[kind])
    if names & _NO_TRUST:
        return RemoteError("its certificate is not trusted", "Name its authority's file in SSL_CERT_FILE.")
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        what = "bucket" if is_without_bucket(error) else "object"
        return RemoteError(f"there is no such {what}", "Check the name.", missing=True)
    if isinstance(error, PermissionError) or status in (401, 403):
        return RemoteError(f"access is refused{_in_brackets(error, status)}", _CREDENTIALS[kind])
    if names & _TOO_LATE:
        return RemoteError("no answer came in time", "Run the same command again: it goes on from there.")
    if names & _NO_CONNECTION:
        return RemoteError("the connection failed or broke off", _ADDRESS[kind])
    if status is not None:
        return RemoteError(f"the server answered {status}", "Run the same command again, or ask who runs it.")
    if isinstance(error, ValueError) and kind != "https":
        return RemoteError(_first_line(error), "Check the name.")
    text = _first_line(error) if kind != "https" else ""  # such texts hold the URL, and that a signature
    kind_of_error = "" if isinstance(error, OSError) and text else type(error).__name__
    return RemoteError(": ".join(part for part in (kind_of_error, text) if part), _ADDRESS[kind])


def _status(error: Any) -> int | None:
    """The HTTP status that came, by the names that the libraries give it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = next((getattr(error, name, None) for name in ("status", "status_code", "code")), None)
    return status if isinstance(status, int) and status >= 300 else None


def _in_brackets(error: BaseException, status: int | None) -> str:
    text = str(status) if status is not None else _first_line(error)
    return f" ({text})" if text else ""


def _first_line(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().partition("\n")[0].rstrip(".")[:200]
