"""One download is one download, in however many ranges a client fetches it.

Needs what came before, so it is asked once a request, in time order, where the visitor's requests are put in order.
"""

from collections import OrderedDict

_WITHIN = 1800.0
"""Seconds after the last range in which another one belongs to the same download."""
_REMEMBERED = 65536


class Ranges:
    """Remembers the downloads of late, bounded in number."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, float] = OrderedDict()

    def repeats(self, download: int, time: float, partial: bool) -> bool:
        """Whether this is a further range of a download already counted; `download` keys visitor and file."""
        last = self._seen.pop(download, None)
        if len(self._seen) >= _REMEMBERED:
            self._seen.popitem(last=False)
        self._seen[download] = time
        return partial and last is not None and abs(time - last) < _WITHIN
