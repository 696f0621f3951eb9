"""The files of a spool, one written after the other; what is known of them is what lies in the folder."""

import glob
import os
from contextlib import suppress
from pathlib import Path

_durable = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Segments:
    """`spool-0000000001.log` and so on; at most one of them is being written, by one thread."""

    def __init__(self, folder: Path) -> None:
        """`folder` exists and is ours alone. Each file of an earlier process counts as finished, however it ends.

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
            if not path.stat().st_size:  # killed between two lines of `write`
                path.unlink()

    def count(self) -> tuple[int, int]:
        """How many finished ones lie in the folder, and the bytes of all. Raises `OSError`."""
        finished = used = 0
        for path in self._found():
            with suppress(FileNotFoundError):  # removed just now
                used += path.stat().st_size
                finished += path.name != self.writing
        return finished, used

    def write(self, data: memoryview) -> int:
        """Appends the beginning of `data`, to a new one where none is being written; the bytes of it written.

        Raises `OSError`; nothing was written then.
        """
        if self._file < 0:
            self._begin()
        written = os.write(self._file, data)
        self.size += written
        self.in_line = data[written - 1] != ord("\n")
        self.unsynced = True
        return written

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

    def finish(self) -> None:
        """Ends the one that is being written; call `sync` before."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self.size, self.in_line, self.writing = -1, 0, False, ""

    def _begin(self) -> None:
        self.writing = f"spool-{self._number + 1:010}.log"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(self._folder / self.writing, flags, 0o600)
        self._number += 1
        self._linked = False

    def _found(self) -> list[Path]:
        return [Path(name) for name in sorted(glob.glob(self.pattern))]  # noqa: PTH207 - takes an absolute pattern
