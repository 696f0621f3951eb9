"""A real HTTP server that answers as it is told, request by request, for what a good server never does.

with serve() as server:                      # takes everything, as a Matomo would
    server.script = in_turn(Told(503), Told(reset=True), good)
    ...
    assert len(server.bulk) == 3
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import orjson


@dataclass(slots=True)
class Posted:
    """A request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int = 0  # number of the connection that it came over, from 1
    method: str = "POST"

    @property
    def queries(self) -> list[str]:
        """The tracking requests of a bulk body."""
        queries: list[str] = orjson.loads(self.body)["requests"]
        return queries

    @property
    def call(self) -> dict[str, str]:
        """The parameters of a call of the API, in its query string and its form."""
        return dict(parse_qsl(self.path.partition("?")[2]) + parse_qsl(self.body.decode()))


@dataclass(slots=True)
class Told:
    """How to answer one request; times in seconds."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # before the answer
    reset: bool = False  # instead of an answer, the connection is reset
    hang_up: bool = False  # instead of an answer, the connection is closed in good order
    raw: bytes | None = None  # instead of an answer, these bytes, and the connection is closed
    length: int | None = None  # a Content-Length that may lie
    repeat: int = 1  # how often the body is sent
    drip: float = 0.0  # pause before each byte of the body
    drip_head: float = 0.0  # pause before each byte of the head
    close: bool = False  # close the connection afterwards without having said so


Script = Callable[[Posted], Told]


def told_json(members: Any, status: int = 200) -> Told:
    """An answer in JSON."""
    return Told(status, orjson.dumps(members), {"Content-Type": "application/json"})


def good(posted: Posted) -> Told:
    """As a Matomo that takes everything."""
    if "/index.php" in posted.path:
        return told_json({"idsite": 1, "main_url": "http://site.example"})
    return counted(len(posted.queries))


def asked(posted: Posted) -> Told:
    """The same, which also tells of its visits: that it has none of those that are asked for."""
    return told_json([]) if "Live.getLastVisitsDetails" in posted.path else good(posted)


def counted(tracked: int, invalid: int = 0, indices: list[int] | None = None) -> Told:
    """A bulk reply with these counts."""
    reply: dict[str, Any] = {"status": "success", "tracked": tracked, "invalid": invalid}
    return told_json(reply if indices is None else reply | {"invalid_indices": indices})


def in_turn(*answers: Told | Script) -> Script:
    """One answer after the other; the last one for ever. Pings and calls of the API count like any other."""
    left = list(answers)
    lock = threading.Lock()

    def script(posted: Posted) -> Told:
        with lock:
            one = left.pop(0) if len(left) > 1 else left[0]
        return one if isinstance(one, Told) else one(posted)

    return script


class FaultServer:
    """Holds what was posted; `script` may be replaced at any time."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.early: Callable[[Posted], Told | None] | None = None
        """Asked with the head alone (no body yet); what it answers is sent without the body being read."""
        self.posted: list[Posted] = []
        self.url = ""
        self.connections = 0
        self.closing = threading.Event()  # delays end with the server

    @property
    def bulk(self) -> list[Posted]:
        """The bulk requests that were no pings."""
        return [posted for posted in self.posted if b'"requests"' in posted.body and b"ping=1" not in posted.body]


@contextmanager
def serve(script: Script = good, tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """A server on a free loopback port; with `tls` at `https://localhost`."""
    fault = FaultServer(script)

    class Handler(_Handler):
        server_of = fault

    server = _Quiet(("127.0.0.1", 0), Handler)
    server.tls = tls
    port = server.server_address[1]
    fault.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fault
    finally:
        fault.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:  # here and not at accept: a handshake that hangs is one client's business
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        if self.tls is not None:
            request.close()  # the unwrapped one, which our caller closes, is detached

    def shutdown_request(self, request: Any) -> None:
        with suppress(OSError):
            if any(request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)):  # a FIN would come before the RST
                return self.close_request(request)
        return super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        pass  # clients that leave early are what these tests are about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each reply waits 40 ms for an acknowledgement
    server_of: FaultServer

    def setup(self) -> None:
        super().setup()
        self.server_of.connections += 1
        self.number = self.server_of.connections

    def do_POST(self) -> None:
        fault = self.server_of
        posted = Posted(self.path, dict(self.headers), b"", self.number, self.command)
        if fault.early is not None and (told := fault.early(posted)) is not None:
            self.close_connection = True
            return self.answer(told)
        posted.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault.posted.append(posted)
        return self.answer(fault.script(posted))

    do_GET = do_CONNECT = do_POST  # noqa: N815 - names that http.server looks for

    def answer(self, told: Told) -> None:
        fault = self.server_of
        fault.closing.wait(told.delay)
        self.close_connection = self.close_connection or told.close
        if told.reset or told.hang_up or told.raw is not None:
            self.close_connection = True
            if told.reset:
                # Linger of zero seconds: the kernel sends RST instead of FIN.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.wfile.write(told.raw or b"")
            return
        length = len(told.body) * told.repeat if told.length is None else told.length
        headers = {**told.headers, "Content-Length": str(length)}
        head = f"HTTP/1.1 {told.status} Told\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with suppress(OSError):
            self.send(head.encode("latin-1") + b"\r\n", told.drip_head)
            for _ in range(told.repeat):
                self.send(told.body, told.drip)
        if length != len(told.body) * told.repeat:
            self.close_connection = True

    def send(self, data: bytes, pause: float) -> None:
        if not pause:
            self.wfile.write(data)
            return
        for byte in data:
            time.sleep(pause)
            if self.server_of.closing.is_set():
                return
            self.wfile.write(bytes([byte]))

    def log_message(self, *_: object) -> None:
        pass
