"""Lanes: ordered queues of encoded requests, one share of the visitors each, at most one batch of a lane in flight.

A visitor is always in one lane, so nobody's hits overtake each other. Hits wait until the window is full or the end
is near: the longer a lane, the fewer times the server meets a user agent anew, and that is what costs it.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from log_importer.model import Batch, Request

LANES = 16
WINDOW = 32_000
"""Hits that wait in all lanes together."""


class Lane:
    """One queue. `waiting` are hits in arrival order, `ready` are batches cut from earlier ones."""

    __slots__ = ("busy", "ready", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Request] = []
        self.ready: deque[Sequence[Request]] = deque()
        self.busy = False


class Lanes:
    """All lanes of a run. Not safe for threads by itself; the sender guards it."""

    def __init__(self, batch_size: int, batch_bytes: int, count: int = LANES, window: int = WINDOW) -> None:
        self._lanes = [Lane() for _ in range(count)]
        self._batch_size = batch_size
        self._batch_bytes = batch_bytes
        self._window = window
        self.held = 0
        """Hits that wait, in batches cut or not; those in flight are not counted."""

    @property
    def full(self) -> bool:
        """Whether the window is used up."""
        return self.held >= self._window

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in flight."""
        return not self.held and not any(lane.busy for lane in self._lanes)

    def put(self, key: int, request: Request) -> None:
        """Adds a request to the lane of `key`."""
        self._lanes[key % len(self._lanes)].waiting.append(request)
        self.held += 1

    def take(self, flushing: bool) -> Batch | None:
        """The next batch of a lane that has none in flight; cuts one where the window is full or on `flushing`."""
        free = [(number, lane) for number, lane in enumerate(self._lanes) if not lane.busy]
        number, lane = next(((n, lane) for n, lane in free if lane.ready), (-1, None))
        if lane is None:
            if not free or not (flushing or self.full):
                return None
            number, lane = max(free, key=lambda entry: len(entry[1].waiting))
            if not lane.waiting:
                return None
            lane.ready.extend(cut_batches(lane.waiting, self._batch_size, self._batch_bytes))
            lane.waiting = []
        requests = lane.ready.popleft()
        lane.busy = True
        self.held -= len(requests)
        return Batch(number, requests)

    def release(self, batch: Batch) -> None:
        """The lane's batch is settled; the next may go."""
        self._lanes[batch.lane].busy = False


def cut_batches(requests: Iterable[Request], size: int, size_bytes: int) -> list[list[Request]]:
    """Batches of at most `size` requests and about `size_bytes`.

    Each visitor's hits stay together and in time order; visitors with the same user agent come one after another.
    """
    # A visitor known by an id may come with several user agents; the first stands for all, so that order is kept.
    agents: dict[int, int] = {}
    requests = list(requests)
    for request in requests:
        agents.setdefault(request.visitor, request.agent)
    ordered = sorted(requests, key=lambda request: (agents[request.visitor], request.visitor, request.time))
    batches: list[list[Request]] = [[]]
    held = 0
    for request in ordered:
        length = len(request.query) + 3  # two quotes and a comma
        if batches[-1] and (len(batches[-1]) >= size or held + length > size_bytes):
            batches.append([])
            held = 0
        batches[-1].append(request)
        held += length
    return [batch for batch in batches if batch]
