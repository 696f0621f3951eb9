"""Numbered log lines, and a server that stores each one's number as a Matomo would: whole batches, in order.

It tells of what it stored, too, as a Matomo does.
"""

import contextlib
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from tests.fault_server import Posted, Told, counted, good, told_json

AGENTS = [f"Mozilla/5.0 (X11; Linux x86_64; rv:{n}.0) Gecko/20100101 Firefox/{n}.0" for n in range(120, 147)]
_BEGIN = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
_MARK = re.compile(r"/n/([0-9]+)")
ASKED = "method=Live.getLastVisitsDetails"
_ACTIONS = 400
"""Of a visit at most; a Matomo tells of no more than 500."""


def line(number: int, visitors: int = 50) -> bytes:
    """The log line of that number; one of `visitors`, a fifth of a second after the one before."""
    visitor = visitor_of(number, visitors)
    moment = datetime.fromtimestamp(_BEGIN + number // 5, UTC)
    return (
        f"{_address(visitor)} - - [{moment:%d/%b/%Y:%H:%M:%S} +0000] "
        f'"GET /n/{number} HTTP/1.1" 200 100 "-" "{AGENTS[visitor % len(AGENTS)]}"\n'
    ).encode()


def visitor_of(number: int, visitors: int) -> int:
    """Whose hit the line of that number is."""
    return number * 7919 % visitors


def _address(visitor: int) -> str:
    return f"192.0.{visitor >> 8}.{visitor & 255}"


def lines(numbers: Iterable[int], visitors: int = 50) -> bytes:
    """The log lines of these numbers."""
    return b"".join(line(number, visitors) for number in numbers)


def marks(posted: Posted) -> list[int]:
    """The numbers of the lines in a post."""
    found = [_MARK.search(query) for query in posted.queries]
    return [int(match[1]) for match in found if match]


def is_batch(posted: Posted) -> bool:
    """Whether it is a bulk request that is no ping."""
    return b'"requests"' in posted.body and b"ping=1" not in posted.body


@dataclass
class Kill:
    """At which point of which post the importer is killed."""

    pid: int
    point: str  # before, stored, replied
    post: int  # how many posts from now, from 0


@dataclass
class Oracle:
    """What was stored, in the order in which it was; a script for `fault_server.serve`."""

    seconds_per_hit: float = 0.0
    kill: Kill | None = None
    stored: list[int] = field(default_factory=list)
    most_at_once: int = 0
    overlaps: int = 0  # how often a visitor was in two posts at the same time
    visitors: int = 50
    lock: threading.Lock = field(default_factory=threading.Lock)
    _under_way: Counter[int] = field(default_factory=Counter)
    _posts: int = 0
    _told_of: dict[str, list[int]] = field(default_factory=dict)  # address -> what of `stored` was sorted in so far
    _sorted_in: int = 0

    def __call__(self, posted: Posted) -> Told:
        """Stores a batch, and dies or kills where it was told to."""
        if not is_batch(posted):
            return told_json(self.visits(posted.call["segment"])) if ASKED in posted.path else good(posted)
        numbers = marks(posted)
        assert len(numbers) == len(posted.queries)
        who = {visitor_of(number, self.visitors) for number in numbers}
        with self.lock:
            kill, now = self.kill, False
            if kill is not None:
                now = kill.post == 0
                kill.post -= 1
            self._posts += 1
            self.most_at_once = max(self.most_at_once, self._posts)
            self.overlaps += any(self._under_way[visitor] for visitor in who)
            self._under_way.update(who)
        time.sleep(self.seconds_per_hit * len(numbers))
        if now and kill is not None and kill.point == "before":
            _kill(kill.pid)  # in mid-body as the server sees it: nothing of it is stored
        else:
            with self.lock:
                self.stored += self.seen(numbers)
        with self.lock:
            self._posts -= 1
            self._under_way.subtract(who)
        if now and kill is not None and kill.point != "before":
            if kill.point == "replied":
                threading.Timer(0.001, _kill, (kill.pid,)).start()
            else:
                _kill(kill.pid)
        return counted(len(numbers))

    def seen(self, numbers: list[int]) -> list[int]:
        """Those of a batch that are stored where it is."""
        return numbers

    def visits(self, segment: str) -> list[dict[str, Any]]:
        """What a Matomo tells of the visits with these addresses, or with these pages, or both."""
        with self.lock:
            for number in self.stored[self._sorted_in :]:
                self._told_of.setdefault(_address(visitor_of(number, self.visitors)), []).append(number)
            self._sorted_in = len(self.stored)
            found = [
                (address, numbers[start : start + _ACTIONS])
                for address, numbers in self._told_of.items()
                for start in range(0, len(numbers), _ACTIONS)
            ]
        for group in segment.split(";"):
            wanted = [condition.partition("==") for condition in group.split(",")]
            addresses = {unquote(value) for name, _, value in wanted if name == "visitIp"}
            pages = {
                int(number)
                for name, _, value in wanted
                if name == "pageUrl"
                for number in _MARK.findall(unquote(value))
            }
            found = [one for one in found if one[0] in addresses or not pages.isdisjoint(one[1])]
        return [_visit(address, numbers) for address, numbers in found]

    def out_of_order(self) -> list[tuple[int, int]]:
        """Pairs of a visitor's lines of which the later was stored first; what is stored again counts once."""
        last: dict[int, int] = {}
        found = []
        seen = set[int]()
        for number in self.stored:
            visitor = visitor_of(number, self.visitors)
            if number in seen:
                continue
            seen.add(number)
            if number < last.get(visitor, -1):
                found.append((last[visitor], number))
            last[visitor] = max(number, last.get(visitor, -1))
        return found

    def repeated(self) -> dict[int, int]:
        """Line -> how often it was stored beyond once."""
        return {number: times - 1 for number, times in Counter(self.stored).items() if times > 1}

    def missing(self, numbers: Sequence[int] | range) -> list[int]:
        """Those of `numbers` that were not stored."""
        return sorted(set(numbers) - set(self.stored))


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _visit(address: str, numbers: Sequence[int]) -> dict[str, Any]:
    times = [int(_BEGIN) + number // 5 for number in numbers]
    actions = [
        {"type": "action", "url": f"http://site.example/n/{number}", "timestamp": time}
        for number, time in zip(numbers, times, strict=True)
    ]
    return {
        "visitIp": address, "visitorId": "", "userId": None, "browserCode": "UNK", "operatingSystemCode": "UNK",
        "firstActionTimestamp": min(times), "lastActionTimestamp": max(times), "actions": len(actions),
        "actionDetails": actions,
    }  # fmt: skip
