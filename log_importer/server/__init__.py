"""The HTTP session to the server: TLS checked, redirects never followed, replies capped and bounded in time.

Whatever happens becomes an `Answer`; `requests` and its exceptions are known here alone.
"""

import os
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from requests import exceptions as failures

from log_importer import __version__
from log_importer.errors import ServerRefused, ServerUnreachable, UsageError
from log_importer.model import Answer
from log_importer.tracking.bulk import body, parse_reply
from log_importer.visible import visible

MAX_REPLY = 1 << 20
"""Bytes of a reply that are read; what is longer is no reply of a tracker."""
REPLY_TIME = 60.0
"""Seconds from a reply's head to its end."""
CONNECT_TIME = 10.0
LONGEST_RETRY_AFTER = 3600.0

_ENDPOINT = "/piwik.php"  # every version has it, Piwik and Matomo alike


class Server:
    """Where a run posts to. Close it, or the connections stay open until the process ends."""

    def __init__(self, url: str, token: str, *, endpoint: str = "", request_timeout: float = 300.0) -> None:
        """`url` with or without scheme, trailing slash, or the tracker's file. Raises `UsageError`."""
        self.url, named = _normalise(url)
        self.tracker = f"{self.url}/{(endpoint or named or _ENDPOINT).lstrip('/')}"
        self._token = token
        self._timeout = request_timeout
        self._auth = _credentials(url)
        self._session = self.session()

    def session(self) -> "Session":
        """A connection of its own, for one thread."""
        return Session(self.tracker, self._auth, self._timeout)

    def close(self) -> None:
        """Closes the connection."""
        self._session.close()

    def bulk(self, queries: list[bytes]) -> Answer:
        """Posts `queries` in one bulk request."""
        return self._session.post(body(queries, self._token))

    def tracks(self, idsite: int) -> bool:
        """Whether the server tracks at all: a ping stores nothing and is counted all the same."""
        reply = parse_reply(self.bulk([f"?idsite={idsite}&rec=1&ping=1".encode()]).body)
        return reply is not None and reply.tracked + reply.invalid > 0

    def api(self, method: str, **parameters: str) -> Any:
        """What the Reporting API's `method` returns, from its JSON; an error object is returned as it is.

        Raises `ServerRefused` or `ServerUnreachable`.
        """
        url = f"{self.url}/index.php"
        form = {"module": "API", "format": "json", "method": method, "token_auth": self._token, **parameters}
        answer = self._session.post_form(url, form)
        if answer.status is None:
            raise ServerRefused(answer.error) if answer.tls else ServerUnreachable(answer.error)
        if 300 <= answer.status < 400:
            raise ServerRefused(redirected(url, answer))
        try:
            return orjson.loads(answer.body)
        except ValueError:
            raise _no_json(url, answer) from None


def redirected(url: str, answer: Answer) -> str:
    """The sentence for a redirect."""
    return (
        f"{url} redirects to {visible(answer.location) or 'nowhere'}; a redirect is never followed, "
        "since it would lose what is posted. Give the address it points to as --url."
    )


def described(answer: Answer) -> str:
    """Status and beginning of an answer, for a sentence."""
    beginning = visible(answer.body.strip(), 80)
    return f"status {answer.status}, '{beginning}'" if beginning else f"status {answer.status} and no text"


def _no_json(url: str, answer: Answer) -> ServerRefused | ServerUnreachable:
    what = f"{url} did not answer as a Matomo does: {described(answer)}."
    if answer.status is not None and answer.status >= 500:
        return ServerUnreachable(what)
    return ServerRefused(what, "Check --url: it is the address under which Matomo's own pages open.")


class Session:
    """One kept-alive connection to the tracker."""

    def __init__(self, tracker: str, auth: tuple[str, str] | None, timeout: float) -> None:
        self._tracker = f"{tracker}?queuedtracking=0"
        self._timeout = timeout
        self._http = requests.Session()
        # Of the environment only proxies and CA bundle count: ~/.netrc would replace our credentials.
        self._http.trust_env = False
        self._http.auth = auth
        self._http.proxies = requests.utils.get_environ_proxies(tracker)
        self._http.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self._http.headers.update({"User-Agent": f"log-importer/{__version__}", "Accept-Encoding": "identity"})

    def post(self, data: bytes) -> Answer:
        """Posts a bulk body to the tracker."""
        return self._send(self._tracker, data, {"Content-Type": "application/json"})

    def post_form(self, url: str, form: dict[str, str]) -> Answer:
        """Posts a form."""
        return self._send(url, form, {})

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def _send(self, url: str, data: bytes | dict[str, str], headers: dict[str, str]) -> Answer:
        began = time.monotonic()
        try:
            with self._http.post(
                url,
                data=data,
                headers=headers,
                timeout=(CONNECT_TIME, self._timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                content, cut = _read(response)
                return Answer(
                    status=response.status_code,
                    content_type=response.headers.get("Content-Type", ""),
                    body=content,
                    cut=cut,
                    location=response.headers.get("Location", ""),
                    retry_after=retry_after(response.headers.get("Retry-After", "")),
                    seconds=time.monotonic() - began,
                )
        except failures.RequestException as error:
            return _failed(url, error, self._timeout)
        except _ReplyTooSlow:
            return Answer(None, error=f"{url} took longer than {REPLY_TIME:g} s to send its reply.")
        except (OSError, ValueError) as error:  # what requests lets through, such as a reply that is no HTTP
            return Answer(None, error=f"{url} answered with what is no HTTP ({visible(str(error), 80)}).")


class _ReplyTooSlow(Exception):
    pass


def _read(response: requests.Response) -> tuple[bytes, bool]:
    end = time.monotonic() + REPLY_TIME
    content = bytearray()
    try:
        while len(content) <= MAX_REPLY:
            block = response.raw.read1(65536, decode_content=True)
            if not block:
                return bytes(content), False
            content += block
            if time.monotonic() > end:
                raise _ReplyTooSlow
    except requests.packages.urllib3.exceptions.HTTPError as error:  # type: ignore[attr-defined]
        raise failures.ConnectionError(error) from None
    return bytes(content[:MAX_REPLY]), True


def _failed(url: str, error: failures.RequestException, timeout: float) -> Answer:
    text = str(error)
    host = urlsplit(url).netloc
    if isinstance(error, failures.SSLError):
        reason = visible(text.rpartition("certificate verify failed: ")[2].partition(" (_ssl")[0], 120)
        return Answer(None, error=f"TLS with {host} failed: {reason}.", body_sent=False, tls=True)
    if isinstance(error, failures.ProxyError):
        return Answer(None, error=f"The proxy on the way to {host} failed: {visible(text, 160)}.", body_sent=False)
    if isinstance(error, failures.ConnectTimeout):
        return Answer(None, error=f"{host} did not accept a connection within {CONNECT_TIME:g} s.", body_sent=False)
    if isinstance(error, failures.ReadTimeout):
        return Answer(None, error=f"{url} did not answer within {timeout:g} s.")
    if "NameResolutionError" in text or "Failed to resolve" in text:
        return Answer(None, error=f"There is no host {host}: its name does not resolve.", body_sent=False)
    if "NewConnectionError" in text or "Failed to establish" in text:
        reason = text.rpartition("] ")[2].rstrip("'\")")
        return Answer(None, error=f"{host} takes no connection: {visible(reason, 80).lower()}.", body_sent=False)
    return Answer(None, error=f"The connection to {host} broke before its answer was complete.")


def retry_after(value: str) -> float | None:
    """Seconds to wait by a Retry-After header, a number or a date; capped, `None` where it makes no sense."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        try:
            moment = parsedate_to_datetime(value)
            seconds = (moment - datetime.now(moment.tzinfo or UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else None


def _normalise(url: str) -> tuple[str, str]:
    """The base URL without credentials and trailing slash, and the tracker's file where the URL names it."""
    full = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(full)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UsageError(f"--url {visible(url)} is not the address of a server.", "Write https://matomo.example.org/.")
    host = f"[{host}]" if ":" in host else host
    path, named = parts.path.rstrip("/"), ""
    for file in ("matomo.php", "piwik.php", "index.php"):
        if path.endswith(f"/{file}"):
            path, named = path.removesuffix(f"/{file}"), "" if file == "index.php" else f"/{file}"
    return f"{parts.scheme}://{host}{port}{path}", named


def _credentials(url: str) -> tuple[str, str] | None:
    parts = urlsplit(url)
    return (parts.username, parts.password or "") if parts.username else None
