"""One batch: its intent kept, posted, judged, and posted again, split or given up on, until each request is settled."""

import random
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from log_importer.batching import NONE, Requests
from log_importer.delivery.dates import Dates
from log_importer.delivery.pace import Pace
from log_importer.delivery.rate import Rate
from log_importer.delivery.verdict import judge
from log_importer.errors import ServerRefused, ServerUnreachable
from log_importer.model import Answer, Outcome, Receipt, Remedy, Request, Verdict
from log_importer.tracking.bulk import parse_reply, ping

Post = Callable[[Sequence[bytes]], Answer]
"""Posts encoded tracking requests together."""

_LONGEST_PAUSE = 60.0
_BATCH_TRIES = 3
"""Failures of a whole batch after which the fault is looked for in one of its requests."""
_SINGLE_TRIES = 12
"""Failures of a request by itself after which it is set aside: a server that fails half of all posts fails no request
so often."""
_ASIDE_IN_A_ROW = 10
"""Requests set aside with none stored between them: then it is not the requests."""


class Aborted(Exception):
    """The run is ending; the batch stays pending."""


class Journal(Protocol):
    """Where it is written down what is posted and what became of it."""

    def intend(self, requests: Sequence[Request]) -> int:
        """Requests are about to be posted; returns once that is durable: the number of the batch."""
        ...

    def release(self, batch: int) -> None:
        """Nothing of the batch was stored."""
        ...

    def doubt(self, requests: Sequence[Request]) -> None:
        """Requests were posted, and whether they are stored nobody knows."""
        ...

    def settle(self, outcomes: Iterable[Outcome], batch: int | None = None) -> None:
        """What became of all requests of `batch`, or of some of a batch; returns once it is durable."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the posting threads of a run share."""

    journal: Journal
    dates: Dates
    pace: Pace
    say: Callable[[str], None]  # one sentence for people, once each
    give_up_after: float = 900.0  # seconds without an answer that settles anything
    most_attempts: int = 0  # of a batch that is not stored; 0: as many as there is time for
    first_pause: float = 1.0  # seconds, doubled each time
    shrink: Callable[[int], None] = lambda _: None  # a body of that many bytes was too large
    rate: Rate = field(default_factory=lambda: Rate(0))
    told: Callable[[int, Answer], None] | None = None  # of every post: how many requests, and the answer
    transactions: bool = True  # the server stores a batch whole or not at all
    abort: threading.Event = field(default_factory=threading.Event)  # ends all pauses
    tracked_sites: set[int] = field(default_factory=set)  # sites with a request tracked in this run
    lock: threading.Lock = field(default_factory=threading.Lock)  # of `pace`


class Posted(NamedTuple):
    """A post and what came of it."""

    requests: Requests
    batch: int
    answer: Answer
    receipt: Receipt

    @property
    def suspicious(self) -> bool:
        """Whether the fault may lie in one of the requests."""
        return self.receipt.remedy is Remedy.SPLIT and self.answer.status != 413


class Poster:
    """Delivers batches over one connection."""

    def __init__(self, post: Post, delivery: Delivery) -> None:
        self._post = post
        self._delivery = delivery
        self._journal = delivery.journal
        self._on_the_wire: Sequence[Request] = ()  # not answered yet, and not in doubt before
        self._abandoned = False
        self._wire_lock = threading.Lock()
        self._aside_in_a_row = 0

    def abandon(self) -> None:
        """Nobody waits for the answer under way any longer: what was posted is in doubt, whatever still comes."""
        with self._wire_lock:
            self._abandoned = True
            requests, self._on_the_wire = self._on_the_wire, ()
        self._journal.doubt(requests)

    def deliver(
        self, requests: Sequence[Request], posted: Posted | None = None, answered: Callable[[], None] = lambda: None
    ) -> None:  # fmt: skip
        """Settles `requests`; `posted` is what came of a post of them that was made before.

        `answered` is told where all of them are answered at once, before that is written down.
        Raises `ServerRefused`, `ServerUnreachable`, or `Aborted` with some of them pending.
        """
        began, attempt, attempts, failures = time.monotonic(), 0, 0, 0
        while True:
            posted = posted or self._attempt(requests)
            receipt = posted.receipt
            if receipt.verdict in (Verdict.STORED, Verdict.PARTIAL):
                answered()
                return self._store(posted)
            if receipt.verdict is Verdict.ALL_REFUSED:
                self._journal.settle([Outcome(requests, "refused", "invalid")], posted.batch)
                raise ServerRefused(receipt.reason)
            if receipt.verdict is Verdict.IN_DOUBT:
                return self._doubt(posted)
            if receipt.verdict is Verdict.NOTHING and self._ping(requests[0].site):
                return self._journal.settle([Outcome(requests, "refused", "load")], posted.batch)
            self._journal.release(posted.batch)
            if receipt.remedy is Remedy.STOP:
                raise ServerRefused(receipt.reason)
            if receipt.remedy is Remedy.SPLIT and posted.answer.status == 413:
                return self._halve(posted)
            failures += posted.suspicious
            if failures >= _BATCH_TRIES and posted.suspicious:
                if self._ping(requests[0].site):
                    return self._search(requests)
                if posted.answer.status == 400:
                    raise ServerRefused(receipt.reason)
            attempts += 1
            if attempts == self._delivery.most_attempts:
                raise ServerUnreachable(receipt.reason, "It was tried as often as --retry-max-attempts allows.")
            self._delivery.say(f"{receipt.reason} Trying again.")
            failed = time.monotonic()
            self._pause(attempt, receipt, began)
            # While it stores what others post, it is not away, and there is no need to wait ever longer.
            attempt = 0 if self._delivery.pace.stored_at > failed else attempt + 1
            posted = None

    def _attempt(self, some: Sequence[Request]) -> Posted:
        requests = Requests.of(some)
        self._wait_for_the_present(requests)
        self._delivery.dates.begin(requests, self._counts)
        pause = self._delivery.rate.pause(len(requests))
        if pause and self._delivery.abort.wait(pause):
            raise Aborted
        batch = self._journal.intend(requests)
        with self._wire_lock:
            fresh = [request for request in requests if not request.doubts] if requests.doubted else requests
            self._on_the_wire = fresh
        answer = self._post(requests.queries)
        with self._wire_lock:
            if self._abandoned:
                raise Aborted
            self._on_the_wire = ()
        if self._delivery.told is not None:
            self._delivery.told(len(requests), answer)
        before = requests.sites.keys() <= self._delivery.tracked_sites
        receipt = judge(
            answer, len(requests), tracked_before=before, transactions=self._delivery.transactions
        )  # fmt: skip
        self._learn(len(requests), answer, receipt)
        return Posted(requests, batch, answer, receipt)

    def _learn(self, hits: int, answer: Answer, receipt: Receipt) -> None:
        with self._delivery.lock:
            pace, now = self._delivery.pace, time.monotonic()
            if receipt.verdict is Verdict.STORED:
                pace.stored(hits, answer.seconds, now)
            elif receipt.verdict is Verdict.PARTIAL or answer.status in (408, 429, 503):
                pace.congested(now)
            elif receipt.verdict is Verdict.IN_DOUBT:
                pace.congested(now)
                pace.in_doubt()

    def _store(self, posted: Posted) -> None:
        requests, receipt = posted.requests, posted.receipt
        indices = set(receipt.invalid_indices or ())
        exact = len(indices) == receipt.invalid
        if not receipt.invalid:
            rest, invalid = requests, NONE
        elif exact:
            invalid = requests.pick(array("i", sorted(indices)))
            rest = requests.without(indices)
        else:
            # Only a superuser's token is told which: the count is right, and the last ones stand for it.
            kept = len(requests) - receipt.invalid
            rest, invalid = requests[:kept], requests[kept:]
        if receipt.tracked:
            self._delivery.tracked_sites.update(rest.sites)
            self._aside_in_a_row = 0
        self._journal.settle(
            [
                Outcome(rest[: receipt.tracked], "tracked"),
                Outcome(rest[receipt.tracked :], "refused", "load", exact=not receipt.tracked),
                Outcome(invalid, "refused", "invalid", exact=exact),
            ],
            posted.batch,
        )
        if receipt.reason:
            self._delivery.say(receipt.reason)

    def _doubt(self, posted: Posted) -> None:
        """Sent once more, in halves, when the server has had time to finish; what was in doubt before is held."""
        receipt = posted.receipt
        held = [request for request in posted.requests if request.doubts]
        fresh = [request._replace(doubts=1) for request in posted.requests if not request.doubts]
        self._journal.doubt(fresh)
        if held:
            outcome = Outcome(held, "in_doubt", "twice", receipt.reason)
            self._journal.settle([outcome], None if fresh else posted.batch)
            self._delivery.say(f"{receipt.reason} It was the second time, so these lines are held in doubt.")
        if fresh:
            self._delivery.say(f"{receipt.reason} What was sent is in doubt; it is sent once more, in halves.")
            self._pause(1, receipt, time.monotonic(), at_least=1.5 * posted.answer.seconds)
            for half in _halves(fresh):
                self.deliver(half)

    def _halve(self, posted: Posted) -> None:
        if len(posted.requests) == 1:
            return self._set_aside(posted.requests, "too-large", posted.receipt)
        self._delivery.shrink(sum(len(request.query) for request in posted.requests))
        for half in _halves(posted.requests):
            self.deliver(half)
        return None

    def _search(self, requests: Sequence[Request]) -> None:
        """Finds the requests that make the server fail, in order, so that nobody's hits overtake each other."""
        for half in _halves(requests):
            posted = self._attempt(half)
            if not posted.suspicious:
                self.deliver(half, posted)
            elif len(half) > 1:
                self._journal.release(posted.batch)
                self._search(half)
            else:
                self._suspect(half, posted)

    def _suspect(self, request: Sequence[Request], posted: Posted) -> None:
        for _ in range(_SINGLE_TRIES):
            self._journal.release(posted.batch)
            if self._delivery.abort.wait(random.uniform(0, 0.3 * self._delivery.first_pause)):  # noqa: S311 - no secret hangs on it
                raise Aborted
            posted = self._attempt(request)
            if not posted.suspicious:
                return self.deliver(request, posted)
        self._journal.release(posted.batch)
        if self._aside_in_a_row >= _ASIDE_IN_A_ROW:
            raise ServerRefused(posted.receipt.reason)
        return self._set_aside(request, "poison", posted.receipt)

    def _set_aside(self, request: Sequence[Request], reason: str, receipt: Receipt) -> None:
        self._aside_in_a_row += 1
        self._journal.settle([Outcome(request, "set_aside", reason, receipt.reason)])
        self._delivery.say(f"{receipt.reason} One request was set aside; log-importer retry sends it again.")

    def _ping(self, site: int) -> bool:
        """Whether the server tracks at all."""
        return self._counts([ping(site, time.time())])

    def _counts(self, pings: Sequence[bytes]) -> bool:
        answer = self._post(pings)
        reply = None if answer.cut or answer.status != 200 else parse_reply(answer.body)
        return reply is not None and reply.tracked + reply.invalid > 0

    def _wait_for_the_present(self, requests: Requests) -> None:
        ahead = requests.latest - time.time()
        if ahead > 0 and self._delivery.abort.wait(min(ahead, 61)):
            raise Aborted

    def _pause(self, attempt: int, receipt: Receipt, began: float, at_least: float = 0.0) -> None:
        """Waits, longer each time and never in step with others; gives up when it has been too long."""
        longest = min(_LONGEST_PAUSE, self._delivery.first_pause * 2**attempt)
        pause = random.uniform(0, longest)  # noqa: S311 - no secret hangs on it
        pause = max(pause + at_least, receipt.retry_after or 0.0)
        if time.monotonic() + pause - began > max(self._delivery.give_up_after, 2 * at_least):
            raise ServerUnreachable(receipt.reason, "What was tracked stays tracked; the next run goes on from there.")
        if self._delivery.abort.wait(pause):
            raise Aborted


def _halves(requests: Sequence[Request]) -> list[Sequence[Request]]:
    middle = (len(requests) + 1) // 2
    return [half for half in (requests[:middle], requests[middle:]) if half]
