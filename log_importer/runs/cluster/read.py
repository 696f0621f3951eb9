"""One task of the first stage: a span of a source -> blocks of requests, each of one lane, and the span's account."""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import uuid4

from log_importer.delivery.dates import quarters_of
from log_importer.model import ChunkResult, Context, Site
from log_importer.model.errors import SourceError
from log_importer.model.keys import finer
from log_importer.model.rows import Requests
from log_importer.native.heap import keep_memory
from log_importer.parsing.engine import check_engine
from log_importer.runs.cluster.account import SpanAccount
from log_importer.runs.cluster.portion import Portion
from log_importer.runs.cluster.spans import Span, chunks
from log_importer.runs.reading.chunks_in_order import check_patterns
from log_importer.translation.bot_rules import judges
from log_importer.translation.chunk import compile_translation
from log_importer.translation.plan import Plan

_BLOCK = 512
"""Requests of a block: the fewer, the less of other lanes' time it spans, and the more there is to do for each."""
_WAITING = 100_000
"""Requests that wait in all blocks of a span that are not full."""

Key = tuple[int, float, int, int]
"""Lane, time of the first request, source, and its offset: blocks sorted so are the same in every run."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What all tasks of the first stage are told."""

    plan: Plan
    portions: Sequence[Portion]
    lanes: int
    now: float  # seconds since 1970 UTC; the same for all, and when a run is begun again
    sites: Mapping[str, Site | None] | None  # of the hosts that were asked for; `None`: all hits belong to one
    name: str = field(default_factory=lambda: uuid4().hex)  # a process that knows it has compiled the plan already


class Block(NamedTuple):
    """Requests of one lane, out of one span, in time order."""

    span: int
    requests: Requests
    downloads: Mapping[int, tuple[int, int]]  # offset -> key of the download, and whether it is a part of the file


_compiled: list[tuple[str, Callable[[bytes, Context], ChunkResult]]] = []


def _translation(reading: Reading) -> Callable[[bytes, Context], ChunkResult]:
    """The compiled function; a process that reads one span after another compiles it once.

    Spark hands each task the plan anew, so it is known by the name of what it came with.
    """
    if not _compiled or _compiled[0][0] != reading.name:
        check_engine()  # an executor may have another Python than the driver
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
) -> Iterator[tuple[Key, Block]]:
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

    portion = reading.portions[span.source]
    for chunk in chunks(span, portion, reading.plan.max_line_bytes, lambda: reading.now, account.ending):
        result = translate(chunk.data, replace(chunk.context, sites=reading.sites))
        account.add(result, keep_rejected=reading.plan.keep_rejected)
        check_patterns(portion.source.name, account.rejected)
        if not result.lengths and not chunk.data.endswith(b"\n"):
            continue  # half a line, perhaps: once it has grown, it may be one
        account.ending.after = chunk.after
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
