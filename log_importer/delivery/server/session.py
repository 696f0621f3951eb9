"""One thread's posts: redirects never followed, no cookies, replies capped in size and in time.

Whatever the network does becomes an `Answer`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3
from requests.auth import HTTPBasicAuth

from log_importer import __version__
from log_importer.delivery.server.address import proxies_for
from log_importer.delivery.server.failures import failed
from log_importer.delivery.server.wire import Exchange, Wire
from log_importer.model import Answer
from log_importer.model.errors import UsageError
from log_importer.model.visible import visible

MAX_REPLY = 1 << 20
"""Bytes of a tracker's reply that are read, decompressed; what is longer is none."""
MAX_API_REPLY = 16 << 20
"""The same for the API: a Matomo tells some 3 KiB of each visit."""
LONGEST_RETRY_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds."""

    connect: float = 10.0
    request: float = 300.0  # from the first byte of a post to the last of its reply
    reply: float = 60.0  # from a reply's head to its end
    # A connection that lay idle for longer is not used again: Apache closes it after 5, and a post that meets the
    # closing may or may not have arrived.
    idle: float = 2.0


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates count, and who we are."""

    verify: bool | str = True  # or the file or folder of the authorities' certificates
    auth: tuple[str, str] | None = None
    secrets: Sequence[str] = ()  # blotted out of whatever the server says


class Session:
    """Kept-alive connections of one thread. Close it, or they stay open until the process ends."""

    def __init__(self, tracker: str, trust: Trust, limits: Limits) -> None:
        self._tracker = f"{tracker}{'&' if '?' in tracker else '?'}queuedtracking=0"
        self._limits = limits
        self._secrets = [secret.encode() for secret in trust.secrets if len(secret) > 3]
        self._proxies: dict[str, dict[str, str]] = {}
        self._prepared: dict[str, requests.PreparedRequest] = {}
        self._http = requests.Session()
        # Of the environment only proxies and CA bundle count: ~/.netrc would replace our credentials.
        self._http.trust_env = False
        self._verify = trust.verify
        if trust.auth:
            self._http.auth = HTTPBasicAuth(*(part.encode() for part in trust.auth))
        # A cookie that came back would make one visitor of all where the server knows visitors by cookies.
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._http.headers.update({"User-Agent": f"log-importer/{__version__}", "Accept-Encoding": "identity"})
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, Wire(pool_connections=2, pool_maxsize=1))

    def post(self, data: bytes, *, debug: bool = False) -> Answer:
        """Posts a bulk body to the tracker; `debug` asks it to explain itself instead of counting."""
        url = f"{self._tracker}&debug=1" if debug else self._tracker
        return self._send(url, data, {"Content-Type": "application/json"})

    def post_form(self, url: str, form: dict[str, str]) -> Answer:
        """Posts a form to the API."""
        return self._send(url, form, {})

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _send(self, url: str, data: bytes | dict[str, str], headers: dict[str, str]) -> Answer:
        while True:
            with Exchange(self._limits.request, self._limits.idle) as exchange:
                answer = self._exchange(exchange, url, data, headers)
            # A kept-alive connection that the server had closed: nothing arrived, so nothing is in doubt.
            if answer.status is None and exchange.reused and not answer.body_sent and not exchange.expired:
                continue
            return answer

    def _exchange(self, exchange: Exchange, url: str, data: bytes | dict[str, str], headers: dict[str, str]) -> Answer:
        began = time.monotonic()
        if url not in self._proxies:
            self._proxies[url] = proxies_for(url)
        exchange.expire_in(self._limits.request)
        request = self._request(url, data, headers)
        try:
            # Not by the session, which reads the whole body of a redirect even where it follows none.
            response = self._http.get_adapter(url).send(
                request, stream=True, timeout=(self._limits.connect, self._limits.request),
                verify=self._verify, proxies=self._proxies[url],
            )  # fmt: skip
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidProxyURL) as error:
            raise UsageError(
                f"The proxy that the environment names cannot be used: {visible(str(error), 120)}",
                "Give the address of an HTTP proxy, as http://proxy.example:3128, or none.",
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            answer = failed(url, error, exchange, self._limits.request, self._limits.connect)
            return self._discreet(answer, answer.body, began)
        finally:
            request.body = None  # it is large, and would be kept until the next post
        left = self._limits.request - (time.monotonic() - began)
        exchange.expire_in(min(left, self._limits.reply))
        with response:
            most = MAX_API_REPLY if isinstance(data, dict) else MAX_REPLY
            content, cut, error_text = _read(response, exchange, most)
        if exchange.expired:
            error_text = f"{url} took too long to send its reply."
        answer = Answer(
            status=response.status_code,
            content_type=response.headers.get("Content-Type", ""),
            cut=cut,
            location=response.headers.get("Location", ""),
            retry_after=retry_after(response.headers.get("Retry-After", ""), time.time()),
            error=error_text,
        )
        return self._discreet(answer, content, began)

    def _request(self, url: str, data: bytes | dict[str, str], headers: dict[str, str]) -> requests.PreparedRequest:
        """What is sent; of posts to one address only the body is another each time."""
        if isinstance(data, dict):
            return self._http.prepare_request(requests.Request("POST", url, headers, data=data))
        request = self._prepared.get(url)
        if request is None:
            request = self._prepared[url] = self._http.prepare_request(requests.Request("POST", url, headers))
        request.body = data
        request.headers["Content-Length"] = str(len(data))
        return request

    def _discreet(self, answer: Answer, content: bytes, began: float) -> Answer:
        """The answer with its body and time; a server that repeats what it was sent must not make us print it."""
        location, error = answer.location, answer.error
        for secret in self._secrets:
            content = content.replace(secret, b"(secret)")
            location = location.replace(secret.decode(), "(secret)")
            error = error.replace(secret.decode(), "(secret)")
        return Answer(
            answer.status, answer.content_type, content, answer.cut, location, answer.retry_after, error,
            answer.body_sent, answer.tls, time.monotonic() - began,
        )  # fmt: skip


def _read(response: requests.Response, exchange: Exchange, most: int) -> tuple[bytes, bool, str]:
    """The reply's body up to so many bytes, whether it was cut, and why."""
    content = bytearray()
    read: Callable[..., bytes] = response.raw.read1
    try:
        while len(content) <= most:
            block = read(65536, decode_content=True)
            if not block:
                # Ended by our deadline, a reply without a length looks whole.
                return bytes(content), exchange.expired, ""
            content += block
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return bytes(content), True, f"The connection broke in mid-reply ({visible(str(error), 80)})."
    return bytes(content[:most]), True, f"The reply is longer than {most} bytes."


def retry_after(value: str, now: float) -> float | None:
    """Seconds to wait by a Retry-After header, a number or a date; capped, `None` where it makes no sense."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        try:
            moment = parsedate_to_datetime(value)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else None
