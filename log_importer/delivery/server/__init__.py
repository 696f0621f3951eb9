"""The HTTP session to the server: where a run posts to, and the calls of the API that an importer makes.

`requests` and its exceptions are known in this folder alone.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
import urllib3
from requests.adapters import DEFAULT_CA_BUNDLE_PATH

from log_importer.delivery.server.address import read_address
from log_importer.delivery.server.session import Limits, Session, Trust
from log_importer.model import Answer
from log_importer.model.errors import ServerRefused, ServerUnreachable, UsageError
from log_importer.model.visible import visible
from log_importer.tracking.bulk import body

__all__ = ["ApiRefused", "Server", "Session", "authorities", "described", "redirected"]

_CHECK_URL = "Check --url: it is the address under which Matomo's own pages open."
_CHECK_CERTIFICATE = "Mend the certificate, or name its authority's file in REQUESTS_CA_BUNDLE."
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class ApiRefused(ServerRefused):
    """The API answered with an error object; its message is in the server's language, so only `status` tells."""

    def __init__(self, what: str, status: int, message: str) -> None:
        super().__init__(what)
        self.status = status
        self.message = message  # made visible


class Server:
    """Where a run posts to. Close it, or the connections stay open until the process ends."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        endpoint: str = "",
        api_url: str = "",
        auth: tuple[str, str] | None = None,
        ca_file: str = "",
        verify: bool = True,
        connect_timeout: float = 10.0,
        request_timeout: float = 300.0,
        reply_timeout: float = 60.0,
        secrets: Sequence[str] = (),
    ) -> None:
        """`url` with or without scheme, trailing slash, or the tracker's file; `auth` is for the web server.

        `secrets` are blotted out of whatever it says, beside the token and the password of `auth`. Time-outs in
        seconds. Raises `UsageError`.
        """
        address = read_address(url, endpoint)
        self.url = address.base
        self.tracker = address.tracker
        self._api = f"{read_address(api_url).base if api_url else address.base}/index.php"
        self._token = token
        auth = auth or address.auth
        secrets = [token, *secrets, *(auth[1:] if auth else ())]
        if not verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the user has asked for it
        tls = verify and "https://" in (self.tracker[:8], self._api[:8])
        self._trust = Trust(_authorities(ca_file) if tls else verify, auth, secrets)
        self._limits = Limits(connect_timeout, request_timeout, reply_timeout)
        self._session = self.session()
        self._asking: list[Session] = []

    def session(self) -> Session:
        """Connections of its own, for one thread."""
        return Session(self.tracker, self._trust, self._limits)

    def close(self) -> None:
        """Closes the connections that are not a `session()`'s."""
        for session in (self._session, *self._asking):
            session.close()

    def bulk(self, queries: Sequence[bytes], *, debug: bool = False) -> Answer:
        """Posts `queries` in one bulk request; `debug` asks the tracker to explain itself."""
        return self._session.post(body(queries, self._token), debug=debug)

    def api(self, method: str, **parameters: str) -> Any:
        """What the Reporting API's `method` returns, from its JSON.

        Raises `ApiRefused` for an error object, and else `ServerRefused` or `ServerUnreachable`.
        """
        return self._call(self._session, method, parameters)

    def asking(self, seconds: float) -> Callable[..., Any]:
        """`api` over connections of its own, for one thread at a time, with an answer within so many seconds."""
        session = Session(self.tracker, self._trust, replace(self._limits, request=seconds, reply=seconds))
        self._asking.append(session)

        def api(method: str, **parameters: str) -> Any:
            return self._call(session, method, parameters)

        return api

    def _call(self, session: Session, method: str, parameters: Mapping[str, str]) -> Any:
        form = {"filter_limit": "-1", **parameters}
        if self._token:
            form["token_auth"] = self._token
        # With the module in the form, a Matomo answers a refused token with its login page instead of JSON.
        answer = session.post_form(f"{self._api}?module=API&format=json&method={method}", form)
        if answer.status is None or (answer.error and answer.status == 200):
            raise unreached(answer)
        if 300 <= answer.status < 400:
            raise ServerRefused(redirected(self._api, answer), REDIRECTED)
        try:
            found = orjson.loads(answer.body)
        except ValueError:
            raise _no_json(self._api, answer) from None
        if answer.status in (408, 429) or answer.status >= 500:
            raise ServerUnreachable(f"{self._api} fails: {described(answer)}.", "See the server's own error log.")
        if answer.status != 200 or (isinstance(found, dict) and found.get("result") == "error"):
            message = visible(str(found.get("message", "")) if isinstance(found, dict) else "", 160)
            raise ApiRefused(f"{self._api} refuses {method}: {described(answer)}.", answer.status, message)
        return found


REDIRECTED = "Give the address it points to as --url."


def redirected(url: str, answer: Answer) -> str:
    """The sentence for a redirect."""
    return (
        f"{url} redirects to {visible(answer.location) or 'nowhere'} (status {answer.status}); a redirect is never "
        "followed, since it would lose what is posted."
    )


def unreached(answer: Answer) -> ServerRefused | ServerUnreachable:
    """The error for an answer that did not come, or not whole."""
    if answer.tls:
        return ServerRefused(answer.error, _CHECK_CERTIFICATE)
    return ServerUnreachable(answer.error, "Check --url, and that the server runs.")


def described(answer: Answer) -> str:
    """Status and beginning of an answer, for a sentence."""
    beginning = visible(answer.body.strip(), 80)
    return f"status {answer.status}, {beginning!r}" if beginning else f"status {answer.status} and no text"


def _no_json(url: str, answer: Answer) -> ServerRefused | ServerUnreachable:
    assert answer.status is not None
    if answer.status in (408, 429) or answer.status >= 500:
        return ServerUnreachable(f"{url} fails: {described(answer)}.", "See the server's own error log.")
    if answer.status == 401:
        return ServerRefused(f"The web server wants a login for {url} ({described(answer)}).", _CHECK_LOGIN)
    if answer.status == 407:
        return ServerRefused(answer.error or f"The proxy on the way to {url} wants a login.", CHECK_PROXY)
    return ServerRefused(f"{url} did not answer as a Matomo does: {described(answer)}.", _CHECK_URL)


_CHECK_LOGIN = "Give it in --url, as https://user:password@host/."
CHECK_PROXY = "Give it in the environment, as HTTPS_PROXY=http://user:password@proxy.example:3128."


def authorities(ca_file: str) -> str:
    """The file or folder of the authorities whose certificates count. Raises `UsageError`."""
    found = _authorities(ca_file)
    return DEFAULT_CA_BUNDLE_PATH if found is True else str(found)


def _authorities(ca_file: str) -> bool | str:
    """The file or folder of authorities that count instead of the built-in ones. Raises `UsageError`."""
    named = {"--ca-file": ca_file, **{name: os.environ.get(name, "") for name in _CA_VARIABLES}}
    for name, path in named.items():
        if path and not os.access(path, os.R_OK):
            raise UsageError(
                f"{name} names {visible(path)}, which does not exist or may not be read.",
                "Name a file of certificates.",
            )
        if path:
            return path
    return True
