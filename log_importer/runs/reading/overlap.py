"""How many sources overlap in time, and whether so many files may be open at once."""

import resource
import sys
import time
from collections.abc import Callable, Sequence

from log_importer.model.errors import SourceError, UsageError
from log_importer.parsing.ends import TAIL, Ends
from log_importer.parsing.text import text_of
from log_importer.parsing.w3c_driver import HEADER
from log_importer.runs.reading.probe import Probe
from log_importer.sources.stream import Stream

_RESERVE = 48
"""Files that are open beside sources: outputs, ledger, worker processes, connections, and the embedded receiver's."""
Span = tuple[float, float]


def open_at_once() -> int:
    """How many sources may be open at once."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else max(1, limit - _RESERVE)


def check_overlap(probes: Sequence[Probe], ends: Callable[[str], Ends]) -> None:
    """Raises `UsageError` where more sources overlap in time than may be open; `ends` reads those of a format."""
    most = open_at_once()
    timed = [one for one in probes if one.finished is None and not one.source.pipe]
    if len(timed) <= most:
        return
    # To read all of a compressed source costs time, so first it is taken to end when it was written.
    spans = [_span(one, ends, unpack=False) for one in timed]
    if overlapping(spans) > most:
        spans = [_span(one, ends, unpack=True) for one in timed]
    if (found := overlapping(spans)) > most:
        raise UsageError(
            f"{found:,} of the sources overlap in time and would have to be read side by side, but no more than "
            f"{most:,} of them may be open at once.",
            f"Allow more open files, such as with: ulimit -n {found + 2 * _RESERVE}",
        )


def overlapping(spans: Sequence[Span]) -> int:
    """How many of the spans of time overlap, at most; one that ends when another begins does not."""
    most = now = 0
    for _, change in sorted([(begin, 1) for begin, _ in spans] + [(max(begin, end), -1) for begin, end in spans]):
        now += change
        most = max(most, now)
    return most


def _span(one: Probe, ends: Callable[[str], Ends], *, unpack: bool) -> Span:
    if one.first_time is None:
        return 0.0, 0.0  # it is read when all others are done
    last = None
    try:
        with Stream(one.source) as stream:
            stream.head()
            if unpack or not stream.compressed:
                last = _last_time(stream, ends(one.format))
    except (SourceError, OSError):
        pass  # whoever reads it says why
    return one.first_time, (one.source.mtime_ns / 1e9 or time.time()) if last is None else last


def _last_time(stream: Stream, ends: Ends) -> float | None:
    tail = stream.head()
    header = _header(tail)
    size = stream.disk.size if stream.disk is not None else 0
    if stream.plain:
        stream.go_to(max(0, size - TAIL))
        tail = b""
    for block in stream.blocks():
        tail = (tail + block)[-TAIL:]
    return ends.time(tail, _header(tail) or header, time.time())


def _header(data: bytes) -> str:
    """The last `#Fields:` line in `data`."""
    found = [line for line in data.split(b"\n") if line.startswith(HEADER)]
    return text_of(found[-1]) if found else ""
