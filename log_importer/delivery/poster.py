"""One batch: posted, judged, and posted again, split or given up on, until each of its requests is settled."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from log_importer.delivery.verdict import judge
from log_importer.errors import ServerRefused, ServerUnreachable
from log_importer.model import Answer, Receipt, Remedy, Request, Verdict

Post = Callable[[Sequence[Request]], Answer]
Settle = Callable[[Sequence[Request], str, str, bool], None]
"""(requests, bucket, reason, doubted): bucket is `tracked`, `refused` or `in_doubt`; `doubted` requests leave that."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Aborted(Exception):
    """The run is ending; the batch stays pending."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the posting threads of a run share."""

    settle: Settle
    ping: Callable[[int], bool]  # idsite -> whether the server tracks
    say: Callable[[str], None]  # one sentence for people, once each
    give_up_after: float = 900.0  # seconds without an answer that settles anything
    abort: threading.Event = field(default_factory=threading.Event)  # ends all pauses
    tracked_sites: set[int] = field(default_factory=set)  # sites with a request tracked in this run


class Poster:
    """Delivers batches over one connection."""

    def __init__(self, post: Post, delivery: Delivery) -> None:
        self._post = post
        self._delivery = delivery
        self._on_the_wire: Sequence[Request] = ()  # posted for the first time, and not answered yet
        self._abandoned = False
        self._wire_lock = threading.Lock()

    def abandon(self) -> None:
        """Nobody waits for the answer under way any longer: what was posted is in doubt, whatever still comes."""
        with self._wire_lock:
            self._abandoned = True
            requests, self._on_the_wire = self._on_the_wire, ()
        self._delivery.settle(requests, "in_doubt", "", False)

    def deliver(
        self, requests: Sequence[Request], doubted: bool = False, first: tuple[Answer, Receipt] | None = None
    ) -> None:
        """Settles `requests`; `doubted` says that the server may have them already.

        `first` is the answer to a post of them that was made before.

        Raises `ServerRefused`, `ServerUnreachable`, or `Aborted` with some of them pending.
        """
        began = time.monotonic()
        attempt = 0
        while True:
            answer, receipt = first or self._attempt(requests, doubted)
            first = None
            if receipt.verdict in (Verdict.STORED, Verdict.PARTIAL):
                return self._settle(requests, receipt, doubted)
            if receipt.verdict is Verdict.ALL_REFUSED:
                self._delivery.settle(requests, "refused", "invalid", doubted)
                raise ServerRefused(receipt.reason)
            if receipt.verdict is Verdict.IN_DOUBT:
                return self._doubt(requests, receipt, doubted)
            if receipt.verdict is Verdict.NOTHING:
                if self._delivery.ping(requests[0].site):
                    return self._delivery.settle(requests, "refused", "load", doubted)
            elif receipt.remedy is Remedy.STOP:
                raise ServerRefused(receipt.reason)
            elif receipt.remedy is Remedy.SPLIT:
                return self._split(requests, answer, receipt, doubted)
            self._delivery.say(f"{receipt.reason} Trying again.")
            self._pause(attempt, receipt, began)
            attempt += 1

    def _attempt(self, requests: Sequence[Request], doubted: bool) -> tuple[Answer, Receipt]:
        self._wait_for_the_present(requests)
        with self._wire_lock:
            self._on_the_wire = () if doubted else requests
        answer = self._post(requests)
        with self._wire_lock:
            if self._abandoned:
                raise Aborted
            self._on_the_wire = ()
        before = all(request.site in self._delivery.tracked_sites for request in requests)
        return answer, judge(answer, len(requests), tracked_before=before)

    def _settle(self, requests: Sequence[Request], receipt: Receipt, doubted: bool) -> None:
        indices = set(receipt.invalid_indices or ())
        if len(indices) == receipt.invalid:
            invalid = [request for index, request in enumerate(requests) if index in indices]
            rest = [request for index, request in enumerate(requests) if index not in indices]
        else:
            # Only a superuser's token is told which: the count is right, and the last ones stand for it.
            kept = len(requests) - receipt.invalid
            rest, invalid = list(requests[:kept]), list(requests[kept:])
        settle = self._delivery.settle
        if receipt.tracked:
            self._delivery.tracked_sites.update(request.site for request in rest)
            settle(rest[: receipt.tracked], "tracked", "", doubted)
        if len(rest) > receipt.tracked:
            settle(rest[receipt.tracked :], "refused", "load", doubted)
        if invalid:
            settle(invalid, "refused", "invalid", doubted)
        if receipt.reason:
            self._delivery.say(receipt.reason)

    def _doubt(self, requests: Sequence[Request], receipt: Receipt, doubted: bool) -> None:
        # In doubt until an answer comes, whatever ends the run before.
        self._delivery.settle(requests, "in_doubt", "", doubted)
        if doubted:
            self._delivery.say(f"{receipt.reason} It was the second time, so these lines are held in doubt.")
            return
        self._delivery.say(f"{receipt.reason} What was sent is in doubt; it is sent once more, in halves.")
        self._pause(2, receipt, time.monotonic())
        for half in _halves(requests):
            self.deliver(half, doubted=True)

    def _split(self, requests: Sequence[Request], answer: Answer, receipt: Receipt, doubted: bool) -> None:
        if len(requests) == 1:
            self._delivery.say(receipt.reason)
            return self._delivery.settle(requests, "refused", "poison", doubted)
        first, second = _halves(requests)
        if answer.status == 413:
            self.deliver(first, doubted)
            return self.deliver(second, doubted)
        # When both halves fail too, it is not a request of theirs.
        failures = []
        for half in (first, second):
            first_try = self._attempt(half, doubted)
            if first_try[1].remedy is Remedy.SPLIT:
                failures.append((half, *first_try))
            else:
                self.deliver(half, doubted, first_try)
        if len(failures) == 2 and len(requests) > 2:
            raise ServerRefused(receipt.reason)
        for half, half_answer, half_receipt in failures:
            self._split(half, half_answer, half_receipt, doubted)
        return None

    def _wait_for_the_present(self, requests: Sequence[Request]) -> None:
        ahead = max(request.time for request in requests) - time.time()
        if ahead > 0 and self._delivery.abort.wait(min(ahead, 61)):
            raise Aborted

    def _pause(self, attempt: int, receipt: Receipt, began: float) -> None:
        """Waits, longer each time and never in step with others; gives up when it has been too long."""
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
        pause = max(random.uniform(0, longest), receipt.retry_after or 0.0)  # noqa: S311 - no secret hangs on it
        if time.monotonic() + pause - began > self._delivery.give_up_after:
            raise ServerUnreachable(receipt.reason, "What was tracked stays tracked; the rest is counted as pending.")
        if self._delivery.abort.wait(pause):
            raise Aborted


def _halves(requests: Sequence[Request]) -> list[Sequence[Request]]:
    middle = (len(requests) + 1) // 2
    return [half for half in (requests[:middle], requests[middle:]) if half]
