"""Which source a file is: what each is known by, and where it lay when last seen."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from log_importer.ledger import rows
from log_importer.ledger.record import Record, Region
from log_importer.ledger.writer import Job
from log_importer.model import BEGINNING, Boundary, Disk

_GONE = b"deleted"
"""The hash of no beginning."""


class Sources:
    """All that the ledger of a job knows."""

    def __init__(
        self, records: dict[int, Record], finished: dict[Disk, int], put: Callable[[Job], object], lock: threading.RLock
    ) -> None:
        """The sources by their numbers, which of them files hold no more of than is done, and who writes down jobs.

        While `lock` is held, nobody changes what is done of a source.
        """
        self._records = records
        self._finished = finished
        self._put = put
        self._lock = lock
        self._heads: dict[int, dict[bytes, list[Record]]] = defaultdict(lambda: defaultdict(list))
        for record in records.values():
            if not record.stream:
                self._heads[record.head_length][record.head].append(record)
        self._next = max(records, default=0) + 1
        self._names: dict[tuple[int, int], str] = {}

    @property
    def names(self) -> set[str]:
        """Where the sources lay when last seen."""
        return {record.name for record in self._records.values()}

    @property
    def heads(self) -> set[tuple[int, bytes]]:
        """How many bytes of their beginnings are known, and the hash of those."""
        return {(record.head_length, record.head) for record in self._records.values() if record.head_length}

    def finished(self, disk: Disk) -> Record | None:
        """The source that the file holds no more of than is done, as it lay on disk then."""
        source = self._finished.get(disk)
        record = None if source is None else self._records.get(source)
        return None if record is None or record.undone else record

    def known(self, number: int) -> Record | None:
        """The source of that number."""
        return self._records.get(number)

    def candidates(self, head: bytes, fingerprint: Callable[[bytes], bytes]) -> list[Record]:
        """The sources that begin as `head` does, which is up to 1 KiB."""
        return [
            record
            for length, records in self._heads.items()
            if length <= len(head)
            for record in records.get(fingerprint(head[:length]), ())
        ]

    def add(self, name: str, form: str, done: Boundary = BEGINNING, *, stream: bool = False) -> Record:
        """A new source, known up to `done` or not at all; `adopt` says what it is known by."""
        record = Record(self._next, name, form, stream, mark=done)
        self._next += 1
        self._records[record.id] = record
        self._put(rows.source(record))
        return record

    def adopt(self, record: Record, name: str, disk: Disk, head_length: int, head: bytes) -> None:
        """The source was found again: under another name, in another file, or longer than it was."""
        seen = (name, disk.device, disk.inode, head_length, head)
        if seen == (record.name, record.device, record.inode, record.head_length, record.head):
            return
        with self._lock:
            self._lose_head(record)
            record.name, record.device, record.inode, record.head_length, record.head = seen
            self._heads[head_length][head].append(record)
            self._put(rows.source(record))

    def keep_end(self, record: Record, end: Boundary) -> None:
        """A copy of the source's beginning ends at `end`, whose line is 0: reading never goes on from there."""
        with self._lock:
            read = [one for one in (*record.passed, *record.regions) if one.hits]
            if any(end.offset in (one.start, one.after.offset) for one in read):
                return
            record.passed.append(Region(end.offset, end, 0))
            self._put(rows.chunk(record.id, end.offset, end))

    def lie(self, names: Mapping[tuple[int, int], str]) -> None:
        """Device and inode -> the name that the file has now, where it was renamed."""
        if names == self._names:
            return
        self._names = dict(names)
        for record in list(self._records.values()):
            name = names.get((record.device, record.inode), record.name)
            disk = Disk(record.device, record.inode, 0, 0, b"")
            self.adopt(record, name, disk, record.head_length, record.head)

    def rewind(self, record: Record, to: Boundary) -> None:
        """What was parsed behind `to` is no longer there, as after a power cut."""
        with self._lock:
            record.regions = [region for region in record.regions if region.after.offset <= to.offset]
            record.passed = [region for region in record.passed if region.after.offset <= to.offset]
            record.undone = record.undone_before(to.offset)
            record.doubts = {offset: times for offset, times in record.doubts.items() if offset < to.offset}
            self._finished = {disk: source for disk, source in self._finished.items() if source != record.id}
            self._put(rows.rewound(record.id, to.offset))

    def delete(self, record: Record) -> None:
        """The file of a source is deleted, and no other is to be known by its content."""
        self.adopt(record, record.name, Disk(0, 0, 0, 0, b""), 1, _GONE)

    def finish(self, disk: Disk, record: Record) -> None:
        """A file, as it lies on disk, holds no more of a source than is done."""
        self._finished[disk] = record.id
        self._put(rows.finished(disk, record.id))

    def forget(self, record: Record) -> None:
        """Nothing of the source is known any more."""
        with self._lock:
            self._records.pop(record.id, None)
            self._lose_head(record)
            self._put(rows.no_source(record.id))

    def _lose_head(self, record: Record) -> None:
        known = self._heads[record.head_length][record.head]
        if record in known:
            known.remove(record)

    def forget_streams(self, kept: Collection[int]) -> None:
        """Nothing is known any more of streams, which cannot be read again, but for those of these numbers."""
        for record in list(self._records.values()):
            if record.stream and record.id not in kept:
                self.forget(record)
