"""One download is one download, in however many ranges a client fetches it.

Needs what came before, so it is asked once a chunk, in time order, where the visitors' requests are put in order.
"""

from collections.abc import Sequence
from itertools import compress

_WITHIN = 1800.0
"""Seconds after the last range in which another one belongs to the same download."""
_REMEMBERED = 32768
"""At least so many, at most twice as many."""


class Ranges:
    """Remembers the downloads of late, bounded in number."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}  # key -> the time of the last range
        self._before: dict[int, float] = {}  # those that were last asked for longer ago

    def repeats(self, downloads: Sequence[int], times: Sequence[float], partial: Sequence[int]) -> list[int]:
        """The places of requests that are a further range of a download already counted.

        Of each request: the key of its download, 0 where it is none; its time; whether it is for a part of the file.
        """
        if not any(partial):
            self._seen.update(zip(compress(downloads, downloads), compress(times, downloads), strict=True))
            self._forget()
            return []
        found = []
        for place, (download, time) in enumerate(zip(downloads, times, strict=True)):
            if not download:
                continue
            last = self._seen.get(download, self._before.get(download))
            if partial[place] and last is not None and abs(time - last) < _WITHIN:
                found.append(place)
            self._seen[download] = time
            self._forget()
        return found

    def _forget(self) -> None:
        if len(self._seen) >= _REMEMBERED:
            self._seen, self._before = {}, self._seen
