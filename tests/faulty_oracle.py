"""An oracle that answers wrongly, drops hits in silence, goes away, stores late, or sits behind a firewall."""

import threading
import time
from typing import Any

from tests.fault_server import Posted, Told, counted, told_json
from tests.oracle import ASKED, Oracle, is_batch, marks, visitor_of

STORED = {"stored-502", "stored-reset", "stored-cut"}
FAULTS = [
    "busy", "error-500", "sql-error", "html", "reset", "shortfall", "invalid", "nothing", "too-large", "late-502",
    "outage", *STORED,
]  # fmt: skip
TIMEOUT = 0.3
"""Seconds that the importer waits for an answer, and takes a batch to be at work."""
_LATE, _TOO_LATE = 0.06, 0.15
"""Seconds after which a batch is stored whose answer has long been given; and where it says nothing any more, since the
machine is so busy that the importer may have waited long enough."""


class FaultyOracle(Oracle):
    """Answers the next posts wrongly, each as told."""

    def __init__(self, visitors: int) -> None:
        super().__init__(visitors=visitors)
        self.faults: list[str] = []
        self.dropped = set[int]()  # lines that the server threw away, and said so
        self.unseen: int | None = None  # the visitor whose hits are dropped without a word
        self.firewalled: int | None = None  # the line that a firewall dislikes
        self.away_for = 0  # requests of any kind that are answered by a proxy alone
        self.outage = (0, 502)  # how many they are in an outage, and the status of its page
        self.blind = False  # whether it tells of no visits, as where a Matomo's are deleted
        self.turned_away: list[list[int]] = []  # batches that were answered so, or by the firewall
        self.batches: list[list[int]] = []  # all that came through
        self.sure = True
        """Whether an answer so far settled all that was asked: visits were told, and nothing was stored so late that it
        may have been taken for absent."""
        self.asked_in_vain = 0  # how often while it was away
        self._late: list[threading.Timer] = []

    def __call__(self, posted: Posted) -> Told:
        with self.lock:
            fault = self.faults.pop(0) if self.faults and is_batch(posted) else ""
            if fault == "outage":
                self.away_for = self.outage[0]
            away = self.away_for > 0
            self.away_for -= away
        if away:
            if is_batch(posted):
                self.turned_away.append(marks(posted))
            self.asked_in_vain += ASKED in posted.path
            return Told(self.outage[1], b"<html><h1>Nobody is here</h1></html>")
        if not is_batch(posted):
            return super().__call__(posted)
        if self.firewalled in (numbers := marks(posted)):
            self.turned_away.append(numbers)
            return Told(403, b"<html><h1>403 Forbidden</h1></html>")
        self.batches.append(numbers)
        return self.answer(posted, numbers, fault)

    def answer(self, posted: Posted, numbers: list[int], fault: str) -> Told:
        came = time.monotonic()
        if fault in STORED or not fault:
            told = super().__call__(posted)
            self.store([], came)
            return {
                "stored-502": Told(502, b"bad gateway"),
                "stored-reset": Told(reset=True),
                "stored-cut": Told(200, told.body[:-4], length=len(told.body)),
            }.get(fault, told)
        if fault == "late-502":
            timer = threading.Timer(_LATE, self.store, (numbers, came))
            self._late.append(timer)
            timer.start()
            return Told(502, b"bad gateway")
        if fault == "shortfall" and len(numbers) > 1:
            self.store(numbers[:-1], came)
            self.dropped.add(numbers[-1])
            return counted(len(numbers) - 1)
        if fault == "invalid" and len(numbers) > 1:
            self.store(numbers[1:], came)
            self.dropped.add(numbers[0])
            return counted(len(numbers) - 1, 1, [0])
        if fault == "nothing":
            self.dropped.update(numbers)
            return counted(0)
        return {
            "error-500": told_json({"status": "error", "tracked": 0, "invalid": 0}, 500),
            "sql-error": Told(200, b"Error:SQLSTATE[HY000]: General error: 2006 MySQL server has gone away"),
            "html": Told(200, b"<!doctype html><title>Welcome</title>"),
            "reset": Told(reset=True),
            "too-large": Told(413, b"<html>413</html>"),
        }.get(fault, Told(503, b"busy"))

    def store(self, numbers: list[int], came: float) -> None:
        """Stores what came at `came`."""
        with self.lock:
            self.stored += self.seen(numbers)
            self.sure = self.sure and time.monotonic() - came < _TOO_LATE

    def visits(self, segment: str) -> list[dict[str, Any]]:
        """As those of any oracle, or none."""
        self.sure = self.sure and not self.blind
        return [] if self.blind else super().visits(segment)

    def seen(self, numbers: list[int]) -> list[int]:
        """Those that are not dropped without a word."""
        return [number for number in numbers if visitor_of(number, self.visitors) != self.unseen]

    def at_rest(self) -> None:
        """Waits for what is stored late."""
        for timer in self._late:
            timer.join()
        self._late.clear()
