"""What the tests of the session share: a server's client that is closed, and bare sockets."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from log_importer.delivery.server import Server
from log_importer.model import Answer
from tests.fault_server import FaultServer

TOKEN = "0123456789abcdef" * 2
QUERY = b"?idsite=1&rec=1"
LARGE = [b"?" + b"x" * 8_000_000]  # more than the kernels on both sides hold
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n{"status":"success","tracked":1,"invalid":0}'


@contextmanager
def to(server: FaultServer | str, **more: float) -> Iterator[Server]:
    url = server if isinstance(server, str) else server.url
    one = Server(url, TOKEN, **more)  # type: ignore[arg-type]
    try:
        yield one
    finally:
        one.close()


def post(server: FaultServer | str, queries: list[bytes] | None = None, **more: float) -> Answer:
    with to(server, **more) as one:
        return one.bulk([QUERY] if queries is None else queries)


@contextmanager
def listening(handle: Callable[[socket.socket, threading.Event], object], buffer: int = 0) -> Iterator[str]:
    """The URL of a bare socket, for what no HTTP server does; each connection is handled in a thread."""
    over = threading.Event()
    with socket.socket() as listener:
        if buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def each(connection: socket.socket) -> None:
            with connection:
                handle(connection, over)

        def accept() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=each, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


def closed_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"
