"""One download is one download, in however many ranges a client fetches it.

Needs what came before, so it is asked once a chunk, in time order, where the visitors' requests are put in order.
"""

import weakref
from array import array
from collections.abc import Sequence
from itertools import compress

from log_importer.native import Native, address, zeros

_WITHIN = 1800.0
"""Seconds after the last range in which another one belongs to the same download."""
_REMEMBERED = 32768
"""At least so many; at most twice as many, and those of a chunk."""


class Ranges:
    """Remembers the downloads of late, bounded in number."""

    def __init__(self, native: Native | None) -> None:
        """By compiled loops, where there are any."""
        self._of = _InPython() if native is None else _Natively(native)

    def repeats(self, downloads: "array[int]", times: "array[float]", partial: "array[int]") -> Sequence[int]:
        """The places of requests that are a further range of a download already counted.

        Of each request: the key of its download, 0 where it is none; its time; whether it is for a part of the file.
        """
        return self._of.repeats(downloads, times, partial)


class _Natively:
    """The same as in Python, in native/ranges.c."""

    def __init__(self, native: Native) -> None:
        self._native = native
        self._at: int = native.ranges_new(_REMEMBERED)
        if not self._at:
            raise MemoryError
        weakref.finalize(self, native.ranges_free, self._at)

    def repeats(self, downloads: "array[int]", times: "array[float]", partial: "array[int]") -> Sequence[int]:
        count, found = len(partial), zeros("i", len(partial))
        repeats = self._native.ranges_repeats(
            self._at, count, address(downloads), address(times), address(partial), _WITHIN, address(found)
        )
        if repeats < 0:
            raise MemoryError
        return found[:repeats]


class _InPython:
    """The two generations that native/ranges.c has."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}  # key -> the time of the last range
        self._before: dict[int, float] = {}  # those that were last asked for longer ago

    def repeats(self, downloads: "array[int]", times: "array[float]", partial: "array[int]") -> Sequence[int]:
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
