"""The chunks of all sources that are not done yet; of sources that overlap in time, whichever is furthest behind."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from heapq import heapify, heappop, heappush

from log_importer.ledger.ledger import Ledger
from log_importer.model import BEGINNING, Boundary, Chunk
from log_importer.model.errors import LogImporterError, SourceError
from log_importer.parsing.ends import Ends
from log_importer.parsing.parser import Reading
from log_importer.parsing.regex_driver import TIMEOUTS
from log_importer.parsing.spec import FormatSpec
from log_importer.runs.output.progress import Progress
from log_importer.runs.reading.overlap import open_at_once
from log_importer.runs.reading.probe import Probe
from log_importer.runs.reading.recognise import is_copy_so_far, recognise, under_way
from log_importer.runs.tally import Tally
from log_importer.runs.workers.processors import processors, run_on
from log_importer.sources.chunks import CHUNK_BYTES, Chunker
from log_importer.sources.find import Source
from log_importer.sources.listed import UNTOLD
from log_importer.sources.stream import Stream

_ALL_CHUNKS = 8 << 20
"""Bytes of a chunk of each source that is open, together."""
_SMALLEST, _LARGEST = 16 << 10, 3 << 20
"""Bytes of a chunk."""
_LIVE = (
    "what was read and not yet sent is lost if this process is killed, and while the server is away whatever writes "
    "into it waits; --spool DIR writes it to files first."
)
_AHEAD = 60.0
"""Seconds that a hit's time may be ahead of our clock; later ones are skipped."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The sources of a run, looked at, and the formats they need."""

    probes: Sequence[Probe]
    formats: dict[str, FormatSpec]
    errors: Sequence[LogImporterError]
    fallbacks: Sequence[FormatSpec] = ()  # that a source may turn to in its middle
    reading: Reading = field(default_factory=Reading)  # how their lines are read
    codec: str = "utf-8"  # of their text
    probe: Callable[[Source], Probe] | None = None  # looks at one more source

    @property
    def files(self) -> Sequence[Source]:
        """The sources that can be looked at once more, of those that are to be read."""
        return [one.source for one in self.probes if not one.source.pipe and one.finished is None]

    @property
    def size(self) -> int | None:
        """Bytes as they lie on disk; `None` where they are not known of all."""
        sizes = [probe.source.size for probe in self.probes]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def ends(self, form: str) -> Ends:
        """Reads how far sources in a format go."""
        return Ends(self.formats.get(form), self.fallbacks, self.reading, self.codec)


class Wait(Enum):
    """What has to come about before more is read."""

    PARSED = "all that was read is parsed: the next source may be a copy of what is under way"
    QUIET = "all that was read is parsed, and sent when its time has come: nothing more comes for now"


def check_patterns(source: str, rejected: Mapping[str, int]) -> None:
    """Raises `SourceError` where a pattern of the user's took too long on too many of a source's lines."""
    if (slow := rejected.get("pattern-time", 0)) >= TIMEOUTS:
        raise SourceError(
            f"{source}: the pattern took too long on {slow} lines, so reading stopped.",
            "Make it simpler, with [^ ]* for .*?, or use --log-format.",
        )


@dataclass(slots=True, eq=False)
class _Place:
    """Where reading a source has come to, beside others."""

    order: int
    one: Probe
    frontier: float  # of its hits, seconds since 1970 UTC: what follows is later, but for the disorder
    index: int = -1  # among the run's sources, once it is begun
    items: Iterator[Chunk | Wait] | None = None  # once it is open
    record: int = 0  # the ledger's number of the source that it is
    at: Boundary = BEGINNING  # behind what was read
    told: tuple[int, int] = (0, 0)  # lines that were parsed when last looked at, and requests made of them
    share: float = 1.0  # of the last lines, those that became requests
    copies: list[tuple[int, "_Place"]] = field(default_factory=list)
    """Sources that are its copies so far, and the offset from which each is worth another look."""

    def __lt__(self, other: "_Place") -> bool:
        return (self.frontier, self.order) < (other.frontier, other.order)


def _up_to(frontier: float, heap: Sequence[_Place], most: int) -> int:
    """How many of `heap` have come no further than `frontier`; `most`, where it is more. Looks at those alone."""
    found, places = 0, [0]
    while places and found < most:
        at = places.pop()
        if at < len(heap) and heap[at].frontier <= frontier:
            found += 1
            places += (2 * at + 1, 2 * at + 2)  # what lies below is no less
    return found


class Reader:
    """Reads the sources of a run; those that fail are noted and left."""

    def __init__(
        self,
        inputs: Inputs,
        tally: Tally,
        errors: list[LogImporterError],
        progress: Progress,
        max_line_bytes: int,
        halt: Callable[[], bool],
        say: Callable[[str], None],
        ledger: Ledger | None = None,
        *,
        again: bool = False,
        disorder: float | None = None,
        shift: float = 0.0,
    ) -> None:
        """Without a ledger nothing is known of earlier runs; `again`: what it knows is forgotten.

        `disorder`: seconds by which a source's lines may be out of order; `None`: one source after another.
        `shift`: seconds that are added to all times.
        """
        self._ledger = ledger
        self._again = again
        self.room: Callable[[], bool] = lambda: True
        """Whether more may be read; who handed over what was read waits for that."""
        self._inputs = inputs
        self._files = inputs.files
        self._tally = tally
        self._errors = errors
        self._progress = progress
        self._max_line_bytes = max_line_bytes
        self._halt = halt
        self._say = say
        self._disorder = disorder
        self._shift = shift
        self._ends: dict[str, Ends] = {}
        self._chunk_bytes = CHUNK_BYTES

    def chunks(self) -> Iterator[Chunk | Wait]:
        """The chunks, and what to wait for between them."""
        unopened = [_Place(order, one, self._begins(one)) for order, one in enumerate(self._inputs.probes)]
        opened: list[_Place] = []
        heapify(unopened)
        most = open_at_once()
        while (unopened or opened) and not self._halt():
            fits = unopened and len(opened) < most
            if fits and (not opened or unopened[0].frontier < opened[0].frontier):
                place = heappop(unopened)
                if self._waits_for_its_copy(place, opened):
                    continue
                place.items = self._source(place)
            else:
                place = heappop(opened)
            self._chunk_bytes = self._share(place, opened, unopened)
            item = self._next(place)
            while isinstance(item, Wait):
                yield item
                item = self._next(place)
            for copy in self._to_look_at(place, over=item is None):
                heappush(unopened, copy)
            if item is not None:
                self._advance(place, item)
                heappush(opened, place)
                yield replace(item, floor=self._floor(place, min(opened[:1] + unopened[:1])))

    def _share(self, place: _Place, opened: Sequence[_Place], unopened: Sequence[_Place]) -> int:
        """Bytes of a chunk of `place`, so that there is room for one of each source that is open, or is so at once."""
        size = self._size(place)
        if self._disorder is None or place.frontier == math.inf:
            return size
        soon = _up_to(place.frontier + self._disorder, unopened, _ALL_CHUNKS // _SMALLEST)
        return max(_SMALLEST, min(size, _ALL_CHUNKS // (len(opened) + soon + 1)))

    def _size(self, place: _Place) -> int:
        """Bytes of a chunk of `place`: requests take the memory, so where few lines become some it may be larger."""
        counts = self._tally.sources[place.index] if place.index >= 0 else None
        if counts is not None and counts.lines > place.told[0]:
            lines, requests = place.told
            place.told = counts.lines, counts.requests
            place.share = (counts.requests - requests) / (counts.lines - lines)
        return int(CHUNK_BYTES / max(place.share, CHUNK_BYTES / _LARGEST))

    def _begins(self, one: Probe) -> float:
        if self._disorder is None:
            return 0.0
        return math.inf if one.first_time is None or one.source.pipe else one.first_time

    def _advance(self, place: _Place, chunk: Chunk) -> None:
        place.at = chunk.after
        if self._disorder is None or place.one.source.pipe:
            return
        name = chunk.context.format
        if name not in self._ends:
            self._ends[name] = self._inputs.ends(name)
        latest = chunk.context.now + _AHEAD - self._shift
        place.frontier = max(place.frontier, self._ends[name].time(chunk.data, chunk.after.header, latest) or 0.0)

    def _floor(self, place: _Place, lowest: _Place) -> float | None:
        """The time before which no hit is to come, once a chunk of `place` is there."""
        if self._disorder is None or place.one.source.pipe:
            return None
        return lowest.frontier + self._shift - self._disorder

    def _next(self, place: _Place) -> Chunk | Wait | None:
        assert place.items is not None
        try:
            return next(place.items, None)
        except SourceError as error:
            self._errors.append(error)
            return None

    def _waits_for_its_copy(self, place: _Place, opened: Sequence[_Place]) -> bool:
        """Whether a source has, so far, all that was read of one that is open: that has to be read on first."""
        ledger = self._ledger
        if ledger is None or not opened or place.one.source.pipe:
            return False
        try:
            with Stream(place.one.source) as stream:
                known = under_way(stream, ledger)
                others = [other for other in opened if other.record in known]
                for other in sorted(others, key=lambda other: other.at.offset):
                    if is_copy_so_far(stream, other.at):
                        # Twice as far on, so that a compressed one is not decompressed again and again.
                        other.copies.append((2 * other.at.offset, place))
                        return True
        except SourceError:
            pass  # whoever opens it next says why
        return False

    def _to_look_at(self, place: _Place, *, over: bool) -> Iterator[_Place]:
        """The copies of `place` that may be something else by now, or are its rest."""
        waiting, place.copies = place.copies, []
        for offset, copy in waiting:
            if over or place.at.offset >= offset:
                copy.frontier = max(copy.frontier, place.frontier)
                yield copy
            else:
                place.copies.append((offset, copy))

    def _source(self, place: _Place) -> Iterator[Chunk | Wait]:
        one = place.one
        index = place.index = self._tally.add_source(one.source.name, one.format)
        if one.finished is not None:
            self._tally.sources[index].known_lines = one.finished.end.line - 1
            self._progress.read(index, one.source.size or 0)
            return
        with one.stream or Stream(one.source) as stream:
            yield from self._stream(place, stream)

    def _stream(self, place: _Place, stream: Stream) -> Iterator[Chunk | Wait]:
        one, index, ledger = place.one, place.index, self._ledger
        counts = self._tally.sources[index]
        chunker = one.chunker or Chunker(stream, self._max_line_bytes)
        chunker.resize(self._chunk_bytes)
        found = None
        if ledger is not None and one.source.pipe:
            ledger.read_as(index, ledger.sources.add(one.source.name, one.format, stream=True))
        elif ledger is not None:
            if under_way(stream, ledger):
                yield Wait.PARSED
            found = recognise(stream, ledger, one.format, self._files, again=self._again)
            if found is not None:
                counts.known_lines = found.known_lines
                if found.over:
                    counts.incomplete = stream.damage
                    return
                ledger.read_as(index, found.record)
                place.record, place.at = found.record.id, found.until
                found.begin(stream, chunker)
        if stream.slow:
            run_on(processors())  # the threads that send need not wait for that
        end = 0  # of what is to be parsed
        silent = False
        for chunk in chunker.chunks(index, one.format, one.headers, time.time):
            self._progress.read(index, stream.raw_position)
            if chunk is None and silent and ledger is not None:
                self._say(f"{one.source.name.capitalize()}: {_LIVE}")  # whoever pauses goes on for ever, as tail -F
            silent = chunk is None
            if chunk is None:
                yield Wait.QUIET
            elif found is None:
                yield chunk
            elif (unknown := found.unknown(chunk)) is not None:
                end = chunk.after.offset
                yield unknown
            if self._halt():
                return
            check_patterns(counts.source, counts.rejected)
            chunker.resize(self._chunk_bytes)
        counts.incomplete = stream.damage
        if stream.remark:
            self._say(stream.remark)
        if ledger is not None and found is not None:
            disk = stream.disk
            whole = disk is not None and disk.size in (stream.raw_position, UNTOLD)
            ledger.finish(index, disk if whole else None, stream.damage, end)
