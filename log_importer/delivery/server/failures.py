"""What broke on the way -> one sentence, and whether the server can have seen the request."""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from urllib3 import exceptions as broken

from log_importer.delivery.server.wire import Exchange
from log_importer.model import Answer
from log_importer.model.visible import visible

_CERTIFICATE = {  # OpenSSL's X509_V_ERR_*
    9: "its certificate is not valid yet; is this machine's clock right?",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate comes from an authority that this machine does not know",
    20: "its certificate comes from an authority that this machine does not know",
    62: "its certificate is for another host name",
    64: "its certificate is for another address",
}

_GOODBYE = 256
"""More bytes than TLS sends of its own when the other side has closed; no request is as short."""


def failed(url: str, error: Exception, exchange: Exchange, request_timeout: float, connect_timeout: float) -> Answer:
    """The answer for a request that `error` ended before a reply began; time-outs in seconds."""
    causes = list(_causes(error))
    host = urlsplit(url).netloc
    if exchange.begun:
        return Answer(None, error=_under_way(url, causes, exchange, request_timeout), body_sent=seen(causes, exchange))
    if any(isinstance(cause, broken.ProxyError) for cause in causes):
        return _proxy(host, causes, connect_timeout)
    tls = _tls(causes)
    if tls:
        return Answer(None, error=f"TLS with {host} failed: {tls}.", body_sent=False, tls=True)
    return Answer(None, error=_not_connected(host, causes, connect_timeout), body_sent=False)


def seen(causes: list[BaseException], exchange: Exchange) -> bool:
    """Whether the server can have seen the whole request.

    Not when our kernel did not take all of it. And not when the server closed in good order while part of it lay
    unacknowledged: the closing acknowledges all that was read. A reset acknowledges nothing, so it proves nothing.
    """
    if not exchange.sent:
        return False
    closed = any(isinstance(cause, http.client.RemoteDisconnected) for cause in causes)
    return not (closed and not exchange.expired and (exchange.untaken or 0) > _GOODBYE)


def _under_way(url: str, causes: list[BaseException], exchange: Exchange, timeout: float) -> str:
    late = any(isinstance(cause, TimeoutError | broken.ReadTimeoutError) for cause in causes)
    if late or exchange.expired:
        return f"{url} did not {'answer' if exchange.sent else 'take the whole post'} within {timeout:g} s."
    if any(isinstance(cause, http.client.RemoteDisconnected) for cause in causes):
        return f"{url} closed the connection without an answer."
    if any(isinstance(cause, ConnectionError | ssl.SSLError | http.client.IncompleteRead) for cause in causes):
        return f"The connection to {url} broke before its answer was complete."
    return f"{url} answered with what is no HTTP ({visible(str(causes[-1]), 80)})."


def _tls(causes: list[BaseException]) -> str:
    """Why TLS cannot work; "" where it may the next time: it was cut off, or was not the matter."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATE.get(cause.verify_code, visible(str(cause.verify_message), 120))
    for cause in causes:
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return ""
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, TimeoutError):
            reason = visible(str(cause.reason or cause), 120).lower().replace("_", " ")
            plain = "wrong version number" in reason or "record layer failure" in reason or "http request" in reason
            return f"{reason}; the port may speak plain HTTP" if plain else reason
        if isinstance(cause, broken.SSLError) and cause is causes[-1]:
            return visible(str(cause), 120)
    return ""


def _not_connected(host: str, causes: list[BaseException], timeout: float) -> str:
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            again = " The name service itself failed." if cause.errno == socket.EAI_AGAIN else ""
            return f"There is no host {host}: its name does not resolve.{again}"
        if isinstance(cause, TimeoutError | broken.ReadTimeoutError) or type(cause) is broken.ConnectTimeoutError:
            return f"{host} took no connection within {timeout:g} s."
    last = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    reason = visible(str(last or causes[-1]), 80).lower()
    if any(isinstance(cause, broken.NewConnectionError) for cause in causes):
        return f"{host} takes no connection: {reason}."
    return f"The connection to {host} broke while it was made ({reason})."


def _proxy(host: str, causes: list[BaseException], timeout: float) -> Answer:
    """A proxy's refusal of a tunnel has a status of its own; 407 is passed on, the others say nothing of the server."""
    told = next((m for cause in causes if (m := re.search(r"Tunnel connection failed: (\d{3})", str(cause)))), None)
    if told:
        sentence = f"The proxy on the way to {host} refuses to pass the connection on (status {told[1]})."
        return Answer(407 if told[1] == "407" else None, error=sentence, body_sent=False)
    tls = _tls(causes)
    reason = f"TLS failed: {tls}." if tls else _not_connected("it", causes, timeout)
    return Answer(None, error=f"The proxy on the way to {host} does not work: {reason}", body_sent=False)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made of, outermost first."""
    waiting, met = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if id(one) in met:
            continue
        met.add(id(one))
        yield one
        inner = [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]
