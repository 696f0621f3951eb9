"""Lanes: ordered queues of encoded requests, one share of the visitors each, at most one batch of a lane in flight.

A visitor is always in one lane, so nobody's hits overtake each other. Hits wait until the window is full or the end
is near: the longer a lane, the fewer times the server meets a user agent anew, and that is what costs it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import attrgetter

from log_importer.model import Batch, Request

LANES = 16
WINDOW = 32_000
"""Hits that wait in all lanes together."""
_LAG = 8
"""Windows of later hits after which a lane's oldest hit goes first: progress is kept from the oldest hit on."""


class Lane:
    """One queue: `waiting` are hits in arrival order, `ready` are earlier ones, sorted to be cut from the end."""

    __slots__ = ("busy", "oldest", "ready", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Request] = []
        self.ready: list[Request] = []
        self.oldest = 0  # the arrival of the first hit that waits
        self.busy = False


class Lanes:
    """All lanes of a run. Not safe for threads by itself; the sender guards it."""

    def __init__(
        self, batch_size: Callable[[], int], batch_bytes: int, count: int = LANES, window: int = WINDOW
    ) -> None:  # fmt: skip
        """`batch_size` is asked at each cut."""
        self._lanes = [Lane() for _ in range(count)]
        self._batch_size = batch_size
        self._batch_bytes = batch_bytes
        self._window = window
        self._arrived = 0
        self._due = 0  # hits that arrived before have waited long enough
        self.held = 0
        """Hits that wait; those in flight are not counted."""

    @property
    def full(self) -> bool:
        """Whether the window is used up."""
        return self.held >= self._window

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in flight."""
        return not self.held and not any(lane.busy for lane in self._lanes)

    def put(self, requests: Sequence[Request]) -> None:
        """Adds requests, each to its lane."""
        lanes, count = self._lanes, len(self._lanes)
        for arrived, request in enumerate(requests, self._arrived):
            lane = lanes[request.lane % count]
            if not lane.waiting:
                lane.oldest = arrived
            lane.waiting.append(request)
        self._arrived += len(requests)
        self.held += len(requests)

    def ripen(self) -> None:
        """What waits now has waited long enough."""
        self._due = self._arrived

    def take(self, flushing: bool) -> Batch | None:
        """The next batch of a lane that has none in flight: what was sorted first, then where the window is full.

        Where it is not, that of a lane whose oldest hit has waited long enough; all of them when `flushing`.
        """
        free = [(number, lane) for number, lane in enumerate(self._lanes) if not lane.busy]
        number, lane = next(((number, lane) for number, lane in free if lane.ready), (-1, None))
        if lane is None:
            any_lane = flushing or self.full
            waiting = [(number, lane) for number, lane in free if lane.waiting and (any_lane or self._ripe(lane))]
            if not waiting:
                return None
            number, lane = min(waiting, key=lambda entry: entry[1].oldest)
            if self._arrived - lane.oldest < _LAG * self._window:
                number, lane = max(waiting, key=lambda entry: len(entry[1].waiting))
            flushing = flushing or self._ripe(lane)
            lane.ready = in_batch_order(lane.waiting)[::-1]
            lane.waiting = []
        requests = self._cut(lane.ready)
        lane.busy = True
        taken = [number]
        if flushing and not lane.ready:
            taken += self._fill(requests)
        self.held -= len(requests)
        return Batch(taken, requests)

    def release(self, batch: Batch) -> None:
        """The batch is settled; the next of its lanes may go."""
        for number in batch.lanes:
            self._lanes[number].busy = False

    def shrink(self, size_bytes: int) -> None:
        """A body of that many bytes was too large."""
        self._batch_bytes = max(1, min(self._batch_bytes, size_bytes // 2))

    def _ripe(self, lane: Lane) -> bool:
        return lane.oldest < self._due

    def _fill(self, requests: list[Request]) -> list[int]:
        """Adds to a small batch all of other lanes that wait for nothing else; which."""
        taken = []
        room = self._batch_bytes - sum(map(_length, requests))
        for number, lane in enumerate(self._lanes):
            needed = sum(map(_length, lane.waiting))
            few = len(requests) + len(lane.waiting) <= self._batch_size() and needed <= room
            if lane.waiting and few and not lane.busy and not lane.ready:
                requests += in_batch_order(lane.waiting)
                room -= needed
                lane.waiting, lane.busy = [], True
                taken.append(number)
        return taken

    def _cut(self, ready: list[Request]) -> list[Request]:
        """Takes a batch off the end of `ready`: at most so many requests, and about so many bytes."""
        batch = ready[: -self._batch_size() - 1 : -1]
        sizes = list(accumulate(map(_length, batch)))
        if sizes[-1] > self._batch_bytes:
            del batch[max(1, bisect_right(sizes, self._batch_bytes)) :]
        del ready[-len(batch) :]
        return batch


def _length(request: Request) -> int:
    return len(request.query) + 3  # two quotes and a comma


def in_batch_order(requests: Iterable[Request]) -> list[Request]:
    """Each visitor's hits together and in time order; visitors with the same user agent one after another."""
    requests = list(requests)
    visitors = {request.visitor: request.agent for request in reversed(requests)}
    if len(set(map(_WHO, requests))) == len(visitors):
        return sorted(requests, key=_ORDER)
    # A visitor known by an id may come with several user agents; the first stands for all, so that order is kept.
    return sorted(requests, key=lambda request: (visitors[request.visitor], request.visitor, request.time))


_WHO, _ORDER = attrgetter("visitor", "agent"), attrgetter("agent", "visitor", "time")
