"""Hits of several sources -> one row in time order, as far as a bounded number of them that wait allows.

A hit waits until no source can bring an older one; what comes later than that is let through at once, and called late.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from log_importer.model import Request
from log_importer.model.rows import NONE, Requests

MOST = 100_000
"""Hits that wait at most."""
MOST_BYTES = 24 << 20
"""Bytes of their queries."""
_SPARE = 1 << 18
"""Bytes of other queries that may be kept with them."""
_TEXTS = 64
"""Texts that they may lie in: each is looked at whenever more come."""


class Merger:
    """The hits that wait for older ones."""

    def __init__(
        self, late: Callable[[Sequence[Request]], None], most: int = MOST, most_bytes: int = MOST_BYTES
    ) -> None:
        """`late` is told of hits that are let go behind ones of later times."""
        self._late = late
        self._most = most
        self._most_bytes = most_bytes
        self._waiting = NONE  # in the order of their times
        self._newest = -math.inf  # time of the newest hit let go

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, some: Sequence[Request], floor: float | None) -> Requests:
        """The hits that may go now: those up to `floor`, in time order, and the oldest where too many wait.

        `floor` is the time, in seconds since 1970 UTC, before which none is to come; `None`: `some` wait for no
        others, and nobody waits for them.
        """
        requests = Requests.of(some)
        if floor is None:
            rest = self.rest()
            return Requests.joined([rest, requests]) if rest else requests
        if requests:
            self._waiting = Requests.in_time_order([self._waiting, requests] if self._waiting else [requests])
        end = max(bisect_right(self._waiting.times, floor), len(self._waiting) - self._most)
        if (excess := self._waiting.size - self._most_bytes) > 0:
            end = max(end, self._waiting.fitting(0, excess - 1) + 1)
        return self._let_go(end)

    def rest(self, until: float = math.inf) -> Requests:
        """All that wait, in time order, but for those of later times than `until`: nothing older is to come."""
        return self._let_go(bisect_right(self._waiting.times, until))

    def _let_go(self, end: int) -> Requests:
        going, self._waiting = self._waiting[:end], self._waiting[end:]
        if self._waiting.kept > _SPARE + 1.25 * self._waiting.size or self._waiting.text_count > _TEXTS:
            self._waiting = self._waiting.compact()
        if going:
            if late := going[: bisect_left(going.times, self._newest)]:
                self._late(late)
            self._newest = max(self._newest, going.times[-1])
        return going
