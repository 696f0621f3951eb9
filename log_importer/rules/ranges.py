"""One download is one download, in however many ranges a client fetches it.

Needs what came before, so it is asked once a chunk, in time order, where the visitors' requests are put in order.
"""

from collections.abc import Sequence
from itertools import compress

_WITHIN = 1800.0
"""Seconds after the last range in which another one belongs to the same download."""
_REMEMBERED = 32768
"""At least so many; at most twice as many, and those of a chunk."""


class Ranges:
    """Remembers the downloads of late, bounded in number."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}  # key -> the time of the last range
        self._before: dict[int, float] = {}  # those that were last asked for longer ago

    def repeats(self, downloads: Sequence[int], times: Sequence[float], partial: Sequence[int]) -> list[int]:
        """The places of requests that are a further range of a download already counted.

        Of each request: the key of its download, 0 where it is none; its time; whether it is for a part of the file.
        """
        found, begin = [], 0
        for place in compress(range(len(partial)), partial):
            self._note(downloads[begin:place], times[begin:place])
            begin = place
            if (last := self._last(downloads[place])) is not None and abs(times[place] - last) < _WITHIN:
                found.append(place)
        self._note(downloads[begin:], times[begin:])
        return found

    def _last(self, download: int) -> float | None:
        """The time of the last range of a download."""
        return self._seen.get(download, self._before.get(download)) if download else None

    def _note(self, downloads: Sequence[int], times: Sequence[float]) -> None:
        """These come next, of which those with the key 0 are no downloads."""
        self._seen.update(zip(compress(downloads, downloads), compress(times, downloads), strict=True))
        self._forget()

    def _forget(self) -> None:
        if len(self._seen) >= _REMEMBERED:
            self._seen, self._before = {}, self._seen
