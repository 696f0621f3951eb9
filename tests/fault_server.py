"""A real HTTP server that answers as it is told, request by request, for what a good server never does."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(slots=True)
class Posted:
    """A request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def queries(self) -> list[str]:
        """The tracking requests of a bulk body."""
        queries: list[str] = orjson.loads(self.body)["requests"]
        return queries


@dataclass(slots=True)
class Told:
    """How to answer one request."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # before the answer
    reset: bool = False  # instead of an answer, the connection is reset
    length: int | None = None  # a Content-Length that may lie


Script = Callable[[Posted], Told]


def told_json(members: Any, status: int = 200) -> Told:
    """An answer in JSON."""
    return Told(status, orjson.dumps(members), {"Content-Type": "application/json"})


def good(posted: Posted) -> Told:
    """As a Matomo that takes everything."""
    if posted.path.startswith("/index.php"):
        return told_json({"idsite": 1, "main_url": "http://site.example"})
    return counted(len(posted.queries))


def counted(tracked: int, invalid: int = 0, indices: list[int] | None = None) -> Told:
    """A bulk reply with these counts."""
    reply: dict[str, Any] = {"status": "success", "tracked": tracked, "invalid": invalid}
    return told_json(reply if indices is None else reply | {"invalid_indices": indices})


class FaultServer:
    """Holds what was posted; `script` may be replaced at any time."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.posted: list[Posted] = []
        self.url = ""

    @property
    def bulk(self) -> list[Posted]:
        """The bulk requests that were no pings."""
        return [posted for posted in self.posted if b'"requests"' in posted.body and b"ping=1" not in posted.body]


@contextmanager
def serve(script: Script = good) -> Iterator[FaultServer]:
    """A server on a free loopback port."""
    fault = FaultServer(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            posted = Posted(self.path, dict(self.headers), body)
            fault.posted.append(posted)
            told = fault.script(posted)
            time.sleep(told.delay)
            if told.reset:
                # Linger of zero seconds: the kernel sends RST instead of FIN.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            self.send_response(told.status)
            length = len(told.body) if told.length is None else told.length
            for name, value in {**told.headers, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body)
            if length != len(told.body):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # clients that leave early are what these tests are about

    server = Quiet(("127.0.0.1", 0), Handler)
    fault.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fault
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
