"""Looks at the beginning of each source: which format it is in, and when it begins."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from log_importer.ledger.record import Record
from log_importer.model.errors import SourceError
from log_importer.model.visible import visible
from log_importer.parsing.detect import Detection, Detector
from log_importer.parsing.spec import FormatSpec
from log_importer.parsing.text import text_of
from log_importer.sources.chunks import Chunker
from log_importer.sources.find import Source
from log_importer.sources.stream import Stream

_NEAR = 8
"""Characters of a line that a format has to read to be told as the nearest: an address is as many."""


@dataclass(slots=True)
class Probe:
    """A source and what its first lines told."""

    source: Source
    format: str  # "" where none fits
    headers: bool  # whether `#Fields:` lines have a meaning
    first_time: float | None
    remark: str  # a sentence for people, where there is one
    stream: Stream | None = None  # a pipe stays open: what was looked at cannot be read again
    chunker: Chunker | None = None
    finished: Record | None = None  # it is as it was when all of it was done
    damage: str = ""  # why no line of it can be read, half a sentence


def probe(
    source: Source,
    detector: Detector,
    chosen: FormatSpec | None,
    max_line_bytes: int,
    encoding: str = "utf-8",
    scrub: Callable[[str], str] = str,
) -> Probe:
    """Opens `source` and detects its format, unless one is `chosen`; `scrub` makes lines fit to be shown.

    Raises `SourceError`.
    """
    stream = Stream(source)
    keep = source.pipe
    try:
        chunker = Chunker(stream, max_line_bytes)
        lines = [text_of(raw, encoding) for raw in chunker.head()]
        spec, first_time, remark = _judge(source.name, lines, detector, chosen, scrub)
        damage = "" if lines else stream.damage
    except SourceError:
        stream.close()
        raise
    if not keep:
        stream.close()
    headers = spec is not None and spec.driver == "w3c"
    name = spec.name if spec else ""
    found = Probe(source, name, headers, first_time, remark, damage=damage)
    return replace(found, stream=stream, chunker=chunker) if keep else found


def _judge(
    name: str, lines: list[str], detector: Detector, chosen: FormatSpec | None, scrub: Callable[[str], str]
) -> tuple[FormatSpec | None, float | None, str]:
    if chosen is not None:
        return chosen, detector.try_format(lines, chosen).first_time, ""
    found = detector.detect(lines)
    if found.best is None:
        return None, None, describe_failure(name, lines, found, scrub) if any(line.strip() for line in lines) else ""
    remark = ""
    if found.tied:
        names = ", ".join(found.tied)
        remark = f"{name}: the formats {names} fit equally well; taking {found.best.spec.name} (--log-format-name)."
    return found.best.spec, found.best.first_time, remark


def describe_failure(name: str, lines: list[str], found: Detection, scrub: Callable[[str], str] = str) -> str:
    """The sentence for a source in no format we know."""
    nearest = found.nearest
    if nearest is None or nearest.first_unread is None:
        return f"{name}: no format reads its lines."
    line = lines[nearest.first_unread]
    cure = "Name a format with --log-format-name, or give the server's own definition with --log-format."
    if found.stopped_at < _NEAR:
        return f"{name}: no format comes near its lines, such as '{visible(scrub(line), 60)}'. {cure}"
    number, stop = nearest.first_unread + 1, found.stopped_at
    if stop < len(line):
        rest = visible(scrub(line[stop:]), 40)
        where = f"line {number} stops making sense at character {stop + 1}, where it says '{rest}'"
    else:
        where = f"line {number} ends too soon, '{visible(scrub(line), 40)}'"
    return (
        f"{name}: no format reads any of its first {len(lines)} lines. The nearest is {nearest.spec.name}: "
        f"{where}. {cure}"
    )
