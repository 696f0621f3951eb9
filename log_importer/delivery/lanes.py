"""Lanes: ordered queues of encoded requests, one share of the visitors each, at most one batch of a lane in flight.

A visitor is always in one lane, so nobody's hits overtake each other. Hits wait until the window is full or the end
is near: the longer a lane, the fewer times the server meets a user agent anew, and that is what costs it.
"""

from collections.abc import Callable, Sequence

from log_importer.batching import NONE, Requests
from log_importer.model import Batch, Request

LANES = 16
WINDOW = 32_000
"""Hits that wait in all lanes together."""
_LAG = 8
"""Windows of later hits after which a lane's oldest hit goes first: progress is kept from the oldest hit on."""


class Lane:
    """One queue: `waiting` are hits in arrival order, `ready` are earlier ones, sorted, of which some were taken."""

    __slots__ = ("busy", "oldest", "ready", "taken", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Requests] = []
        self.ready = NONE
        self.taken = 0  # of `ready`
        self.oldest = 0  # the arrival of the first hit that waits
        self.busy = False

    @property
    def count(self) -> int:
        """How many hits wait in arrival order."""
        return sum(map(len, self.waiting))


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
        rows = Requests.of(requests)
        for number, first, mine in rows.by_lane(len(self._lanes)):
            lane = self._lanes[number]
            if not lane.waiting:
                lane.oldest = self._arrived + first
            lane.waiting.append(mine)
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
                number, lane = max(waiting, key=lambda entry: entry[1].count)
            flushing = flushing or self._ripe(lane)
            lane.ready, lane.taken = Requests.in_batch_order(lane.waiting), 0
            lane.waiting = []
        requests = self._cut(lane)
        lane.busy = True
        taken = [number]
        if flushing and not lane.ready:
            more, others = self._fill(requests)
            taken += more
            requests = Requests.joined([requests, *others])
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

    def _fill(self, requests: Requests) -> tuple[list[int], list[Requests]]:
        """What goes with a small batch: all of other lanes that wait for nothing else; which, and their requests."""
        taken, found = [], []
        count, room = len(requests), self._batch_bytes - _size(requests)
        for number, lane in enumerate(self._lanes):
            if not lane.waiting or lane.busy or lane.ready:
                continue
            needed = sum(map(_size, lane.waiting))
            if count + lane.count <= self._batch_size() and needed <= room:
                found.append(Requests.in_batch_order(lane.waiting))
                count += lane.count
                room -= needed
                lane.waiting, lane.busy = [], True
                taken.append(number)
        return taken, found

    def _cut(self, lane: Lane) -> Requests:
        """Takes a batch off what is ready: at most so many requests, and about so many bytes."""
        batch = lane.ready[lane.taken : lane.taken + self._batch_size()]
        if _size(batch) > self._batch_bytes:
            batch = batch[: max(1, batch.fitting(_BESIDE, self._batch_bytes))]
        lane.taken += len(batch)
        if lane.taken == len(lane.ready):
            lane.ready, lane.taken = NONE, 0
        return batch


_BESIDE = 3
"""Two quotes and a comma."""


def _size(requests: Requests) -> int:
    return requests.size + _BESIDE * len(requests)
