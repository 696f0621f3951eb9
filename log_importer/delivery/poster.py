"""One batch: its intent kept, posted, judged, and posted again, split or given up on, until each request is settled."""

import threading
import time
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from log_importer.delivery.context import Delivery, Post, Slot
from log_importer.delivery.inquiry import Found
from log_importer.delivery.outage import Aborted, Health, Probe
from log_importer.delivery.pace import AIM
from log_importer.delivery.verdict import BUSY, judge
from log_importer.model import Answer, Outcome, Receipt, Remedy, Request, Verdict
from log_importer.model.errors import LogImporterError, ServerRefused
from log_importer.model.rows import NONE, Requests
from log_importer.tracking.bulk import parse_reply, ping

_BATCH_TRIES = 3
"""Failures of a whole batch after which the fault is looked for in one of its requests."""
_SINGLE_TRIES = 12
"""Failures of a request by itself after which it is set aside: a server that fails half of all posts fails no request
so often."""
_REFUSED_TRIES = 2
"""The same where the answer is the word of a firewall or of the web server, which does not change."""
_ASIDE_IN_A_ROW = 10
"""Requests set aside with none stored between them: then it is not the requests."""


class Posted(NamedTuple):
    """A post and what came of it."""

    requests: Requests
    batch: int
    answer: Answer
    receipt: Receipt
    began: float  # seconds since 1970 UTC
    witnesses: Sequence[bytes]  # queries

    @property
    def suspicious(self) -> bool:
        """Whether the fault may lie in one of the requests, as where a firewall resets the connection."""
        if self.receipt.verdict is Verdict.IN_DOUBT:
            return True
        return self.receipt.remedy is Remedy.SPLIT and self.answer.status != 413

    @property
    def tries(self) -> int:
        """How often such a post may fail before what is in it is suspected."""
        if self.receipt.final:
            return 1 if len(self.requests) > 1 else _REFUSED_TRIES
        return _BATCH_TRIES if len(self.requests) > 1 else _SINGLE_TRIES


class Poster:
    """Delivers batches over one connection."""

    def __init__(self, post: Post, delivery: Delivery, slot: Slot) -> None:
        self._post = post
        self._delivery = delivery
        self._slot = slot
        self._journal = delivery.journal
        self._on_the_wire: Sequence[Request] = ()  # not answered yet, and not in doubt before
        self._abandoned = False
        self._wire_lock = threading.Lock()

    def abandon(self) -> None:
        """Nobody waits for the answer under way any longer: what was posted is in doubt, whatever still comes."""
        with self._wire_lock:
            self._abandoned = True
            requests, self._on_the_wire = self._on_the_wire, ()
        self._journal.doubt(requests)

    def deliver(self, requests: Sequence[Request], *, searching: bool = False, half: bool = False) -> None:
        """Settles `requests`; with `searching` they are a part of a batch with a request at fault, with `half` of a
        batch in doubt.

        The slot is given back once they are answered, before that is written down, and while the server is asked.

        A post that was not stored, or may not be, is followed by a ping, in this order:
        1. The ping is refused too: it is none of the requests, and the run stops.
        2. The ping is not counted: an outage. All threads wait, and nothing is split or set aside.
        3. The ping is counted, and the server is only busy: a pause, and smaller batches.
        4. The ping is counted, and the answer may be about one of the requests: that one is searched for by halves.

        Raises `ServerRefused`, `ServerUnreachable`, or `Aborted` with some of them pending.
        """
        attempt, attempts, failures = 0, 0, 0
        requests = self._settle_earlier(requests)
        while requests:
            posted = self._attempt(requests, half=half)
            receipt = posted.receipt
            if receipt.verdict in (Verdict.STORED, Verdict.PARTIAL):
                self._slot.give_back()
                return self._store(posted)
            if receipt.verdict is Verdict.ALL_REFUSED:
                self._journal.settle([Outcome(requests, "refused", "invalid")], posted.batch)
                raise ServerRefused(receipt.reason)
            if receipt.verdict is Verdict.IN_DOUBT and not self._is_absent(posted):
                return None
            if receipt.verdict is not Verdict.NOTHING:
                self._journal.release(posted.batch)
            probe = self._probe(requests[0].site) if receipt.remedy is not Remedy.STOP else None
            tracking = probe is not None and probe.health is Health.TRACKING
            if receipt.verdict is Verdict.NOTHING:
                if tracking:
                    return self._journal.settle([Outcome(requests, "refused", "load")], posted.batch)
                self._journal.release(posted.batch)
            if probe is None:
                raise ServerRefused(receipt.reason)
            failed = time.monotonic()
            if probe.health is Health.REFUSING:
                raise ServerRefused(receipt.reason if posted.suspicious else probe.reason)
            attempts += 1
            self._delivery.outage.count(attempts, receipt.reason)
            if not tracking:
                self._wait_for(requests[0].site, probe, receipt)
                attempt = failures = 0
                continue
            if posted.answer.status == 413:
                return self._halve(posted, searching=searching)
            if posted.suspicious:
                failures += 1
                if failures >= posted.tries or (searching and len(requests) > 1):
                    return self._halve(posted, searching=True)
                searching = searching or failures >= _BATCH_TRIES
            self._delivery.say(f"{receipt.reason} Trying again.")
            if searching:
                self._delivery.outage.pause_shortly()
                continue
            self._spare(posted)
            self._delivery.outage.pause(attempt, receipt.reason, receipt.retry_after)
            # While it stores what others post, it is not away, and there is no need to wait ever longer.
            attempt = 0 if self._delivery.outage.stored_at > failed else attempt + 1
        return None

    def _attempt(self, some: Sequence[Request], *, half: bool) -> Posted:
        requests = Requests.of(some)
        self._delivery.outage.gate()
        self._slot.take()
        self._wait_for_the_present(requests)
        self._delivery.dates.begin(requests, self._counts)
        pause = self._delivery.rate.pause(len(requests))
        if pause and self._delivery.abort.wait(pause):
            raise Aborted
        doubts = self._delivery.doubts
        witnesses = doubts.witnesses(requests, half=half) if doubts is not None else ()
        batch, began = self._journal.intend(requests, witnesses), time.time()
        queries = [witness.query for witness in witnesses]
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
        if doubts is not None and receipt.verdict in (Verdict.STORED, Verdict.PARTIAL):
            doubts.answered(answer.seconds)
            doubts.stored(requests, queries if receipt.tracked == len(requests) else ())
        return Posted(requests, batch, answer, receipt, began, queries)

    def _learn(self, hits: int, answer: Answer, receipt: Receipt) -> None:
        with self._delivery.lock:
            pace, now = self._delivery.pace, time.monotonic()
            if receipt.verdict is Verdict.STORED:
                pace.stored(hits, answer.seconds, now)
            elif receipt.verdict is Verdict.PARTIAL:
                pace.congested(now)

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
        self._delivery.outage.stored()
        if receipt.tracked:
            self._delivery.tracked_sites.update(rest.sites)
            with self._delivery.lock:
                self._delivery.aside_in_a_row = 0
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

    def _settle_earlier(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Those that have to be posted. What was posted before without an answer is looked for at the server first;
        what it does not tell of, and was posted twice, is held: nothing is sent a third time.
        """
        if not Requests.of(requests).doubted:
            return requests
        if self._delivery.doubts is not None and self._delivery.asks:
            self._slot.give_back()  # only this lane waits until it is known what became of them
            site = requests[0].site
            requests, stored = self._delivery.doubts.sort_out(requests, lambda: self._wait_while_away(site))
            if stored:
                self._journal.settle([Outcome(stored, "tracked", posted=False)])
        if not self._delivery.retrying:
            held = [request for request in requests if request.doubts > 1]
            requests = [request for request in requests if request.doubts < 2] if held else requests
            self._journal.settle([Outcome(held, "in_doubt", "twice", posted=False)] if held else [])
        return requests

    def _is_absent(self, posted: Posted) -> bool:
        """Whether the server surely has nothing of a batch in doubt; where it has it, or may, all of it is settled."""
        site, found = posted.requests[0].site, Found.UNKNOWN
        if self._delivery.doubts is not None and self._delivery.asks:
            self._slot.give_back()
            try:
                found = self._delivery.doubts.found(
                    posted.began, posted.witnesses, lambda: self._wait_while_away(site, posted.receipt)
                )
            except (Aborted, LogImporterError):
                self._journal.doubt([request for request in posted.requests if not request.doubts])
                raise
        if found is Found.STORED:
            self._delivery.outage.stored()
            self._journal.settle([Outcome(posted.requests, "tracked")], posted.batch)
        elif found is Found.UNKNOWN:
            self._doubt(posted)
        return found is Found.ABSENT

    def _doubt(self, posted: Posted) -> None:
        """Sent once more, in halves, when the server has had time to finish; what was in doubt before is held."""
        receipt = posted.receipt
        held = [request for request in posted.requests if request.doubts]
        fresh = [request._replace(doubts=1) for request in posted.requests if not request.doubts]
        self._journal.doubt(fresh)
        if held:
            outcome = Outcome(held, "in_doubt", "twice", receipt.reason, batch=posted.batch)
            self._journal.settle([outcome], None if fresh else posted.batch)
            self._delivery.say(f"{receipt.reason} It was the second time, so these lines are held in doubt.")
        if not fresh:
            return
        self._delivery.say(f"{receipt.reason} What was sent is in doubt; it is sent once more.")
        probe = self._probe(fresh[0].site)
        if probe.health is Health.REFUSING:
            raise ServerRefused(probe.reason)
        if probe.health is Health.AWAY:
            self._wait_for(fresh[0].site, probe, receipt)
        else:
            self._spare(posted)
            self._delivery.outage.pause(1, receipt.reason, receipt.retry_after, at_least=1.5 * posted.answer.seconds)
        for some in _halves(fresh):
            self.deliver(some, half=True)
        return

    def _spare(self, posted: Posted) -> None:
        """Fewer posts at once, and smaller ones where the server said that it is busy or took long."""
        with self._delivery.lock:
            self._delivery.pace.congested(time.monotonic())
            if posted.answer.status in BUSY or posted.answer.seconds >= AIM:
                self._delivery.pace.halve()

    def _halve(self, posted: Posted, *, searching: bool) -> None:
        """In order, so that nobody's hits overtake each other; a single request is set aside."""
        too_large = posted.answer.status == 413
        if len(posted.requests) == 1 and too_large:
            return self._set_aside(posted.requests, "too-large", posted.receipt)
        if len(posted.requests) == 1:
            return self._set_aside(posted.requests, "poison", posted.receipt)
        if too_large:
            self._delivery.shrink(sum(len(request.query) for request in posted.requests))
        for half in _halves(posted.requests):
            self.deliver(half, searching=searching)
        return None

    def _set_aside(self, request: Sequence[Request], reason: str, receipt: Receipt) -> None:
        with self._delivery.lock:
            in_a_row = 0 if self._delivery.retrying else self._delivery.aside_in_a_row
            if reason == "poison" and in_a_row >= _ASIDE_IN_A_ROW:
                raise ServerRefused(receipt.reason)
            self._delivery.aside_in_a_row += 1
        self._journal.settle([Outcome(request, "set_aside", reason, receipt.reason)])
        self._delivery.say(f"{receipt.reason} One request was set aside; log-importer retry sends it again.")

    def _wait_while_away(self, site: int, receipt: Receipt | None = None) -> None:
        """Returns when the server tracks, or refuses a ping; `receipt` is that of the post that failed."""
        probe = self._probe(site)
        if probe.health is Health.AWAY:
            self._wait_for(site, probe, receipt)

    def _wait_for(self, site: int, probe: Probe, receipt: Receipt | None) -> None:
        """Waits until the server tracks again."""
        with self._delivery.lock:
            self._delivery.pace.congested(time.monotonic())
        if receipt is not None:
            probe = Probe(probe.health, receipt.reason, probe.retry_after or receipt.retry_after)
        self._delivery.outage.wait(lambda: self._probe(site), probe)

    def _probe(self, site: int) -> Probe:
        """Whether the server tracks at all, by a request that stores nothing."""
        answer = self._post([ping(site, time.time())])
        receipt = judge(answer, 1, tracked_before=True)
        if receipt.tracked + receipt.invalid:
            return Probe(Health.TRACKING)
        refusing = receipt.remedy is Remedy.STOP or (
            receipt.remedy is Remedy.SPLIT and answer.status is not None and answer.status < 500
        )
        return Probe(Health.REFUSING if refusing else Health.AWAY, receipt.reason, receipt.retry_after)

    def _counts(self, pings: Sequence[bytes]) -> bool:
        answer = self._post(pings)
        reply = None if answer.cut or answer.status != 200 else parse_reply(answer.body)
        return reply is not None and reply.tracked + reply.invalid > 0

    def _wait_for_the_present(self, requests: Requests) -> None:
        ahead = requests.latest - time.time()
        if ahead > 0 and self._delivery.abort.wait(min(ahead, 61)):
            raise Aborted


def _halves(requests: Sequence[Request]) -> list[Sequence[Request]]:
    middle = (len(requests) + 1) // 2
    return [half for half in (requests[:middle], requests[middle:]) if half]
