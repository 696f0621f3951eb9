"""The chunks of all sources that are not done yet, one source after the other."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from log_importer.errors import LogImporterError, SourceError
from log_importer.ledger.ledger import Ledger
from log_importer.model import Chunk
from log_importer.parsing.regex_driver import TIMEOUTS
from log_importer.parsing.spec import FormatSpec
from log_importer.probe import Probe
from log_importer.progress import Progress
from log_importer.recognise import recognise, under_way
from log_importer.sources.chunks import Chunker
from log_importer.sources.find import Source
from log_importer.sources.stream import Stream
from log_importer.tally import SourceCounts, Tally


@dataclass(frozen=True, slots=True)
class Inputs:
    """The sources of a run, looked at, and the formats they need."""

    probes: Sequence[Probe]
    formats: dict[str, FormatSpec]
    errors: Sequence[LogImporterError]
    fallbacks: Sequence[FormatSpec] = ()  # that a source may turn to in its middle
    probe: Callable[[Source], Probe] | None = None  # looks at one more source

    @property
    def files(self) -> Sequence[Source]:
        """The sources that can be looked at once more, of those that are to be read."""
        return [one.source for one in self.probes if one.source.size is not None and one.finished is None]

    @property
    def size(self) -> int | None:
        """Bytes as they lie on disk; `None` where a pipe is among them."""
        sizes = [probe.source.size for probe in self.probes]
        return None if None in sizes else sum(size for size in sizes if size is not None)


class Wait(Enum):
    """What has to come about before more is read."""

    PARSED = "all that was read is parsed: the next source may be a copy of what is under way"
    QUIET = "all that was read is parsed, and sent when its time has come: nothing more comes for now"


def check_patterns(counts: SourceCounts) -> None:
    """Raises `SourceError` where a pattern of the user's took too long on too many lines."""
    if (slow := counts.rejected["pattern-time"]) >= TIMEOUTS:
        raise SourceError(
            f"{counts.source}: the pattern took too long on {slow} lines, so reading stopped.",
            "Make it simpler, with [^ ]* for .*?, or use --log-format.",
        )


class Reader:
    """Reads the sources of a run; those that fail are noted and left."""

    def __init__(
        self, inputs: Inputs, tally: Tally, errors: list[LogImporterError], progress: Progress, max_line_bytes: int,
        halt: Callable[[], bool], say: Callable[[str], None], ledger: Ledger | None = None, *, again: bool = False,
    ) -> None:  # fmt: skip
        """Without a ledger nothing is known of earlier runs; `again`: what it knows is forgotten."""
        self._ledger = ledger
        self._again = again
        self.room: Callable[[], bool] = lambda: True
        """Whether more may be read; who handed over what was read waits for that."""
        self._inputs = inputs
        self._tally = tally
        self._errors = errors
        self._progress = progress
        self._max_line_bytes = max_line_bytes
        self._halt = halt
        self._say = say

    def chunks(self) -> Iterator[Chunk | Wait]:
        """The chunks, and what to wait for between them."""
        for one in self._inputs.probes:
            if self._halt():
                return
            index = self._tally.add_source(one.source.name, one.format)
            if one.finished is not None:
                self._tally.sources[index].known_lines = one.finished.end.line - 1
                self._progress.read(index, one.source.size or 0)
                continue
            try:
                with one.stream or Stream(one.source) as stream:
                    yield from self._source(index, one, stream)
            except SourceError as error:
                self._errors.append(error)

    def _source(self, index: int, one: Probe, stream: Stream) -> Iterator[Chunk | Wait]:
        ledger = self._ledger
        counts = self._tally.sources[index]
        chunker = one.chunker or Chunker(stream, self._max_line_bytes)
        found = None
        if ledger is not None and one.source.size is None:
            ledger.read_as(index, ledger.add(one.source.name, one.format, stream=True))
        elif ledger is not None:
            if under_way(stream, ledger):
                yield Wait.PARSED
            found = recognise(stream, ledger, one.format, self._inputs.files, again=self._again)
            if found is not None:
                counts.known_lines = found.known_lines
                if found.over:
                    counts.incomplete = stream.damage
                    return
                ledger.read_as(index, found.record)
                found.begin(stream, chunker)
        for chunk in chunker.chunks(index, one.format, one.headers, time.time):
            self._progress.read(index, stream.raw_position)
            if chunk is None:
                yield Wait.QUIET
            elif found is None:
                yield chunk
            elif (unknown := found.unknown(chunk)) is not None:
                yield unknown
            if self._halt():
                return
            check_patterns(counts)
        counts.incomplete = stream.damage
        if stream.remark:
            self._say(stream.remark)
        if ledger is not None and found is not None:
            disk = stream.disk
            whole = disk is not None and disk.size == stream.raw_position
            ledger.finish(index, disk if whole else None, stream.damage)
