"""Which source a file is, by its content, and from where it is read on."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from log_importer.ledger.ledger import Ledger
from log_importer.ledger.record import Record
from log_importer.model import BEGINNING, Boundary, Chunk
from log_importer.model.errors import SourceError
from log_importer.sources.chunks import Chunker
from log_importer.sources.find import Source, lies_at, source_at
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
    if source.pipe:
        return None
    disk = source.disk
    try:
        if disk is None:
            with Stream(source) as stream:
                disk = stream.disk
    except (SourceError, OSError):
        return None  # whoever reads it says why
    return None if disk is None else ledger.sources.finished(disk)


def under_way(stream: Stream, ledger: Ledger) -> set[int]:
    """The numbers of the sources of this run that the file may be a copy of. Raises `SourceError`."""
    return {record.id for record in ledger.sources.candidates(stream.head(), fingerprint) if record.active}


def is_copy_so_far(stream: Stream, at: Boundary) -> bool:
    """Whether the file has what another, which begins as it does, has before `at`. Raises `SourceError`."""
    before = stream.go_to(at.offset)
    return before is not None and fingerprint(before) == at.tail


def skip_to_end(stream: Stream, ledger: Ledger, form: str, headers: bool, max_line_bytes: int) -> Recognised:
    """A new source of which all whole lines that are there count as done. Raises `SourceError`."""
    stream.rewind()
    end = BEGINNING
    for chunk in Chunker(stream, max_line_bytes).chunks(0, form, headers, float):
        if chunk is not None and (chunk.data.endswith(b"\n") or chunk.after.offset > end.offset + len(chunk.data)):
            end = chunk.after
    record = ledger.sources.add(lies_at(stream.name), form, end)
    stream.rewind()
    keep_head(stream, ledger, record)
    return Recognised(record, end, False, array("Q"))


Before = Callable[[Record, Stream, int], bytes | None]
"""Up to 256 bytes before an offset of the file that a source was last seen in; `None` where that is gone, or the
stream's own file."""


def recognise(stream: Stream, ledger: Ledger, form: str, others: Sequence[Source], *, again: bool) -> Recognised | None:
    """The source that `stream` is, a new one where it is none that is known; `None` for an empty file.

    `others` are the files of the run, one of which may fit better; `again`: what earlier runs did is forgotten.
    Raises `SourceError` and `StateError`.
    """
    if not stream.head():
        return None
    found = identify(stream, ledger, again=again)
    if found is not None and found.over:
        keep_copy(found.record, stream, ledger)
        return found
    return take(found, stream, ledger, form, others)


def identify(
    stream: Stream, ledger: Ledger, before: "Before | None" = None, *, again: bool = False, named: str = ""
) -> Recognised | None:
    """The known source that `stream` is by its content; changes nothing but for what `again` forgets.

    `named`: only a source that lay there counts, since files that are never copied may be alike.
    """
    found, disk = None, stream.disk
    assert disk is not None, "a pipe is never known again"
    if stream.position:
        stream.rewind()
    candidates = _matching(stream, ledger, stream.head(), before or before_on_disk)
    length = stream.end()[0] if len(candidates) > 1 else 0
    for candidate in candidates:
        if named and candidate.record.name != named:
            continue
        if again and not candidate.record.active:
            ledger.sources.forget(candidate.record)
        elif found is None or _rank(candidate, length, disk[:2]) > _rank(found, length, disk[:2]):
            found = candidate
    return found


def take(
    found: Recognised | None, stream: Stream, ledger: Ledger, form: str, others: Sequence[Source], *, grow: bool = True
) -> Recognised:
    """Writes down that `stream` is the source that was found, or the beginning of it and then another, or a new one.

    `grow`: a source that was known by a short beginning is known by more of it from now on, and copies of its
    beginning no longer.
    """
    name = lies_at(stream.name)
    if found is None:
        found = Recognised(ledger.sources.add(name, form), BEGINNING, False, array("Q"))
    elif found.until != found.record.end and _is_elsewhere(found.record, others):
        # The other file is the source, and does what is left to do; this one shares its beginning.
        found = Recognised(ledger.sources.add(name, form, found.until), found.until, found.in_line, array("Q"))
    keep_head(stream, ledger, found.record, grow=grow)
    if found.until != found.record.end:
        ledger.sources.rewind(found.record, found.until)
    return found


def keep_copy(record: Record, stream: Stream, ledger: Ledger) -> bool:
    """`stream` has nothing new. Where what it is a copy of is gone, it is the source's file from now on; whether so."""
    disk = stream.disk
    length, tail = stream.end()
    if disk is None or stream.damage or before_on_disk(record, stream, length) == tail:
        return False
    ledger.sources.adopt(record, lies_at(stream.name), disk, record.head_length, record.head)
    keep_end(record, length, tail, ledger)
    return True


def keep_end(record: Record, length: int, tail: bytes, ledger: Ledger) -> None:
    """A copy has the first `length` bytes of a source, the last of which are `tail`."""
    whole, newline, _ = tail.rpartition(b"\n")
    last = whole.rpartition(b"\n")[2].strip()
    if newline and tail.endswith(newline) and last and not last.startswith(b"#"):  # else it could be of any log
        ledger.sources.keep_end(record, Boundary(length, 0, "", fingerprint(tail)))


def keep_head(stream: Stream, ledger: Ledger, record: Record, *, grow: bool = True) -> None:
    """What the source is known by: where it lies, and how it begins; with less of that than there is unless `grow`."""
    head, disk = stream.head(), stream.disk
    assert disk is not None, "a pipe is never known again"
    if stream.follows and not stream.intact:
        return  # it was emptied before its beginning was read
    length, known = len(head), fingerprint(head)
    if record.head_length and not grow:
        length, known = record.head_length, record.head
    ledger.sources.adopt(record, lies_at(stream.name), disk, length, known)


def _rank(found: Recognised, length: int, file: tuple[int, int]) -> tuple[bool, bool, int, bool]:
    """Which of several is the best: what explains all of a file of `length` bytes, then what was read to just there."""
    same_file = (found.record.device, found.record.inode) == file
    exact = found.until == found.record.end and not found.over and found.until.offset > 0
    return found.over or found.until.offset == length, exact, found.until.offset, same_file


def _matching(stream: Stream, ledger: Ledger, head: bytes, before: Before) -> list[Recognised]:
    """What the content allows it to be: the same bytes before a place where reading of that source ended."""
    candidates = ledger.sources.candidates(head, fingerprint)
    passed: dict[int, int] = {}  # number of a record -> the last place that reading has passed, 0 if it is not the same
    places: dict[int, list[tuple[Record, Boundary, bool]]] = {}
    for record in candidates:
        if record.present and record.end.offset < min(HEAD, len(head)) and record.head != fingerprint(head):
            continue  # both are there at once, and all that they share is a few lines
        for boundary in record.boundaries:
            places.setdefault(boundary.offset, []).append((record, boundary, True))
        for boundary in record.milestones:
            places.setdefault(boundary.offset, []).append((record, boundary, False))
    found: dict[int, Recognised] = {}
    for offset in sorted(places):
        last = stream.go_to(offset)
        if last is None:
            break
        for record, boundary, goes_on in places[offset]:
            same = fingerprint(last) == boundary.tail
            if not goes_on:
                passed[record.id] = offset if same else 0
            elif same:
                in_line = bool(last) and not last.endswith(b"\n")
                # What another file of this run has brought is under way.
                undone = array("Q") if record.active else record.undone_before(boundary.offset)
                found[record.id] = Recognised(record, boundary, in_line, undone)
    certain = [one for one in found.values() if one.until.offset]  # of which more than that nothing was read
    if all(one.until == one.record.end for one in certain) and (certain or not candidates):
        return list(found.values())  # and the end of a compressed file need not be looked for
    length, tail = stream.end()
    for record in candidates:
        if length >= record.end.offset:
            continue
        # An older copy, or one that is still being made: its lines were read from another file.
        if before(record, stream, length) == tail:
            found[record.id] = Recognised(record, record.end, False, array("Q"), over=True)
        # And where that is gone, what an earlier run left undone is only here.
        elif (at := passed.get(record.id)) and (at == length or stream.damage or _emptied(record, stream)):
            undone = array("Q") if record.active else record.undone_before(length)
            found[record.id] = Recognised(record, record.end, False, undone, over=not undone)
    return [one for one in (_settled(one, stream, length) for one in found.values()) if one is not None]


def _settled(found: Recognised, stream: Stream, length: int) -> Recognised | None:
    """`found`, unless it proves nothing: the file left the source's content before its end."""
    if found.over or found.until == found.record.end:
        return found
    if length < found.record.end.offset and stream.damage:
        return replace(found, over=True)  # compressed in part only
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


def _emptied(record: Record, stream: Stream) -> bool:
    """Whether the file that the source was last seen in was emptied since, as `copytruncate` does."""
    try:
        with Stream(source_at(record.name, stream.source)) as other:
            place = other.disk and other.disk[:2]
            if place != (record.device, record.inode):
                return False
            if place == (stream.disk and stream.disk[:2]):
                return not stream.plain  # what is compressed is emptied by nobody: it is a copy that was kept
            other.head()
            last = other.go_to(record.end.offset)
            return last is None or fingerprint(last) != record.end.tail
    except (SourceError, OSError):
        return False


def before_on_disk(record: Record, stream: Stream, offset: int) -> bytes | None:
    try:
        with Stream(source_at(record.name, stream.source)) as other:
            place = other.disk and other.disk[:2]
            own = stream.disk and stream.disk[:2]  # which was emptied, and begins as it did before
            if place != (record.device, record.inode) or place == own:
                return None
            other.head()
            return other.go_to(offset)
    except (SourceError, OSError):
        return None
