"""Which source a file is, by its content, and from where it is read on."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from log_importer.errors import SourceError
from log_importer.ledger.ledger import Ledger
from log_importer.ledger.record import Record
from log_importer.model import BEGINNING, Boundary, Chunk
from log_importer.sources.chunks import Chunker
from log_importer.sources.find import Source
from log_importer.sources.fingerprint import HEAD, fingerprint
from log_importer.sources.stream import Stream


@dataclass(frozen=True, slots=True)
class Recognised:
    """A source of the ledger in an open file."""

    record: Record
    until: Boundary  # where an earlier run, or an earlier file of this run, ended
    in_line: bool  # that was in the middle of a line
    undone: "array[int]"  # offsets of the lines before that are still to be done, ascending
    over: bool = False  # the file holds no more than was read already

    @property
    def known_lines(self) -> int:
        """How many of its lines are done."""
        return self.until.line - 1 - len(self.undone)

    def unknown(self, chunk: Chunk) -> Chunk | None:
        """What is not known of a chunk; `None` where all of it is done."""
        context = chunk.context
        if context.offset >= self.until.offset:
            return chunk
        first, last = (bisect_left(self.undone, offset) for offset in (context.offset, chunk.after.offset))
        return replace(chunk, context=replace(context, wanted=self.undone[first:last])) if first < last else None

    def begin(self, stream: Stream, chunker: Chunker) -> None:
        """Brings both to where reading goes on: the first line that is not done, or the end of what is known."""
        start = self.record.mark if self.undone else self.until
        if start.offset < stream.position:
            stream.rewind()
            stream.head()
        stream.go_to(start.offset)
        chunker.go_on(start, self.until, in_line=self.in_line)


def finished(source: Source, ledger: Ledger) -> Record | None:
    """The record of a file that lies on disk as it did when all of it was done."""
    if source.size is None:
        return None
    try:
        with Stream(source) as stream:
            disk = stream.disk
    except (SourceError, OSError):
        return None  # whoever reads it says why
    return None if disk is None else ledger.finished(disk)


def under_way(stream: Stream, ledger: Ledger) -> set[int]:
    """The numbers of the sources of this run that the file may be a copy of. Raises `SourceError`."""
    return {record.id for record in ledger.candidates(stream.head(), fingerprint) if record.active}


def is_copy_so_far(stream: Stream, at: Boundary) -> bool:
    """Whether the file has what another, which begins as it does, has before `at`. Raises `SourceError`."""
    before = stream.go_to(at.offset)
    return before is not None and fingerprint(before) == at.tail


def recognise(
    stream: Stream, ledger: Ledger, form: str, others: Sequence[Source], *, again: bool
) -> Recognised | None:  # fmt: skip
    """The source that `stream` is, a new one where it is none that is known; `None` for an empty file.

    `others` are the files of the run, one of which may fit better; `again`: what earlier runs did is forgotten.
    Raises `SourceError` and `StateError`.
    """
    head, disk = stream.head(), stream.disk
    if not head or disk is None:
        return None
    found = None
    for candidate in _matching(stream, ledger, head):
        if again and not candidate.record.active:
            ledger.forget(candidate.record)
        elif found is None or _rank(candidate, disk[:2]) > _rank(found, disk[:2]):
            found = candidate
    name = str(Path(stream.name).absolute())
    if found is None:
        found = Recognised(ledger.add(name, form), BEGINNING, False, array("Q"))
    elif not found.over and found.until != found.record.end and _is_elsewhere(found.record, others):
        # The other file is the source, and does what is left to do; this one shares its beginning.
        found = Recognised(ledger.add(name, form, found.until), found.until, found.in_line, array("Q"))
    if not found.over:
        ledger.adopt(found.record, name, disk, len(head), fingerprint(head))
        if found.until != found.record.end:
            ledger.rewind(found.record, found.until)
    return found


def _rank(found: Recognised, file: tuple[int, int]) -> tuple[bool, int, bool]:
    same_file = (found.record.device, found.record.inode) == file
    return found.until == found.record.end, found.until.offset, same_file


def _matching(stream: Stream, ledger: Ledger, head: bytes) -> list[Recognised]:
    """What the content allows it to be: the same bytes before a place where reading of that source ended."""
    candidates = ledger.candidates(head, fingerprint)
    places: dict[int, list[tuple[Record, Boundary]]] = {}
    for record in candidates:
        if record.active and record.end.offset < min(HEAD, len(head)) and record.head != fingerprint(head):
            continue  # both are there at once, and all that they share is a few lines
        for boundary in record.boundaries:
            places.setdefault(boundary.offset, []).append((record, boundary))
    found: dict[int, Recognised] = {}
    for offset in sorted(places):
        before = stream.go_to(offset)
        if before is None:
            break
        for record, boundary in places[offset]:
            if fingerprint(before) == boundary.tail:
                in_line = bool(before) and not before.endswith(b"\n")
                # What another file of this run has brought is under way.
                undone = array("Q") if record.active else record.undone_before(boundary.offset)
                found[record.id] = Recognised(record, boundary, in_line, undone)
    return [one for one in (_settled(one, stream) for one in found.values()) if one is not None]


def _settled(found: Recognised, stream: Stream) -> Recognised | None:
    """`found`, unless it proves nothing: the file left the source's content before its end."""
    if found.until == found.record.end:
        return found
    length, tail = stream.end()
    # Compressed in part only, or an older copy: its lines were read from another file.
    if length < found.record.end.offset and (stream.damage or _is_copy(found.record, length, tail)):
        return replace(found, over=True)
    return found if found.until.offset else None


def _is_elsewhere(record: Record, others: Sequence[Source]) -> bool:
    """Whether one of the files `others` has all that was read of the source."""
    if record.active:
        return True
    for source in others:
        try:
            with Stream(source) as other:
                head, tail = other.head(), other.go_to(record.end.offset)
        except (SourceError, OSError):
            continue
        if fingerprint(head[: record.head_length]) == record.head and tail and fingerprint(tail) == record.end.tail:
            return True
    return False


def _is_copy(record: Record, length: int, tail: bytes) -> bool:
    """Whether the file that the source was last seen in has the bytes `tail` before `length`."""
    try:
        with Stream(Source(record.name, Path(record.name), 0)) as other:
            if other.disk is None or other.disk[:2] != (record.device, record.inode):
                return False
            other.head()
            return other.go_to(length) == tail
    except (SourceError, OSError):
        return False
