"""A portion cut into spans, and the whole lines of a span: all spans together have each line once.

A plain file is cut anywhere, and a line belongs to the span that its first byte is in; each task finds out by itself
where the lines begin. What is compressed is one span.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from log_importer.model import BEGINNING, Boundary, Chunk, Disk
from log_importer.model.errors import SourceError
from log_importer.runs.cluster.portion import Portion
from log_importer.sources.chunks import Chunker
from log_importer.sources.fingerprint import fingerprint
from log_importer.sources.stream import Stream

_LOOK = 1 << 16
"""Bytes read at once where only the end of a line is looked for."""


class Span(NamedTuple):
    """A part of a portion that one task reads: the lines that begin from `start` to before `end`."""

    number: int  # among all spans of the run
    source: int  # index of the portion
    start: int
    end: int | None  # `None`: to the end, whatever that is
    first: bool  # of its portion
    header: str = ""  # the `#Fields:` line in force at its start


def cut(portions: Sequence[Portion], size: int) -> list[Span]:
    """The spans of all portions, each of about `size` bytes where it can be cut."""
    spans: list[Span] = []
    for index, one in enumerate(portions):
        begin = one.start.offset
        if one.end is None:
            spans.append(Span(len(spans), index, begin, None, True, one.start.header))
            continue
        for start in range(begin, one.end, size) or [begin]:
            first = start == begin
            spans.append(
                Span(len(spans), index, start, min(start + size, one.end), first, one.start.header if first else "")
            )
    return spans


@dataclass(slots=True)
class Ending:
    """How far a span was read."""

    newlines: int = 0  # so the next span's lines have their numbers
    after: Boundary = BEGINNING  # behind its last line, counted from the span's first line as 1
    damage: str = ""  # of its source, where the span is the last
    remark: str = ""
    disk: Disk | None = None  # where it was read to the end of the source
    whole: bool = False  # whether that is all of the file


def chunks(
    span: Span, portion: Portion, max_line_bytes: int, now: Callable[[], float], ending: Ending
) -> Iterator[Chunk]:
    """The chunks of a span; `now` gives seconds since 1970 UTC, and `ending` is filled in. Raises `SourceError`."""
    with _opened(portion) as stream:
        start, end = span.start, span.end
        if portion.end is not None and end is not None:
            start = start if span.first else _line_from(stream, start, portion.end)
            end = end if end == portion.end else _line_from(stream, end, portion.end)
        begin = ending.after = Boundary(start, 1, span.header, portion.start.tail if span.first else b"")
        if end is not None and start >= end:
            return
        stream.go_to(start)
        chunker = Chunker(stream, max_line_bytes, end=end)
        chunker.go_on(begin, begin, in_line=span.first and portion.in_line)
        for chunk in chunker.chunks(span.source, portion.format, portion.headers, now):
            if chunk is not None:
                ending.newlines += chunk.after.line - chunk.context.first_line
                yield chunk
        if end == portion.end:
            ending.damage, ending.remark, ending.disk = stream.damage, stream.remark, stream.disk
            ending.whole = ending.disk is not None and ending.disk.size == stream.raw_position


@contextmanager
def _opened(portion: Portion) -> Iterator[Stream]:
    """The portion's source. Raises `SourceError` where something else lies there by now, as after a rotation."""
    with Stream(portion.source) as stream:
        head, disk = stream.head(), stream.disk
        other = fingerprint(head[: portion.head_length]) != portion.head
        if portion.end is not None:
            other = other or not stream.plain
        if portion.source.tag and disk is not None:  # of an object any change is another object
            other = other or disk[2:] != portion.disk[2:]
        if other:
            raise SourceError(
                f"{portion.source.name}: was replaced while the cluster read it, so nothing of it was sent.",
                "Run the same command again.",
            )
        yield stream


def _line_from(stream: Stream, offset: int, end: int) -> int:
    """Where the first line begins at or behind `offset` of a plain file, or `end`."""
    usual, stream.block = stream.block, _LOOK
    place = offset - 1
    stream.go_to(place)
    for block in stream.blocks():
        if found := block.find(b"\n") + 1:
            end = min(place + found, end)
            break
        place += len(block)
    stream.block = usual
    return end


def headers(spans: Iterable[Span], known: tuple[Sequence[Portion], int]) -> Iterator[tuple[int, str]]:
    """The number of each span, and the last `#Fields:` line in it, "" where there is none.

    `known` are the portions, and the bytes that a line may have.
    """
    portions, max_line_bytes = known
    for span in spans:
        last = ""
        for chunk in chunks(span, portions[span.source], max_line_bytes, float, Ending()):
            last = chunk.after.header or last
        yield span.number, last


def told(spans: Sequence[Span], found: Mapping[int, str]) -> list[Span]:
    """The spans, each with the `#Fields:` line that is in force at its start."""
    known, header = list[Span](), ""
    for span in spans:
        header = span.header if span.first else header
        known.append(span._replace(header=header))
        header = found.get(span.number, "") or header
    return known
