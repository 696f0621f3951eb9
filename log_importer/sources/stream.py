"""A source opened: blocks of its decompressed bytes, and how it ended."""

import time
from collections.abc import Iterator
from types import TracebackType

from log_importer.model import Disk
from log_importer.sources import archives
from log_importer.sources.codecs import LONGEST_MAGIC, may_be_compressed, sniff
from log_importer.sources.decompress import BLOCK, Damage, Garbage, decompress
from log_importer.sources.find import Source
from log_importer.sources.fingerprint import HEAD, TAIL
from log_importer.sources.opened import open_source
from log_importer.sources.unicode import as_utf8, marked
from log_importer.sources.unreadable import is_archive, stopped, unreadable

IDLE = b""
"""A block that says: nothing came within the time given; there may be more."""
EMPTIED = "it was emptied, or replaced in place"
"""The damage of a followed file whose content is no longer what was read."""


class Stream:
    """The bytes of one source. Close it, or use it as a context manager."""

    def __init__(self, source: Source, idle: float = 1.0) -> None:
        """Opens `source`; a pipe gives `IDLE` when nothing came for `idle` seconds. Raises `SourceError`."""
        self.name = source.name
        self.source = source
        self.raw_position = 0
        """Bytes read as they lie on disk."""
        self.damage = ""
        """How the source is incomplete, half a sentence; "" where it is whole, known at its end."""
        self.remark = ""
        """A sentence for people about what was left out behind it, known at its end."""
        self.block = BLOCK
        """Bytes that are read at once, and decompressed at once; may be changed while it is read."""
        self.slow = False
        """Whether to decompress it takes about as long as all else, known after `head`."""
        self.follows = False
        """Whether the end of a plain file is only the end for now, and gives `IDLE`."""
        self._idle = idle
        self._plain = self._compressed = False  # known once the first bytes were read
        self._head: bytes | None = None
        self._last = b""  # bytes of a followed file before `raw_position`
        self._seen, self._seen_last = 0, b""  # its size when last looked at, and the bytes before that
        self._blocks = self._text()
        self._held = b""  # decompressed and not given yet
        self._position = 0  # of the first of them
        self.before = b""
        """Up to 256 bytes before `position`."""
        try:
            self._file = open_source(source)
        except OSError as error:
            raise unreadable(source.name, error) from None
        self._waits = self._file.waits

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether nothing can be read of it any more."""
        return self._file.closed

    def close(self) -> None:
        """Closes the file; standard input stays open."""
        self._file.close()

    @property
    def plain(self) -> bool:
        """Whether it is a file whose offsets are those on disk, which can be followed; known after `head`."""
        return self._plain

    @property
    def compressed(self) -> bool:
        """Whether what is read is not what lies there; known after `head`."""
        return self._compressed

    @property
    def links(self) -> int:
        """The names that the file has; 0 once it is deleted."""
        return self._file.links

    @property
    def modified(self) -> float:
        """When it was written to last, in seconds since 1970 UTC."""
        return self._file.modified

    @property
    def ahead(self) -> int:
        """Bytes of a plain file that were not read yet; negative where it was emptied."""
        return self._file.size - self.raw_position

    @property
    def intact(self) -> bool:
        """Whether what was read last of a followed file still stands there; true of what a read before it gave, too.

        A file may be emptied and grow beyond the old place before anybody looks: its length alone tells nothing.
        """
        start = self.raw_position - len(self._last)
        if self.ahead < 0 or self._file.read_at(start, len(self._last)) != self._last:
            return False
        return self._seen <= self.raw_position or self.before_offset(self._seen) == self._seen_last

    def look_ahead(self) -> None:
        """Remembers what is there and not read yet, so that it is noticed where that goes."""
        self._seen = self._file.size
        self._seen_last = self.before_offset(self._seen) if self._seen > self.raw_position else b""

    def before_offset(self, offset: int) -> bytes:
        """Up to 256 bytes of a plain file before `offset`, wherever reading is."""
        start = max(0, offset - TAIL)
        return self._file.read_at(start, offset - start)

    def follow(self) -> None:
        """From here on the end of the file is only the end for now. Comes after `go_to`, for plain files."""
        self._last, self.follows = self.before, True
        self.look_ahead()

    @property
    def disk(self) -> Disk | None:
        """The file as it lies on disk now; `None` for a pipe."""
        return self._file.disk()

    def head(self) -> bytes:
        """Its first 1 KiB, decompressed, or all of it where it is shorter; consumes nothing. Not for pipes."""
        if self.follows:
            return self._file.read_at(0, HEAD)
        if not self._position and self._head is None:
            while len(self._held) < HEAD and (block := next(self._blocks, None)) is not None:
                self._held += block
            self._head = self._held[:HEAD]
        return self._head or b""

    def go_to(self, offset: int) -> bytes | None:
        """Goes on to `offset` of the decompressed bytes: up to 256 bytes before it, `None` where it ends sooner.

        Not for pipes, after `head`, and never back.
        """
        if self._plain:
            if offset > self._file.size:
                return None
            self._file.seek(offset)
            self._held, self._position, self.raw_position = b"", offset, offset
            self._blocks = self._raw()  # the one before may have met the end
            self.before = self.before_offset(offset)
            return self.before
        while self._position + len(self._held) < offset:
            self.before = (self.before + self._held)[-TAIL:]
            self._position += len(self._held)
            self._held = b""
            block = next(self._blocks, None)
            if block is None:
                return None
            self._held = block
        ahead = offset - self._position
        self.before = (self.before + self._held[:ahead])[-TAIL:]
        self._held = self._held[ahead:]
        self._position = offset
        return self.before

    def rewind(self) -> None:
        """Goes back to the beginning. Not for pipes."""
        self._file.seek(0)
        self.raw_position, self.damage, self.remark = 0, "", ""
        self._blocks, self._held, self._position, self.before = self._text(), b"", 0, b""

    def end(self) -> tuple[int, bytes]:
        """Goes on to the end: the offset there, and up to 256 bytes before it. Not for pipes."""
        if self._plain:
            size = self._file.size
            return size, self.go_to(size) or b""
        while self.go_to(self._position + len(self._held) + 1) is not None:
            pass
        size = self._position + len(self._held)
        return size, self.go_to(size) or b""

    @property
    def position(self) -> int:
        """Offset of the decompressed bytes that `blocks` begins with."""
        return self._position

    def blocks(self) -> Iterator[bytes]:
        """Blocks of decompressed bytes; `IDLE` where a pipe is silent. Raises `SourceError` where reading fails."""
        if self._held:
            held, self._held = self._held, b""
            yield held
        yield from self._blocks

    def _text(self) -> Iterator[bytes]:
        blocks = self._decompressed()
        head = b""
        for block in blocks:
            head += block
            if len(head) >= archives.HEAD or b"\n" in head:  # a line is no archive, and need not wait for a second
                break
            if block == IDLE:
                yield IDLE
        if archive := archives.archive_of(head):
            raise is_archive(self.name, archive)
        encoding = marked(head) or self.source.encoding
        if not encoding:
            if head:
                yield head
            yield from blocks
            return
        self._plain = False  # offsets are those of the text as UTF-8
        yield from as_utf8(_chain(head, blocks), encoding)

    def _decompressed(self) -> Iterator[bytes]:
        raw = self._raw()
        head = b""
        for block in raw:
            head += block
            if len(head) >= LONGEST_MAGIC or (head and not may_be_compressed(head)):
                break
            if block == IDLE:
                yield IDLE
        codec = sniff(head)
        if codec is None:
            self._plain = not self._waits and self._file.jumps
            if head:
                yield head
            yield from raw
            return
        self._compressed, self.slow = True, codec.slow
        try:
            yield from decompress(_chain(head, raw), self.source.window, lambda: self.block)
        except Damage as damage:
            self.damage = self.damage or self._file.fault() or str(damage)
        except Garbage:
            self.remark = f"{self.name}: what lies behind its compressed data is something else and was left out."
            for block in raw:  # it is read to its end, and need not be read again
                if block == IDLE:
                    yield IDLE

    def _raw(self) -> Iterator[bytes]:
        spoken = time.monotonic()
        while True:
            if self._waits and not self._speaks(spoken + self._idle):
                spoken = time.monotonic()
                yield IDLE
                continue
            try:
                block = self._file.read(self.block)
                if not block and not self.follows:
                    self.damage = self._file.fault()
                    return
            except OSError as error:
                raise stopped(self.name, self.raw_position, error) from None
            if self.follows and not self.intact:
                self.damage = EMPTIED
                return
            if not block:
                yield IDLE
                continue
            self.raw_position += len(block)
            self._last = (self._last + block[-TAIL:])[-TAIL:] if self.follows else b""
            yield block

    def _speaks(self, until: float) -> bool:
        """Whether a pipe has more, and it is not yet time to say that nothing need be waited for."""
        left = until - time.monotonic()
        return left > 0 and self._file.speaks(left)


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest
