"""How far in time a run of lines goes: the time of the hits at its end."""

from collections.abc import Iterable, Iterator, Sequence

from log_importer.model import Hit
from log_importer.parsing.detect import detect
from log_importer.parsing.lines import LineReader
from log_importer.parsing.parser import Reading
from log_importer.parsing.spec import FormatSpec
from log_importer.parsing.text import text_of

TAIL = 1 << 16
"""Bytes that are looked at, at most."""
_HITS = 5
_LINES = 50


class Ends:
    """Reads the ends of sources that are in one format."""

    def __init__(self, spec: FormatSpec | None, fallbacks: Sequence[FormatSpec], reading: Reading, codec: str) -> None:
        """`spec` is `None` where no format fits; `fallbacks` are formats that a source may turn to in its middle."""
        self._fallbacks = fallbacks
        self._reading = reading
        self._codec = codec
        self._reader = LineReader(spec, reading) if spec else None
        self._second: LineReader | None = None

    def time(self, data: bytes, header: str, latest: float) -> float | None:
        """The time at the end of `data`, whole lines under the `#Fields:` line `header`, in seconds since 1970 UTC.

        It is the middle one of the last few hits, since one line may have been begun long before it was written, or by
        an odd clock; those after `latest` are none at all. `None` where no hit is near the end.
        """
        if self._reader is not None:
            self._reader.use(header)
        times = _times(self._reader, self._texts(data), latest) or _times(self._second, self._texts(data), latest)
        if not times and self._fallbacks and (texts := list(self._texts(data))):
            found = detect(texts[::-1], self._fallbacks, self._reading).best
            self._second = LineReader(found.spec, self._reading) if found else None
            times = _times(self._second, texts, latest)
        return sorted(times)[(len(times) - 1) // 2] if times else None

    def _texts(self, data: bytes) -> Iterator[str]:
        """The last lines, the last one first."""
        end = len(data) - data.endswith(b"\n")
        last = max(0, len(data) - TAIL)
        for _ in range(_LINES):
            begin = data.rfind(b"\n", last, end) + 1
            if not begin and last:
                break  # it begins before those that are looked at
            raw, end = data[begin:end], begin - 1
            text = text_of(raw, self._codec)
            if text and not text.startswith("#"):
                yield text
            if end < last:
                break


def _times(reader: LineReader | None, texts: Iterable[str], latest: float) -> list[float]:
    times: list[float] = []
    for text in texts if reader is not None else ():
        outcome = reader.read(text) if reader is not None else None
        if type(outcome) is Hit and outcome.time <= latest:
            times.append(outcome.time)
            if len(times) == _HITS:
                break
    return times
