"""Numbered requests, some hundreds a second, over connections that stay open; a visitor's all over the same one."""

import contextlib
import http.client
import itertools
import socket
import threading
import time
from collections.abc import Iterator

VISITORS = 50
CONNECTIONS = 5
SLOW = 0.5
"""Seconds that a slow request is under way: where a server is restarted meanwhile, its line goes to the old log."""
RATE = 300
"""Requests a second."""


def visitor(number: int) -> int:
    """Who sends that request, as `tests.oracle` has it."""
    return number * 7919 % VISITORS


def agent(number: int) -> str:
    """The visitor's user agent: by it the visitors are told apart, as they all come from one address."""
    version = 100 + visitor(number)
    return f"Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"


class Load:
    """Requests that go on until `stop`."""

    def __init__(self, port: int, slow: bool = True) -> None:
        self.port = port
        self.answered: list[int] = []
        """Numbers of the requests that were answered with 200, so that each has a line in some log."""
        self.unsure: list[int] = []
        """Those whose connection was closed instead: a server that is restarted closes those that are idle."""
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(first,)) for first in range(CONNECTIONS)]
        if slow:
            self._threads.append(threading.Thread(target=self._dawdle))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, first: int) -> None:
        """Every fifth number; those of one visitor are left to the slow requests."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        pause, begin = CONNECTIONS / RATE, time.monotonic()
        for turn in itertools.count():
            number = first + turn * CONNECTIONS
            if self._over.wait(max(0.0, begin + turn * pause - time.monotonic())):
                break
            if number % VISITORS:
                self._ask(connection, number)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, number: int) -> None:
        try:
            connection.request("GET", f"/n/{number}", headers={"User-Agent": agent(number)})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            self.answered.append(number)
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request opens it again
            self.unsure.append(number)

    def _dawdle(self) -> None:
        """Downloads that take their time, one after the other, each over a connection of its own."""
        for number in itertools.count(0, VISITORS):
            if self._over.is_set():
                return
            with contextlib.suppress(OSError), socket.socket() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.settimeout(20)
                connection.connect(("127.0.0.1", self.port))
                head = f"GET /n/{number}/slow HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent(number)}\r\n"
                connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
                time.sleep(SLOW)
                answer = http.client.HTTPResponse(connection)
                with contextlib.suppress(http.client.HTTPException):  # a server that is restarted may just hang up
                    answer.begin()
                    answer.read()
                    assert answer.status == 200, answer.status
                    self.answered.append(number)
                    continue
            self.unsure.append(number)


@contextlib.contextmanager
def load(port: int, slow: bool = True) -> Iterator[Load]:
    """A load on the server at that port; it ends with the block, if not before."""
    one = Load(port, slow)
    try:
        yield one
    finally:
        one.stop()
