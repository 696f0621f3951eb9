"""A server that knows which lines it has stored how often, with real commit and rollback, and fails at set lines.

Each line of a log asks for a page of its own, `/line-00042`. The first batch that holds a line of `STRUCK` meets the
fault; all others, and that one when it comes again, are served as they should be.
"""

import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import orjson

from bench import peer
from tests.fault_server import Posted, Told, counted, good, serve, told_json

LINES = 3000
STRUCK = range(250, LINES, 500)
REQUEST_TIMEOUT = 2
"""Seconds that the clients are told to wait for an answer."""

_PAGE = b"<!doctype html><title>Sign in</title>"


class Oracle:
    """The store and the script of its server."""

    def __init__(self, fault: "Fault") -> None:
        self.fault, self.struck, self.url = fault, set(fault.struck), ""
        self.lock = threading.Lock()
        self.connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.connection.execute("CREATE TABLE hit (line INTEGER)")
        self.stored = self.strikes = 0
        self.half = threading.Event()
        """Set once half of the lines are stored, before the client hears of it."""
        self.hold = False
        """Whether nothing is answered from then on."""

    def __call__(self, posted: Posted) -> Told:
        if b'"requests"' not in posted.body or b"ping=1" in posted.body:
            return peer.answer(posted) or good(posted)
        lines = [_line(item) for item in orjson.loads(posted.body)["requests"]]
        with self.lock:
            struck = self.struck.intersection(lines)
            if not self.fault.lasting:
                self.struck -= struck
            self.strikes += bool(struck)
            told = self.fault.answer(self, lines) if struck else self.take(lines)
            if self.stored >= LINES / 2:
                self.half.set()
                told.delay = 60.0 if self.hold else told.delay
        return told

    def take(self, lines: Sequence[int], *, commit: bool = True) -> Told:
        """Stores them and answers as a Matomo that does."""
        self.connection.execute("BEGIN")
        self.connection.executemany("INSERT INTO hit VALUES (?)", [(line,) for line in lines])
        self.connection.execute("COMMIT" if commit else "ROLLBACK")
        self.stored += len(lines) if commit else 0
        return counted(len(lines))

    def times(self) -> Counter[int]:
        """How often each line is stored."""
        with self.lock:
            return Counter(dict(self.connection.execute("SELECT line, count(*) FROM hit GROUP BY line")))


@dataclass(frozen=True)
class Fault:
    """What becomes of a batch with a line of `struck`: once for each, or whenever it comes where it is `lasting`."""

    answer: Callable[[Oracle, Sequence[int]], Told]
    lasting: bool = False
    struck: Sequence[int] = STRUCK


def _after(told: Callable[[], Told]) -> Fault:
    """Stored, and the answer goes wrong."""

    def answer(oracle: Oracle, lines: Sequence[int]) -> Told:
        oracle.take(lines)
        return told()

    return Fault(answer)


def _rolled_back(oracle: Oracle, lines: Sequence[int]) -> Told:
    """It stumbles over the struck line, and says how far it had come."""
    oracle.take(lines, commit=False)
    before = next(index for index, line in enumerate(lines) if line in STRUCK)
    return told_json({"status": "error", "tracked": before, "invalid": 0}, 500)


FAULTS = {
    "none": Fault(lambda oracle, lines: oracle.take(lines), struck=()),
    "reset after storing": _after(lambda: Told(reset=True)),
    "hang-up after storing": _after(lambda: Told(hang_up=True)),
    "time-out, stored": _after(lambda: Told(delay=REQUEST_TIMEOUT + 1.5)),
    "502 after storing": _after(lambda: Told(502, _PAGE)),
    "503 now and then": Fault(lambda _oracle, _lines: Told(503, b"busy", {"Retry-After": "1"})),
    "200 with HTML, nothing stored": Fault(lambda _oracle, _lines: Told(200, _PAGE)),
    "last 5 of a batch dropped": Fault(lambda oracle, lines: oracle.take(lines[:-5])),
    "500 JSON, rolled back": Fault(_rolled_back),
    "500 JSON for 6 lines, always": Fault(_rolled_back, lasting=True),
}


@contextmanager
def serve_oracle(fault: str = "none") -> Iterator[Oracle]:
    """The server with one of `FAULTS`, at the oracle's URL."""
    oracle = Oracle(FAULTS[fault])
    with serve(oracle) as server, closing(oracle.connection):
        oracle.url = server.url
        yield oracle


def log(first: int = 0, last: int = LINES) -> str:
    """Lines of a log, each with its mark, from 197 visitors; a page view for whoever reads it."""
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
    return "".join(
        f"192.0.2.{line % 197} - - [01/Mar/2025:{10 + line // 3600}:{line // 60 % 60:02}:{line % 60:02} +0000] "
        f'"GET /line-{line:05} HTTP/1.1" 200 10 "-" "{agent}"\n'
        for line in range(first, last)
    )


def _line(request: str | dict[str, str]) -> int:
    """The line of a tracking request, which is a query or an object."""
    found = re.search(r"line-(\d+)", request if isinstance(request, str) else request["url"])
    assert found is not None, request
    return int(found[1])
