"""How far behind its log a following import is, at rest and under load, and what it costs while nothing is written.

python -m bench.follow [LINES_A_SECOND] [SECONDS]
"""

import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.fault_server import Posted, Told, counted, good, serve
from tests.faults.test_crash import children
from tests.runs.reading.live.follower import FLUSH_AFTER, following

_TICK = 0.01
_VISITORS = 2_000
_IDLE = 10.0


class Counter:
    """A tracker that takes everything, and knows how much it took; a script for `serve`."""

    def __init__(self) -> None:
        self.count = 0
        self._more = threading.Condition()

    def __call__(self, posted: Posted) -> Told:
        if b'"requests"' not in posted.body or b"ping=1" in posted.body:
            return good(posted)
        found = posted.body.count(b'"?')
        with self._more:
            self.count += found
            self._more.notify_all()
        return counted(found)

    def await_count(self, count: int, limit: float = 120) -> float:
        """When there were so many, by the monotonic clock."""
        with self._more:
            assert self._more.wait_for(lambda: self.count >= count, limit), f"{self.count:,} of {count:,} are stored"
        return time.monotonic()


def line(number: int, stamp: str) -> bytes:
    """A line of a combined log; `stamp` is its time."""
    visitor = number % _VISITORS
    version = 100 + visitor % 47
    agent = f"Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
    request = f'"GET /n/{number} HTTP/1.1" 200 9 "-"'
    return f'192.0.{visitor >> 8}.{visitor & 255} - - [{stamp}] {request} "{agent}"\n'.encode()


def write(log: Path, rate: int, seconds: float) -> None:
    """Appends so many lines a second, a little every hundredth of one."""
    begin, number = time.monotonic(), 0
    with log.open("ab", buffering=0) as file:
        while (gone := time.monotonic() - begin) < seconds:
            stamp = f"{datetime.now(UTC):%d/%b/%Y:%H:%M:%S} +0000"
            end = int(rate * (gone + _TICK))
            file.write(b"".join(line(one, stamp) for one in range(number, end)))
            number = end
            time.sleep(_TICK)


def processor_seconds(pid: int) -> float:
    """What a process and all that it started have used so far."""
    total = 0
    for one in (pid, *children(pid)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def delays(log: Path, tracker: Counter, times: int) -> list[float]:
    """Seconds from the writing of a line, with none before and none behind it, until it is stored."""
    found = []
    for number in range(times):
        time.sleep(2)
        before, began = tracker.count, time.monotonic()
        write_one(log, number)
        found.append(tracker.await_count(before + 1) - began)
    return found


def write_one(log: Path, number: int) -> None:
    """Appends one line."""
    with log.open("ab") as file:
        file.write(line(number, f"{datetime.now(UTC):%d/%b/%Y:%H:%M:%S} +0000"))


def idle(pid: int) -> float:
    """The share of a core that is used while nothing is written."""
    before, began = processor_seconds(pid), time.monotonic()
    time.sleep(_IDLE)
    return (processor_seconds(pid) - before) / (time.monotonic() - began)


def behind(log: Path, tracker: Counter, rate: int, seconds: float) -> tuple[int, float]:
    """How many lines were written at that rate, and how long after the last one all were stored."""
    before, size = tracker.count, log.stat().st_size
    writer = multiprocessing.get_context("spawn").Process(target=write, args=(log, rate, seconds))
    writer.start()
    writer.join()
    end = time.monotonic()
    with log.open("rb") as file:
        file.seek(size)
        count = file.read().count(b"\n")
    return count, max(0.0, tracker.await_count(before + count) - end)


def main(rate: int, seconds: float) -> None:
    tracker = Counter()
    with tempfile.TemporaryDirectory() as name, serve(tracker) as server:
        log = Path(name) / "access.log"
        write_one(log, 0)
        with following(server.url, Path(name)) as follower:
            tracker.await_count(1)
            pid = follower.process.pid
            found = delays(log, tracker, 10)
            say(f"a line that comes alone is stored after {statistics.median(found):.2f} s, {max(found):.2f} s at most")
            say(f"idle, it takes {idle(pid):.2%} of a core")
            before = processor_seconds(pid)
            count, late = behind(log, tracker, rate, seconds)
            used = (processor_seconds(pid) - before) / (seconds + late)
            say(f"of {count:,} lines in {seconds:g} s all are stored {late:.2f} s after the last; {used:.0%} of a core")
            follower.stop()
            assert tracker.count == 1 + len(found) + count, "nothing twice"


def say(text: str) -> None:
    print(f"follow: {text} (--flush-after {FLUSH_AFTER})", flush=True)


if __name__ == "__main__":
    given = list(map(int, sys.argv[1:3]))
    main(*given, *(5_000, 10)[len(given) :])
