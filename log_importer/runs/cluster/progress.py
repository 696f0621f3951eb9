"""How far a lane has come, kept where every machine can read it: what is done, what was posted without an answer.

A lane's requests come in time order, so what is done is a time before which all of them are, and those behind it, each
by its source and the offset of its line. Every post is written down here before it is made, and with it what became of
the one before: a lane has one post under way, so nothing else can be in doubt.
"""

import base64
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from log_importer.ledger.load import HELD
from log_importer.ledger.offsets import pack, unpack
from log_importer.model import Outcome, Request, Unanswered
from log_importer.model.errors import StateError
from log_importer.model.rows import Requests
from log_importer.runs.cluster import counts
from log_importer.runs.tally import Tally
from log_importer.sources.shared_folder.leased import Leased, LeaseLost

_TRIES = 20
Place = tuple[int, int]
"""Index of a portion, and the offset of a line in its source."""
Intent = tuple[float, list[tuple[Place, bytes]]]
"""When a batch was posted, in seconds since 1970 UTC; and those of its hits, place and query, that can tell of it."""


class Progress:
    """The record of one lane as it stands, and the journal of its sender once it was taken over."""

    def __init__(self, leased: Leased, run: str, owner: str, tally: Tally, *, hold: bool) -> None:
        """`run` is the run's name, `owner` this task's; `hold`: what is open is kept and not sent again.

        Raises `StateError`.
        """
        self._leased = leased
        self._run = run
        self._owner = owner
        self._hold = hold
        self._lock = threading.RLock()
        self.tally = tally
        self.held: list[dict[str, Any]] = []
        """Requests that are kept for a retry."""
        self.complete = False
        self.partial: dict[int, int] = {}
        """Index of a portion -> its lines that are further ranges of a download."""
        self.again: list[tuple[int, int]] = []
        """Index of a portion and number of a line, of those that were in flight when a task died."""
        self.about: dict[str, str] = {}
        """What was learnt of the server."""
        self._mark = float("-inf")
        self._done: set[Place] = set()  # of those at or behind the mark
        self._open: dict[Place, int] = {}  # posted so often, without a receipt
        self._come: deque[tuple[float, Place]] = deque()  # those that came and are not before the mark
        self._passed: list[tuple[float, Place]] = []  # those of them at the mark that are done
        self._batches: dict[int, Sequence[Place]] = {}
        self._posted_in: dict[Place, int] = {}  # of those that are open: the last batch
        self.unanswered: dict[int, Unanswered] = {}
        """The batches of earlier tasks that are open, by their numbers."""
        self._intents: dict[int, Intent] = {}
        self._next = 0
        data = leased.latest()
        if data is not None:
            self._load(data)
        self._doubts = dict(self._open)
        self._doubted_in = dict(self._posted_in)

    def _load(self, data: bytes) -> None:
        try:
            found = orjson.loads(data)
            if found["run"] != self._run:
                return  # of a run that is over
            self._mark = found["mark"] if found["mark"] is not None else self._mark
            self._done = {(int(index), offset) for index, text in found["done"].items() for offset in _unpacked(text)}
            self._open = {(index, offset): times for index, offset, times, _ in found["open"]}
            self._posted_in = {(index, offset): batch for index, offset, _, batch in found["open"]}
            self._intents = {
                int(batch): (began, [((index, offset), query.encode("latin-1")) for index, offset, query in witnesses])
                for batch, (began, witnesses) in found["batches"].items()
            }
            self.unanswered = {  # a hit tells of its batch only while its line was in no later one
                batch: Unanswered(began, tuple(query for place, query in hits if self._posted_in.get(place) == batch))
                for batch, (began, hits) in self._intents.items()
            }
            self._next = max(self._intents, default=0)
            self.held, self.complete, self.about = found["held"], found["complete"], found["about"]
            self.again = [(index, number) for index, number in found["again"]]
            self.partial = {int(index): lines for index, lines in found["partial"].items()}
            counts.add(self.tally, found["counts"])
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"A lane's record is damaged: {error!r}.", "Restore the folder from a backup.") from None
        counts.add_doubts(self.tally, self.held, {})

    def write(self) -> None:
        """Brings the record up to date; the first time takes it over. Raises `StateError` and `LeaseLost`."""
        with self._lock:
            still = set(self._posted_in.values())
            self._intents = {batch: one for batch, one in self._intents.items() if batch in still}
            done: dict[str, list[int]] = defaultdict(list)
            for index, offset in sorted(self._done):
                done[str(index)].append(offset)
            self._leased.write(orjson.dumps({
                "run": self._run, "owner": self._owner, "mark": self._mark if self._mark > float("-inf") else None,
                "done": {index: _packed(offsets) for index, offsets in done.items()},
                "open": [[*place, times, self._posted_in.get(place, 0)] for place, times in self._open.items()],
                "batches": {
                    str(batch): [began, [[*place, query.decode("latin-1")] for place, query in hits]]
                    for batch, (began, hits) in self._intents.items()
                },
                "held": self.held, "again": self.again, "complete": self.complete, "about": self.about,
                "partial": {str(index): lines for index, lines in self.partial.items()},
                "counts": counts.as_json(self.tally),
            }))  # fmt: skip

    def new(self, requests: Requests) -> Requests:
        """Those that are not done; who was posted without a receipt is so again, or held."""
        with self._lock:
            gone, doubts = set[int](), dict[int, int]()
            for number, (when, key) in enumerate(zip(requests.times, _places(requests), strict=True)):
                if when < self._mark:
                    gone.add(number)
                    continue
                self._come.append((when, key))
                if key in self._done:
                    gone.add(number)
                elif times := self._doubts.get(key):
                    doubts[number] = times
            if doubts:
                requests = requests.changed("doubts", [doubts.get(number, 0) for number in range(len(requests))])
                doubted = [requests[number] for number in doubts]
                self.tally.doubt(doubted)
                self.again += [(one.source, one.number) for one in doubted]
                if self._hold:
                    gone |= doubts.keys()
                    self.settle([Outcome(doubted, "in_doubt", "interrupted", posted=False)])
            self._advance()
        return requests.without(gone) if gone else requests

    @property
    def open(self) -> Counter[int]:
        """Index of a portion -> how many of its lines were posted without an answer."""
        with self._lock:
            return Counter(index for index, _ in self._open)

    def batch_in_doubt(self, request: Request) -> int | None:
        """The last batch of earlier tasks in which a request is in doubt."""
        return self._doubted_in.get((request.source, request.offset))

    def absent(self, batch: int, requests: Sequence[Request]) -> None:  # noqa: ARG002 - they know it
        """The server has nothing of a batch of an earlier task."""
        with self._lock:
            self._close(_places(requests))
            self.tally.doubt_no_longer(requests)

    # The journal of the sender

    def intend(self, requests: Sequence[Request], witnesses: Sequence[Request] = ()) -> int:
        """They are about to be posted; returns once that is on disk: the number of the batch.

        `witnesses` are some of them, by which the server can be asked later whether it has the batch.
        """
        with self._lock:
            self._next += 1
            places = [(index, offset) for index, offset in _places(requests)]
            for place in places:
                self._open[place] = self._open.get(place, 0) + 1
                self._posted_in[place] = self._next
            self._batches[self._next] = places
            hits = [((one.source, one.offset), one.query) for one in witnesses]
            self._intents[self._next] = (time.time(), hits)
            self.write()
            return self._next

    def release(self, batch: int) -> None:
        """The server said that it stored nothing of the batch."""
        with self._lock:
            self._close(self._batches.pop(batch))

    def _close(self, places: Iterable[Place]) -> None:
        """They were surely not stored by the last post of them."""
        for place in places:
            times = self._open.get(place, 0) - 1
            if times > 0:
                self._open[place] = times
            else:
                self._open.pop(place, None)
                self._posted_in.pop(place, None)

    def doubt(self, requests: Sequence[Request]) -> None:
        """They stay open; that is what doubt is."""
        self.tally.doubt(requests)

    def settle(self, outcomes: Iterable[Outcome], batch: int | None = None) -> None:
        """What became of requests. It is written with the next post, or at the end: until then they are in doubt."""
        with self._lock:
            for outcome in outcomes:
                self.tally.settle(outcome)
                for place in _places(outcome.requests):
                    self._open.pop(place, None)
                    self._posted_in.pop(place, None)
                    self._done.add(place)
                if outcome.bucket in HELD:
                    self.held += [_held(request, outcome) for request in outcome.requests]
            self._batches.pop(batch or 0, None)
            self._advance()

    def _advance(self) -> None:
        while self._come and self._come[0][1] in self._done:
            self._passed.append(self._come.popleft())
        if self._passed and self._passed[-1][0] > self._mark:
            self._mark = self._passed[-1][0]
            self._done.difference_update(place for time, place in self._passed if time < self._mark)
            self._passed = [one for one in self._passed if one[0] == self._mark]


def taken_over(read: Callable[[], Progress]) -> Progress:
    """The record of a lane, read by `read` and taken over.

    A task that had it may live on where its executor died, and write once more before it learns of this one.
    """
    for _ in range(_TRIES - 1):
        progress = read()
        try:
            progress.write()
        except LeaseLost:
            continue
        return progress
    progress = read()
    progress.write()
    return progress


def _places(requests: Sequence[Request]) -> Iterable[Place]:
    rows = Requests.of(requests)
    return zip(rows.column("source"), rows.column("offset"), strict=True)


def _held(request: Request, outcome: Outcome) -> dict[str, Any]:
    unanswered = outcome.posted and outcome.bucket == "in_doubt"
    return {
        "source": request.source, "bucket": outcome.bucket, "reason": outcome.reason, "answer": outcome.answer,
        "number": request.number, "offset": request.offset, "time": request.time, "visitor": f"{request.visitor:x}",
        "agent": request.agent, "site": request.site, "query": base64.b85encode(request.query).decode(),
        "doubts": request.doubts + unanswered,
    }  # fmt: skip


def request_of(held: Mapping[str, Any]) -> Request:
    """A request as it was held."""
    return Request(
        held["source"], held["number"], held["offset"], held["time"], int(held["visitor"], 16), held["agent"],
        held["site"], base64.b85decode(held["query"]), held["doubts"],
    )  # fmt: skip


def _packed(offsets: Sequence[int]) -> str:
    return base64.b85encode(pack(offsets)).decode()


def _unpacked(text: str) -> Sequence[int]:
    return unpack(base64.b85decode(text))
