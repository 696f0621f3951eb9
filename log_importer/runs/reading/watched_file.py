"""One open file that is read as it grows, under whatever name, until nobody writes to it any more."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from log_importer.ledger.record import Record
from log_importer.model import Chunk
from log_importer.runs.reading.recognise import Recognised, before_on_disk
from log_importer.sources.rotated import log_of
from log_importer.sources.stream import EMPTIED, Stream

Place = tuple[int, int]
"""Device and inode."""


@dataclass(slots=True)
class Followed:
    """A file under way."""

    name: str  # as messages show it
    place: Place
    index: int  # of the run's source
    stream: Stream
    found: Recognised
    read: Iterator[Chunk | None]  # chunks, `None` at the end for now; over when it is
    named: bool = True  # it lies where a followed name leads to
    replaced: bool = False  # there is another file where it lay
    end: int = 0  # behind the last chunk that is to be parsed
    over: bool = False  # no more can come
    caught_up: bool = False  # the end was met when it was last read

    def chunks(self) -> Iterator[Chunk]:
        """What has come since the last time, as far as it is not known. Raises `SourceError`."""
        self.caught_up = False
        for chunk in self.read:
            if chunk is None:
                self.caught_up = True
                return
            unknown = self.found.unknown(chunk)
            if unknown is not None:
                self.end = chunk.after.offset
                yield unknown
        self.over = True

    @property
    def emptied(self) -> bool:
        """Whether what it held is no longer there."""
        return self.stream.damage == EMPTIED or not self.stream.intact

    @property
    def at_end(self) -> bool:
        """Whether all that it holds now was read."""
        return self.over or (self.caught_up and self.stream.ahead <= 0)

    def holds(self, other: Stream) -> bool:
        """Whether it begins with all that another file has: a copy, perhaps one that is still being made."""
        if not self.stream.plain or self.emptied or (self.deleted and self.at_end):
            return False
        head = other.head()
        if self.stream.head()[: len(head)] != head:
            return False
        length, tail = other.end()
        return length <= self.stream.raw_position + self.stream.ahead and self.stream.before_offset(length) == tail

    def is_replaced_by(self, other: Stream) -> bool:
        """Whether it was deleted, and another file begins with all that it has, of which something is still unread."""
        return self.deleted and not self.at_end and self.begins(other)

    def begins(self, other: Stream) -> bool:
        """Whether another file begins with all that it has."""
        if not self.stream.plain or self.emptied:
            return False
        head, size = self.stream.head(), self.stream.raw_position + self.stream.ahead
        if other.head()[: len(head)] != head:
            return False
        if other.position:
            other.rewind()
        return size > 0 and other.go_to(size) == self.stream.before_offset(size)

    @property
    def deleted(self) -> bool:
        """Whether no name leads to it."""
        return not self.stream.links

    def silent(self, seconds: float) -> bool:
        """Whether nobody has written to it for so long."""
        return time.time() - self.stream.modified >= seconds

    def close(self) -> None:
        """It is read no further."""
        self.over = True
        self.stream.close()


class OpenFiles:
    """All files under way, in the order in which they are read."""

    def __init__(self) -> None:
        self._files: list[Followed] = []
        self._owners: dict[int, Followed] = {}  # number of a record -> the file that it is read from

    def __iter__(self) -> Iterator[Followed]:
        """Those that were open when it began."""
        return iter(list(self._files))

    def __len__(self) -> int:
        return len(self._files)

    def add(self, one: Followed) -> None:
        """A further file; what it holds is read from no other. Of a log's generations the live one comes last."""
        place = len(self._files)
        if log_of(one.name) != one.name:
            live = (at for at, other in enumerate(self._files) if other.named and other.name == log_of(one.name))
            place = next((at for at in live if not self._files[at].end), place)
        self._files.insert(place, one)
        self._owners[one.found.record.id] = one

    def remove(self, one: Followed) -> None:
        """Closes a file."""
        one.close()
        self._files.remove(one)
        self._owners.pop(one.found.record.id, None)

    def owner(self, record: Record) -> Followed | None:
        """The file that a source is read from."""
        return self._owners.get(record.id)

    def before(self, record: Record, stream: Stream, offset: int) -> bytes | None:
        """Up to 256 bytes before an offset of a source, where another file than `stream` has them."""
        owner = self.owner(record)
        if owner is not None and owner.stream.plain:
            return owner.stream.before_offset(offset)
        return before_on_disk(record, stream, offset)

    def see_who_is_there(self) -> None:
        """Sources whose file was deleted after all of it was read are not: a copy may have taken its place."""
        for one in self._files:
            one.found.record.present = not (one.deleted and one.at_end)
