"""One task of the first stage: a span of a source -> blocks of requests, each of one lane, and the span's account."""

import gc
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import uuid4

from log_importer.batching import Requests
from log_importer.bot_rules import judges
from log_importer.delivery.dates import quarters_of
from log_importer.errors import SourceError
from log_importer.keys import finer
from log_importer.model import BEGINNING, Boundary, Chunk, ChunkResult, Context, Disk, RejectedLine, Site
from log_importer.native.heap import keep_memory
from log_importer.parsing.regex_driver import TIMEOUTS
from log_importer.plan import Plan
from log_importer.sources.chunks import Chunker
from log_importer.sources.fingerprint import fingerprint
from log_importer.sources.stream import Stream
from log_importer.spark.portion import Portion, Span
from log_importer.translate import compile_translation

_BLOCK = 512
"""Requests of a block: the fewer, the less of other lanes' time it spans, and the more there is to do for each."""
_WAITING = 100_000
"""Requests that wait in all blocks of a span that are not full."""
_LOOK = 1 << 16
"""Bytes read at once where only the end of a line is looked for."""

Key = tuple[int, float, int, int]
"""Lane, time of the first request, source, and its offset: blocks sorted so are the same in every run."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What all tasks of the first stage are told."""

    plan: Plan
    portions: Sequence[Portion]
    lanes: int
    now: float  # seconds since 1970 UTC; the same for all, and when a run is begun again
    sites: Mapping[str, Site | None] | None
    max_line_bytes: int
    name: str = field(default_factory=lambda: uuid4().hex)  # a process that knows it has compiled the plan already


class Block(NamedTuple):
    """Requests of one lane, out of one span, in time order."""

    span: int
    requests: Requests
    downloads: Mapping[int, tuple[int, int]]  # offset -> key of the download, and whether it is a part of the file


@dataclass(slots=True)
class SpanAccount:
    """What became of a span's lines, but for those that are requests."""

    span: Span
    lines: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    rejected_lines: list[RejectedLine] = field(default_factory=list)
    cut_urls: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    ais: Counter[str] = field(default_factory=Counter)
    details: Counter[tuple[str, str]] = field(default_factory=Counter)
    without_site: Counter[str] = field(default_factory=Counter)
    unknown_hosts: set[str] = field(default_factory=set)
    quarters: set[tuple[int, int]] = field(default_factory=set)  # of its requests
    newlines: int = 0  # so the next span's lines have their numbers
    after: Boundary = BEGINNING  # behind its last line, counted from the span's first line as 1
    damage: str = ""
    remark: str = ""
    disk: Disk | None = None  # where it was read to the end
    whole: bool = False  # whether that is all of the file
    error: SourceError | None = None

    def add(self, result: ChunkResult, *, keep_rejected: bool) -> None:
        """A chunk of it was translated."""
        self.lines += result.lines
        self.cut_urls += result.cut_urls
        for name in ("skipped", "rejected", "left_out", "ais", "details", "without_site"):
            getattr(self, name).update(getattr(result, name))
        self.unknown_hosts.update(result.unknown_hosts)
        if keep_rejected or len(self.rejected_lines) < 5:
            self.rejected_lines += result.rejected_lines


_compiled: list[tuple[str, Callable[[bytes, Context], ChunkResult]]] = []


def _translation(reading: Reading) -> Callable[[bytes, Context], ChunkResult]:
    """The compiled function; a process that reads one span after another compiles it once.

    Spark hands each task the plan anew, so it is known by the name of what it came with.
    """
    if not _compiled or _compiled[0][0] != reading.name:
        _compiled[:] = [(reading.name, compile_translation(reading.plan, judges()))]
        keep_memory()
        gc.set_threshold(20_000)  # what a chunk is made into has no cycles, and is large
    return _compiled[0][1]


def read(spans: Iterable[Span], reading: Reading) -> Iterator[tuple[Key, Block | SpanAccount]]:
    """The blocks of `spans`, keyed by lane and time, and behind each span's its account, in the lane after the last."""
    translate = _translation(reading)
    for span in spans:
        account = SpanAccount(span)
        try:
            yield from _blocks(span, account, reading, translate)
        except SourceError as error:
            account.error = error
        yield (reading.lanes, 0.0, span.source, span.number), account


def _blocks(
    span: Span, account: SpanAccount, reading: Reading, translate: Callable[[bytes, Context], ChunkResult]
) -> Iterator[tuple[Key, Block]]:  # fmt: skip
    waiting: dict[int, list[Requests]] = {}
    counts: Counter[int] = Counter()
    downloads: dict[int, tuple[int, int]] = {}

    def block(lane: int) -> tuple[Key, Block]:
        requests = Requests.in_time_order(waiting.pop(lane))
        del counts[lane]
        offsets = requests.column("offset")
        key = (lane, requests.times[0], span.source, offsets[0])
        mine = {offset: downloads.pop(offset) for offset in offsets if offset in downloads}
        return key, Block(span.number, requests, mine)

    for chunk in chunks(span, account, reading):
        result = translate(chunk.data, replace(chunk.context, sites=reading.sites))
        account.add(result, keep_rejected=reading.plan.keep_rejected)
        if account.rejected["pattern-time"] >= TIMEOUTS:
            raise SourceError(
                f"{reading.portions[span.source].source.name}: the pattern took too long on too many lines.",
                "Make it simpler, with [^ ]* for .*?, or use --log-format.",
            )
        if not result.lengths and not chunk.data.endswith(b"\n"):
            continue  # half a line, perhaps: once it has grown, it may be one
        account.after = chunk.after
        requests = Requests.of_chunk(result, span.source, {})
        account.quarters |= quarters_of(requests)
        for place, download in enumerate(result.downloads):
            if download:
                downloads[result.offsets[place]] = (download, result.ranges[place])
        finely = finer(requests.column("lane"), requests.column("visitor"), reading.lanes)
        for lane, _, some in requests.changed("lane", finely).by_lane(reading.lanes):
            waiting.setdefault(lane, []).append(some)
            counts[lane] += len(some)
            if counts[lane] >= _BLOCK:
                yield block(lane)
        if counts.total() > _WAITING:
            for lane in list(waiting):
                yield block(lane)
    for lane in list(waiting):
        yield block(lane)


class _Bounded:
    """A stream up to a place."""

    def __init__(self, stream: Stream, end: int | None) -> None:
        self._stream = stream
        self._end = end

    @property
    def before(self) -> bytes:
        return self._stream.before

    @property
    def damage(self) -> str:
        return self._stream.damage

    def blocks(self) -> Iterator[bytes]:
        left = None if self._end is None else self._end - self._stream.position
        for block in self._stream.blocks() if left != 0 else ():
            if left is not None and len(block) >= left:
                yield block[:left]
                return
            left = None if left is None else left - len(block)
            yield block


def chunks(span: Span, account: SpanAccount, reading: Reading) -> Iterator[Chunk]:
    """The chunks of a span; what they leave is told to `account`. Raises `SourceError`."""
    portion = reading.portions[span.source]
    start, end = span.start, span.end
    if end is not None and portion.end is not None:
        start = start if span.first else _line_from(portion, start)
        end = end if end == portion.end else _line_from(portion, end)
        account.after = Boundary(start)
        if start >= end:
            return
    with _opened(portion) as stream:
        stream.go_to(start)
        chunker = Chunker(_Bounded(stream, end), reading.max_line_bytes)  # type: ignore[arg-type]
        begin = Boundary(start, 1, span.header, portion.start.tail if span.first else b"")
        account.after = begin
        chunker.go_on(begin, begin, in_line=span.first and portion.in_line)
        for chunk in chunker.chunks(span.source, portion.format, portion.headers, lambda: reading.now):
            if chunk is not None:
                account.newlines += chunk.after.line - chunk.context.first_line
                yield chunk
        if end is None or end == portion.end:
            account.damage, account.remark = stream.damage, stream.remark
            account.disk = stream.disk
            account.whole = account.disk is not None and account.disk.size == stream.raw_position


@contextmanager
def _opened(portion: Portion) -> Iterator[Stream]:
    """The portion's source. Raises `SourceError` where something else lies there by now, as after a rotation."""
    with Stream(portion.source) as stream:
        head, disk = stream.head(), stream.disk
        other = fingerprint(head[: portion.head_length]) != portion.head
        if portion.source.tag and disk is not None:  # of an object any change is another object
            other = other or disk[2:] != portion.disk[2:]
        if other:
            raise SourceError(
                f"{portion.source.name}: was replaced while the cluster read it, so nothing of it was sent.",
                "Run the same command again.",
            )
        yield stream


def _line_from(portion: Portion, offset: int) -> int:
    """Where the first line begins at or behind `offset` of a plain file, or the portion ends."""
    assert portion.end is not None
    with _opened(portion) as stream:
        stream.block = _LOOK
        place = offset - 1
        stream.go_to(place)
        for block in stream.blocks():
            found = block.find(b"\n") + 1
            if found:
                return min(place + found, portion.end)
            place += len(block)
    return portion.end


def headers(spans: Iterable[Span], reading: Reading) -> Iterator[tuple[int, str]]:
    """The number of each span, and the last `#Fields:` line in it, "" where there is none."""
    for span in spans:
        account, last = SpanAccount(span), ""
        for chunk in chunks(span, account, reading):
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


def as_result(account: SpanAccount) -> ChunkResult:
    """The account as the tally takes it: a result that holds no requests."""
    empty: dict[str, Any] = {
        name: array(code)
        for name, code in {
            "lengths": "I", "numbers": "Q", "offsets": "Q", "times": "d", "visitors": "Q", "agents": "I", "lanes": "H",
            "sites": "I", "downloads": "Q", "ranges": "B",
        }.items()
    }  # fmt: skip
    return ChunkResult(
        lines=account.lines, blob=b"", skipped=account.skipped, rejected=account.rejected,
        rejected_lines=account.rejected_lines, skipped_lines=(), cut_urls=account.cut_urls, left_out=account.left_out,
        ais=account.ais, details=account.details, without_site=account.without_site, unknown_hosts=(), **empty,
    )  # fmt: skip
