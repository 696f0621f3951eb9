"""Lanes: ordered queues of encoded requests, one share of the visitors each, at most one batch of a lane in flight.

A visitor is always in one lane, so nobody's hits overtake each other. Hits wait until the window is full or the end
is near: the longer a lane, the fewer times the server meets a user agent anew, and that is what costs it.
"""

from collections.abc import Callable, Iterable, Sequence

from log_importer.model import Batch, Request
from log_importer.model.rows import NONE, Requests

LANES = 16
WINDOW = 32_000
"""Hits that wait in all lanes together."""
_LAG = 8
"""Windows of later hits after which a lane's oldest hit goes first: progress is kept from the oldest hit on."""

_WORTH = 0.1
"""The share of a batch from which on room in it is worth another lane."""
_TOGETHER = 2500
"""Hits that are brought into their lanes together, at most: a few at a time cost as much as many."""


class Lane:
    """One queue: `waiting` are hits in arrival order, `ready` are earlier ones, sorted, of which some were taken."""

    __slots__ = ("busy", "count", "oldest", "ready", "ripe", "taken", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Requests] = []
        self.count = 0  # of those that wait in arrival order
        self.ready = NONE
        self.taken = 0  # of `ready`
        self.ripe = False  # whether what is ready had waited long enough
        self.oldest = 0  # the arrival of the first hit that waits
        self.busy = False

    def emptied(self) -> Requests:
        """All that wait, in batch order; they wait no longer."""
        found = Requests.in_batch_order(self.waiting)
        self.waiting, self.count = [], 0
        return found


class Lanes:
    """All lanes of a run. Not safe for threads by itself; the sender guards it."""

    def __init__(
        self, batch_size: Callable[[], int], batch_bytes: int, count: int = LANES, window: int = WINDOW
    ) -> None:
        """`batch_size` is asked at each cut."""
        self._lanes = [Lane() for _ in range(count)]
        self._batch_size = batch_size
        self._batch_bytes = batch_bytes
        self._window = window
        self._fresh: list[Requests] = []  # those that came and are not in their lanes yet
        self._unspread = 0  # how many
        self._arrived = 0
        self._due = 0  # hits that arrived before have waited long enough
        self.held = 0
        """Hits that wait; those in flight are not counted."""

    @property
    def count(self) -> int:
        """How many lanes there are."""
        return len(self._lanes)

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
        self._fresh.append(Requests.of(requests))
        self._unspread += len(requests)
        self._arrived += len(requests)
        self.held += len(requests)
        if self._unspread >= _TOGETHER:
            self._spread()

    def _spread(self) -> None:
        """Brings what came since the last time into its lanes."""
        if not self._unspread:
            return
        begin = self._arrived - self._unspread
        for number, first, mine in Requests.joined(self._fresh).by_lane(len(self._lanes)):
            lane = self._lanes[number]
            if not lane.waiting:
                lane.oldest = begin + first
            lane.waiting.append(mine)
            lane.count += len(mine)
        self._fresh.clear()
        self._unspread = 0

    def ripen(self) -> None:
        """What waits now has waited long enough."""
        self._spread()
        self._due = self._arrived

    def waits(self, flushing: bool) -> bool:
        """Whether there is a batch to `take`."""
        if flushing or self.full:
            self._spread()
        return any(not lane.busy and (lane.ready or self._may_go(lane, flushing)) for lane in self._lanes)

    def take(self, flushing: bool, leave: int | None = None) -> Batch | None:
        """The next batch of a lane that has none in flight: what was sorted first, then where the window is full.

        Where it is not, that of a lane whose oldest hit has waited long enough; all of them when `flushing`.
        The last batch of what was sorted is filled up from other lanes, as long as `leave` more of them are free.
        """
        self._spread()
        number = self._next(range(len(self._lanes)), flushing)
        if number is None:
            return None
        lane = self._lanes[number]
        flushing = flushing or lane.ripe
        parts, taken = [self._cut(lane, self._batch_size(), self._batch_bytes)], [number]
        lane.busy = True
        if flushing and not lane.ready:
            self._fill(taken, parts)
        elif leave is not None and not lane.ready:
            self._fill_up(taken, parts, leave)
        requests = Requests.joined(parts)
        self.held -= len(requests)
        return Batch(taken, requests)

    def release(self, batch: Batch) -> None:
        """The batch is settled; the next of its lanes may go."""
        for number in batch.lanes:
            self._lanes[number].busy = False

    def shrink(self, size_bytes: int) -> None:
        """A body of that many bytes was too large."""
        self._batch_bytes = max(1, min(self._batch_bytes, size_bytes // 2))

    def _may_go(self, lane: Lane, flushing: bool) -> bool:
        return bool(lane.waiting) and (flushing or self.full or lane.oldest < self._due)

    def _next(self, among: Iterable[int], flushing: bool) -> int | None:
        """The lane to take from, of these, which has requests that are `ready` then."""
        free = [number for number in among if not self._lanes[number].busy]
        for number in free:
            if self._lanes[number].ready:
                return number
        waiting = [number for number in free if self._may_go(self._lanes[number], flushing)]
        if not waiting:
            return None
        number = min(waiting, key=lambda one: self._lanes[one].oldest)
        if self._arrived - self._lanes[number].oldest < _LAG * self._window:
            number = max(waiting, key=lambda one: self._lanes[one].count)
        lane = self._lanes[number]
        lane.ripe = lane.oldest < self._due
        lane.ready, lane.taken = lane.emptied(), 0
        return number

    def _fill(self, taken: list[int], parts: list[Requests]) -> None:
        """Adds all of other lanes that wait for nothing else."""
        count, room = self._room(parts)
        for number, lane in enumerate(self._lanes):
            if not lane.waiting or lane.busy or lane.ready:
                continue
            needed = sum(map(_size, lane.waiting))
            if lane.count <= count and needed <= room:
                count -= lane.count
                room -= needed
                parts.append(lane.emptied())
                lane.busy = True
                taken.append(number)

    def _fill_up(self, taken: list[int], parts: list[Requests], leave: int) -> None:
        """Adds what there is room for of other lanes that may go."""
        while True:
            count, room = self._room(parts)
            free = [number for number, lane in enumerate(self._lanes) if not lane.busy]
            if count < _WORTH * self._batch_size() or room <= 0 or len(free) <= leave:
                return
            number = self._next(free, flushing=False)
            part = self._cut(self._lanes[number], count, room, at_least=0) if number is not None else NONE
            if number is None or not part:
                return
            parts.append(part)
            taken.append(number)
            self._lanes[number].busy = True

    def _room(self, parts: Sequence[Requests]) -> tuple[int, int]:
        """How many requests, and bytes of them, a batch with these parts has room for."""
        return self._batch_size() - sum(map(len, parts)), self._batch_bytes - sum(map(_size, parts))

    def _cut(self, lane: Lane, count: int, size: int, at_least: int = 1) -> Requests:
        """Takes a batch off what is ready: at most so many requests, and about so many bytes."""
        batch = lane.ready[lane.taken : lane.taken + count]
        if _size(batch) > size:
            batch = batch[: max(at_least, batch.fitting(_BESIDE, size))]
        lane.taken += len(batch)
        if lane.taken == len(lane.ready):
            lane.ready, lane.taken = NONE, 0
        return batch


_BESIDE = 3
"""Two quotes and a comma."""


def _size(requests: Requests) -> int:
    return requests.size + _BESIDE * len(requests)
