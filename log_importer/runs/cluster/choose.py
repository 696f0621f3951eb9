"""What is new of each source: from where earlier runs ended to where it ends now, and copies of each other once."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from log_importer.ledger.ledger import Ledger
from log_importer.model import BEGINNING
from log_importer.model.errors import LogImporterError, SourceError
from log_importer.runs.cluster.portion import Portion, wherever
from log_importer.runs.reading.chunks_in_order import Inputs
from log_importer.runs.reading.probe import Probe
from log_importer.runs.reading.recognise import identify
from log_importer.runs.tally import Tally
from log_importer.sources.find import lies_at
from log_importer.sources.fingerprint import fingerprint
from log_importer.sources.stream import Stream

T = TypeVar("T")


def choose(
    inputs: Inputs, ledger: Ledger, known: Tally, errors: list[LogImporterError], *, again: bool
) -> list[Portion]:
    """The portions of a run; sources that are known to their end go into `known`, with their lines."""
    portions = []
    for one in inputs.probes:
        if one.finished is not None:
            _know(known, one, one.finished.end.line - 1)
            continue
        try:
            portion = _portion(one, ledger, known, again=again)
        except SourceError as error:
            errors.append(error)
            continue
        if portion is not None:
            portions.append(portion)
    return _without_copies(portions, known, errors)


def _know(known: Tally, one: Probe, lines: int, incomplete: str = "") -> None:
    index = known.add_source(one.source.name, one.format)
    known.sources[index].known_lines = lines
    known.sources[index].incomplete = incomplete


def _portion(one: Probe, ledger: Ledger, known: Tally, *, again: bool) -> Portion | None:
    with Stream(one.source) as stream:
        head, disk = stream.head(), stream.disk
        if not head or disk is None:
            _know(known, one, 0, stream.damage)
            return None
        found = identify(stream, ledger, again=again)
        if found is not None and found.over:
            _know(known, one, found.known_lines, stream.damage)
            return None
        end = disk.size if stream.plain else None
        start = BEGINNING if found is None else found.until
        if end is not None and start.offset >= end:
            _know(known, one, start.line - 1)
            return None
        return Portion(
            wherever(one.source), lies_at(one.source.name), one.format, one.headers, disk, len(head),
            fingerprint(head), start, found is not None and found.in_line, start.line - 1, end,
            0 if found is None else found.record.id,
        )  # fmt: skip


def _without_copies(portions: Sequence[Portion], known: Tally, errors: list[LogImporterError]) -> list[Portion]:
    """Those that hold no more than another does are left out; only files with the same beginning are read for that."""
    alike: dict[tuple[int, bytes], list[Portion]] = defaultdict(list)
    for one in portions:
        alike[one.head_length, one.head].append(one)
    left_out: set[int] = set()
    for group in alike.values():
        if len(group) > 1:
            left_out |= {id(one) for one in _copies(group, known, errors)}
    return [one for one in portions if id(one) not in left_out]


def _copies(group: Sequence[Portion], known: Tally, errors: list[LogImporterError]) -> list[Portion]:
    """The portions that are left out: the copies, which `known` is told of, and what cannot be read."""
    left_out: list[Portion] = []

    def tried(read: Callable[[Portion], T], one: Portion) -> T | None:
        try:
            return read(one)
        except SourceError as error:
            errors.append(error)
            left_out.append(one)
            return None

    ends = [(end, one) for one in group if (end := tried(_end, one)) is not None]
    kept: list[Portion] = []
    for (length, tail), one in sorted(ends, key=lambda end: -end[0][0]):
        before = partial(_before, length)
        if not any(tried(before, longer) == tail for longer in kept):
            kept.append(one)
        elif (lines := tried(_lines, one)) is not None:
            index = known.add_source(one.source.name, one.format)
            known.sources[index].known_lines = lines
            left_out.append(one)
        kept = [longer for longer in kept if longer not in left_out]
    return left_out


def _end(portion: Portion) -> tuple[int, bytes]:
    with Stream(portion.source) as stream:
        stream.head()
        return stream.end()


def _before(offset: int, portion: Portion) -> bytes | None:
    with Stream(portion.source) as stream:
        stream.head()
        return stream.go_to(offset)


def _lines(portion: Portion) -> int:
    last, count = b"\n", 0
    with Stream(portion.source) as stream:
        for last in stream.blocks():
            count += last.count(b"\n")
    return count + (not last.endswith(b"\n"))
