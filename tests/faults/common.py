"""What the tests of faults share: logs whose every line has a mark, servers that keep what they stored, the oracle.

A mark is the path of a line, such as `/m0000017`. What a server stored is compared with it mark for mark.
"""

import os
import re
import select
import socket
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.conftest import TOKENS, Done, Run, command, environment
from tests.fault_server import FaultServer, Posted, Told, counted, good, serve
from tests.faults.test_crash import children
from tests.runs.commands.test_import import adds_up

SOAK = bool(os.environ.get("SOAK"))
soak = pytest.mark.skipif(not SOAK, reason="takes long; SOAK=1 runs it")

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
_BEGIN = datetime(2026, 3, 1, 10)


def mark(number: int) -> str:
    """The mark of line `number`."""
    return f"/m{number:07}"


def line(number: int, *, path: str | None = None, agent: str = AGENT, visitors: int = 50) -> bytes:
    """A line of a combined log, with its mark as the path; ten a second, of that many visitors in turn."""
    moment = (_BEGIN + timedelta(seconds=number // 10)).strftime("%d/%b/%Y:%H:%M:%S +0000")
    target = mark(number) if path is None else path
    text = f'192.0.2.{number % visitors + 1} - - [{moment}] "GET {target} HTTP/1.1" 200 10 "-" "{agent}"\n'
    return text.encode("utf-8", "surrogateescape")


def log(numbers: Iterable[int], visitors: int = 50) -> bytes:
    """The lines of a log."""
    return b"".join(line(number, visitors=visitors) for number in numbers)


def marks(numbers: Iterable[int]) -> set[str]:
    """The marks of lines."""
    return set(map(mark, numbers))


def _path(url: str) -> str:
    """The mark in an address that is nothing but host and mark; any other address as it is, to be noticed."""
    found = re.fullmatch(r"http://(?:site\.example|127\.0\.0\.1[^/]*|localhost[^/]*)(/[^?#]*)", url)
    return found[1] if found else url


def marks_of(posted: Posted) -> list[str]:
    """The marks that a bulk request holds."""
    return [_path(parse_qs(query[1:], keep_blank_values=True)["url"][0]) for query in posted.queries]


def rows(database: Path) -> Counter[str]:
    """Mark -> how often a receiver's database holds it."""
    with closing(sqlite3.connect(database)) as connection:
        return Counter(_path(url) for (url,) in connection.execute("SELECT url FROM action"))


Fault = Callable[["Keeper", Posted], Told | None]
"""What a server does with a batch; `None` where it does what a good one does."""


class Keeper:
    """A server that keeps the marks of what it stored, each as often as it stored it. Pings and the API are sound."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.stored: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        """How often each mark was posted."""
        self.times: list[float] = []
        """When each batch came in."""
        self.under_way = 0
        self.server: FaultServer
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def sizes(self) -> list[int]:
        """How many requests each batch had."""
        return [len(posted.queries) for posted in self.server.bulk]

    def keep(self, posted: Posted, then: Told | None = None) -> Told:
        """Stores the batch; answers with its count, or goes wrong only `then`."""
        found = marks_of(posted)
        with self._lock:
            self.stored.update(found)
        return then or counted(len(found))

    def __call__(self, posted: Posted) -> Told:
        if b'"requests"' not in posted.body or b"ping=1" in posted.body:
            return good(posted)
        with self._lock:
            self.attempts.update(marks_of(posted))
            self.times.append(time.monotonic())
        return self.fault(self, posted) or self.keep(posted)


def _nothing(_keeper: Keeper, _posted: Posted) -> None:
    """No fault."""


def first(*answers: Told | Fault) -> Fault:
    """These answers to the first batches, and none of them stored by itself; then a good server's."""
    left = list(answers)
    lock = threading.Lock()

    def fault(keeper: Keeper, posted: Posted) -> Told | None:
        with lock:
            one = left.pop(0) if left else _nothing
        return one if isinstance(one, Told) else one(keeper, posted)

    return fault


@contextmanager
def keeping(fault: Fault = _nothing, **more: Any) -> Iterator[Keeper]:
    """A server with a fault; `more` as for `serve`."""
    keeper = Keeper(fault)
    with serve(keeper, **more) as server:
        keeper.server = server
        yield keeper


def arguments(url: str, *more: object) -> Sequence[object]:
    """What imports into the server at `url`, which is not asked what it has, and prints the summary as JSON."""
    return (
        "import", "--url", url, "--idsite", 1, "--json", "--state-dir", "state", "--in-doubt", "resend", *more
    )  # fmt: skip


def send(run: Run, url: str, *more: object, timeout: float = 180, stdin: bytes = b"", **variables: str) -> Done:
    """Imports into the server at `url`."""
    token = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser} | variables
    return run(*arguments(url, *more), timeout=timeout, stdin=stdin, **token)


def local(run: Run, *more: object, stdin: bytes = b"") -> Done:
    """Imports into the embedded receiver, whose database is `state/receiver.sqlite3`."""
    return run("import", "--local", "--json", "--state-dir", "state", *more, stdin=stdin)


def accounted(done: Done, stored: Counter[str], written: Iterable[str], code: int, **buckets: int) -> None:
    """The oracle: what the summary says is what was stored, mark for mark, and each line is in one bucket.

    `written` are the marks that may be stored; of `buckets`, those that are not named hold nothing.
    """
    summary = done.summary
    assert (done.code, summary["exit_code"]) == (code, code), done
    assert adds_up(summary), done.out
    found = {name: summary[name] for name in ("tracked", "rejected", "refused", "set_aside", "in_doubt", "pending")}
    found["skipped"] = sum(summary["skipped"].values())
    assert found == dict.fromkeys(found, 0) | buckets, done
    assert stored.keys() - set(written) == set(), "nothing is invented or garbled"
    assert summary["tracked"] <= len(stored) <= summary["tracked"] + summary["in_doubt"], "tracked is what is stored"
    twice = stored.total() - len(stored)
    assert twice <= summary["maybe_twice"] + summary["in_doubt"], "what is stored twice is listed"


def says(done: Done, *words: str) -> None:
    """Asserts the words on standard error, and that all of it are plain sentences, one a line."""
    for word in words:
        assert word in done.err, done.err
    assert all(text.startswith("log-importer: ") for text in done.err.splitlines()), done.err
    assert done.err.replace("\n", "").isprintable(), done.err


def _pss(pid: int) -> int:
    """Bytes that a process holds, its share of what is shared."""
    with suppress(OSError):
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) << 10 if found else 0
    return 0


class Watched:
    """The command as a process, with the most memory that it and its children held at any time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.peak = 0
        """Bytes."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.03):
            with suppress(OSError):
                self.peak = max(self.peak, sum(map(_pss, [self.process.pid, *children(self.process.pid)])))

    def stop_watching(self) -> None:
        self._over.set()
        self._thread.join()

    def end(self, timeout: float = 180) -> Done:
        """Waits for its end."""
        out, error = self.process.communicate(timeout=timeout)
        assert b"Traceback" not in error, error
        return Done(self.process.returncode, out.decode(), error.decode())


@contextmanager
def watched(folder: Path, *given: object, stdin: int = subprocess.DEVNULL, **variables: str) -> Iterator[Watched]:
    """Starts `log-importer` in `folder` and watches its memory; it ends with the block."""
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("reads /proc")
    token = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser} | variables
    process = subprocess.Popen(
        command(*given), cwd=folder, env=environment(folder, token), stdin=stdin,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    one = Watched(process)
    try:
        yield one
    finally:
        one.stop_watching()
        process.kill()
        process.communicate()


class Door:
    """A port that leads to a server while it is open; shut, it refuses connections, and those under way go on."""

    def __init__(self, url: str, host: str = "127.0.0.1") -> None:
        self._to = url.removeprefix("http://").rsplit(":", 1)
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._address = (host, 0)
        self.open()
        host = f"[{host}]" if ":" in host else host
        self.url = f"http://{host}:{self._address[1]}"

    def open(self) -> None:
        listener = socket.socket(self._family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._address)
        listener.listen()
        self._address = listener.getsockname()[:2]
        self._shutting = threading.Event()
        self._thread = threading.Thread(target=self._accept, args=(listener, self._shutting), daemon=True)
        self._thread.start()

    def shut(self) -> None:
        self._shutting.set()
        self._thread.join()

    def _accept(self, listener: socket.socket, shutting: threading.Event) -> None:
        # Who has come before it shuts gets in: to be thrown out with a post half said is another fault.
        with listener:
            while True:
                if select.select([listener], [], [], 0.01)[0]:
                    one, _ = listener.accept()
                    threading.Thread(target=self._lead, args=(one,), daemon=True).start()
                elif shutting.is_set():
                    return

    def _lead(self, one: socket.socket) -> None:
        with suppress(OSError), one, socket.create_connection((self._to[0], int(self._to[1]))) as other:
            back = threading.Thread(target=self._pump, args=(other, one), daemon=True)
            back.start()
            self._pump(one, other)
            back.join()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(65536):
                sink.sendall(block)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def door(url: str, host: str = "127.0.0.1") -> Iterator[Door]:
    """A door to the server at `url`."""
    one = Door(url, host)
    try:
        yield one
    finally:
        one.shut()
