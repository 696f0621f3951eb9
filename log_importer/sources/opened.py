"""What reading asks of an opened source, wherever it lies: the one seam between `Stream` and files, pipes and objects.

An `OSError` of it, whose `strerror` is a reason, becomes a sentence in `Stream`.
"""

import os
import select
import stat
from typing import Protocol

from log_importer.model import Disk
from log_importer.sources.find import Source
from log_importer.sources.fingerprint import disk_of
from log_importer.sources.remote import RemoteFile


class Opened(Protocol):
    """A source, opened. Offsets and sizes are in bytes as it lies there. All may raise `OSError`."""

    @property
    def waits(self) -> bool:
        """Whether it is a pipe: read once, and silent at times."""

    @property
    def jumps(self) -> bool:
        """Whether reading may go on anywhere; else it goes on and on, or back to the beginning."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be read of it any more."""

    @property
    def size(self) -> int:
        """How much there is now; -1 where nobody says."""

    @property
    def modified(self) -> float:
        """When it was written to last, in seconds since 1970 UTC."""

    @property
    def links(self) -> int:
        """The names that it has; 0 once it is deleted."""

    def read(self, count: int) -> bytes:
        """The next bytes, `count` at most; b"" at its end."""

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`, wherever reading is; where it `jumps`."""

    def seek(self, offset: int) -> None:
        """Reading goes on at `offset`, which is 0 unless it `jumps`."""

    def speaks(self, seconds: float) -> bool:
        """Whether a pipe has more to read, or ends, within `seconds`."""

    def disk(self) -> Disk | None:
        """What it is known by unread; `None` for a pipe."""

    def fault(self) -> str:
        """How what was read to the end is not one whole, half a sentence; "" where it is."""

    def close(self) -> None:
        """Closes it, once or again; standard input stays open."""


class LocalFile:
    """A file, a named pipe or standard input."""

    jumps = True

    def __init__(self, source: Source) -> None:
        self._file = 0 if source.path is None else os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
        self._owned = source.path is not None
        self.closed = False
        self.waits = not stat.S_ISREG(os.fstat(self._file).st_mode)

    @property
    def size(self) -> int:
        return os.fstat(self._file).st_size

    @property
    def modified(self) -> float:
        return os.fstat(self._file).st_mtime

    @property
    def links(self) -> int:
        return os.fstat(self._file).st_nlink

    def read(self, count: int) -> bytes:
        return os.read(self._file, count)

    def read_at(self, offset: int, count: int) -> bytes:
        return os.pread(self._file, count, offset)

    def seek(self, offset: int) -> None:
        os.lseek(self._file, offset, os.SEEK_SET)

    def speaks(self, seconds: float) -> bool:
        return bool(select.select([self._file], [], [], seconds)[0])

    def disk(self) -> Disk | None:
        return None if self.waits else disk_of(self._file)

    def fault(self) -> str:
        return ""  # `Stream.intact` looks at a followed file again and again

    def close(self) -> None:
        if self._owned and not self.closed:
            self.closed = True
            os.close(self._file)


def open_source(source: Source) -> Opened:
    """Opens it wherever it lies. Raises `OSError`."""
    return RemoteFile(source) if source.url else LocalFile(source)
