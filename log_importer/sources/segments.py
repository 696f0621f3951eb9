"""The files of a spool, one written after the other; what is known of them is what lies in the folder."""

import errno
import fcntl
import glob
import os
import time
from contextlib import suppress
from pathlib import Path

_ABANDONED = 60.0
"""Seconds after which an empty one is deleted: its process was killed before the first byte."""
_durable = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Segments:
    """`spool-0000000001.log` and so on; we write one at a time, by one thread, and so may other processes.

    Whoever writes one holds its lock, which a process that is killed loses.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` exists, and is our user's alone. Each file of an earlier process is finished, however it ends.

        A process that was killed may have left half a line at the end of its last one. Another is begun behind it,
        so that no line of this process is glued to it. Raises `OSError`.
        """
        self.pattern = f"{glob.escape(str(folder))}/spool-{'[0-9]' * 10}.log"
        """The glob of all of them; in the order of their names they were written."""
        self.writing = ""
        """The name of the one being written. It is set before the file exists, and cleared after its last byte."""
        self.size = 0
        """Bytes of that one."""
        self.in_line = False
        """Whether it ends in the middle of a line."""
        self.unsynced = False
        """Whether a loss of power would lose some of it."""
        self._folder = folder
        self._file = -1
        self._linked = False  # whether its name, too, outlives a loss of power
        found = self._found()
        self._number = int(found[-1].stem.removeprefix("spool-")) if found else 0
        for path in found:
            with suppress(FileNotFoundError):
                status = path.stat()
                if not status.st_size and time.time() - status.st_mtime > _ABANDONED:
                    path.unlink()

    def count(self) -> tuple[int, int]:
        """How many finished ones lie in the folder, and the bytes of all. Raises `OSError`."""
        finished = used = 0
        for path in self._found():
            with suppress(FileNotFoundError):  # removed just now
                used += path.stat().st_size
                finished += self.complete(path)
        return finished, used

    def complete(self, path: Path) -> bool:
        """Whether nobody writes to it any more; of one that is not empty. Raises `OSError`."""
        if path.name == self.writing:
            return False
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True

    def write(self, data: memoryview) -> int:
        """Appends the beginning of `data`, to a new one where none is being written; the bytes of it written.

        Raises `OSError`; nothing was written then.
        """
        if self._file < 0:
            self._begin()
        written = os.write(self._file, data)
        self._grow(written)
        return written

    def take(self, pipe: int, count: int) -> int:
        """Moves up to `count` bytes from a pipe, as `write` does, but inside the kernel; 0 at the pipe's end.

        So no byte is ever in neither: not where the process is killed, and not where the disk is full. Raises `OSError`
        where nothing was moved: `BlockingIOError` for an empty pipe, EINVAL where this cannot be done.
        """
        if not hasattr(os, "splice"):  # not on Linux
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if self._file < 0:
            self._begin()
        moved = os.splice(pipe, self._file, count, flags=os.SPLICE_F_NONBLOCK)
        if moved:
            self._grow(moved)
        return moved

    def take_line(self, pipe: int, count: int) -> int:
        """As `take`, but not beyond the first line end.

        A pipe cannot be looked into, so it goes byte by byte: some us each, once a segment.
        """
        for moved in range(count):
            try:
                if not self.take(pipe, 1):
                    return moved
            except OSError:
                if moved:
                    return moved
                raise
            if not self.in_line:
                return moved + 1
        return count

    def sync(self) -> None:
        """Brings all that was written to the disk itself. Raises `OSError`."""
        self.unsynced = False  # on an error too: the system has forgotten the bytes, and would report success next time
        if self._file < 0:
            return
        _durable(self._file)
        if not self._linked:
            self._linked = True
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def beginning(self, count: int) -> bytes:
        """The first bytes of the one that is being written, `count` at most. Raises `OSError`."""
        return os.pread(self._file, count, 0)

    def discard(self) -> None:
        """Empties the one that is being written. Raises `OSError`."""
        os.ftruncate(self._file, 0)
        self.size, self.in_line = 0, False

    def finish(self) -> None:
        """Ends the one that is being written; call `sync` before."""
        if self._file >= 0:
            os.close(self._file)
            if not self.size:
                (self._folder / self.writing).unlink(missing_ok=True)
        self._file, self.size, self.in_line, self.writing = -1, 0, False, ""

    def _begin(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        found = self._found()
        number = max(self._number, int(found[-1].stem.removeprefix("spool-")) if found else 0)
        while self._file < 0:
            number += 1
            self.writing = f"spool-{number:010}.log"
            with suppress(FileExistsError):  # another process was quicker
                self._file = os.open(self._folder / self.writing, flags, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._number = number
        self._linked = False

    def _grow(self, count: int) -> None:
        self.size += count
        self.in_line = os.pread(self._file, 1, self.size - 1) != b"\n"
        self.unsynced = True

    def _found(self) -> list[Path]:
        return [Path(name) for name in sorted(glob.glob(self.pattern))]  # noqa: PTH207 - takes an absolute pattern
