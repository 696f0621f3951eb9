"""A source opened: blocks of its decompressed bytes, and how it ended."""

import os
import select
import stat
from collections.abc import Iterator
from types import TracebackType

from log_importer.errors import SourceError
from log_importer.sources.decompress import BLOCK, LONGEST_MAGIC, Damage, decompress, may_be_compressed, sniff
from log_importer.sources.find import Source, unreadable

IDLE = b""
"""A block that says: nothing came within the time given; there may be more."""


class Stream:
    """The bytes of one source. Close it, or use it as a context manager."""

    def __init__(self, source: Source, idle: float = 1.0) -> None:
        """Opens `source`; a pipe gives `IDLE` when nothing came for `idle` seconds. Raises `SourceError`."""
        self.name = source.name
        self.raw_position = 0
        """Bytes read as they lie on disk."""
        self.damage = ""
        """How the source is incomplete, half a sentence; "" where it is whole, known at its end."""
        self._idle = idle
        try:
            self._file = 0 if source.path is None else os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
            self._waits = not stat.S_ISREG(os.fstat(self._file).st_mode)
        except OSError as error:
            raise unreadable(source.name, error) from None
        self._owned = source.path is not None

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; standard input stays open."""
        if self._owned:
            os.close(self._file)
            self._owned = False

    def blocks(self) -> Iterator[bytes]:
        """Blocks of decompressed bytes; `IDLE` where a pipe is silent. Raises `SourceError` where reading fails."""
        raw = self._raw()
        head = b""
        for block in raw:
            head += block
            if len(head) >= LONGEST_MAGIC or (head and not may_be_compressed(head)):
                break
            if block == IDLE:
                yield IDLE
        make = sniff(head)
        if make is None:
            if head:
                yield head
            yield from raw
            return
        try:
            yield from decompress(_chain(head, raw), make)
        except Damage as damage:
            self.damage = str(damage)

    def _raw(self) -> Iterator[bytes]:
        while True:
            if self._waits and not select.select([self._file], [], [], self._idle)[0]:
                yield IDLE
                continue
            try:
                block = os.read(self._file, BLOCK)
            except OSError as error:
                raise SourceError(
                    f"{self.name}: reading stopped at byte {self.raw_position}: {(error.strerror or '').lower()}.",
                    "What came before is imported; look at the disk or mount.",
                ) from None
            if not block:
                return
            self.raw_position += len(block)
            yield block


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest
