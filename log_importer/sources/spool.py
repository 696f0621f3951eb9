"""Standard input, written first to files that are then sources like any other.

Lines that are in a file outlive a `kill -9`, and while a server is away what writes into the pipe need not wait for it.

On Linux the kernel moves the bytes from the pipe to the file, and none is ever in our memory only: what is not in a
file, be it for a kill or a full disk, is still in the pipe. Elsewhere, from what is no pipe, and behind a line of more
than 16 KiB with which a segment ends, a block is read and at once written: a kill between the two calls loses up to
64 KiB, and while writing fails a block waits in memory.
"""

import errno
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from log_importer.model.errors import SourceError, StateError
from log_importer.sources.archives import HEAD, archive_of
from log_importer.sources.codecs import sniff
from log_importer.sources.room import Room
from log_importer.sources.segments import Segments
from log_importer.sources.state_folder import own_folder
from log_importer.sources.turn import Turn

BLOCK = 1 << 16
"""Bytes read at once; a pipe holds as many."""
LONGEST_LINE = 1 << 20
"""Bytes by which a single line may exceed the bound."""
SMALLEST_SEGMENT = 1 << 16
_SEGMENTS = 16
_SYNC = 1.0  # seconds between two calls that bring data to the disk itself
_LOOK = 1.0  # seconds between two looks whether there is room again
_REPEAT = 60.0  # seconds between two sentences about the same thing
_PATIENCE = 60.0  # seconds that writing may fail before a line is torn
_GRACE = 1.0  # seconds that `stop` goes on reading a pipe that goes on flowing
_HUNG = 5.0  # seconds after which `stop` gives up a thread that a disk does not let go
_CREEP = 1 << 14  # bytes to look for a line end one by one, longer than nearly any line of a web server
_NO_PIPE = (errno.EINVAL, errno.EBADF)  # or one that we may not read, which reading tells
_STAYS = LONGEST_LINE + 2 * BLOCK  # bytes that stay free on the disk


class Spool:
    """Reads a pipe into the files of a folder, in a thread of its own, while it is held as a context manager.

    A file, or segment, is ended at a line end once it has a sixteenth of the bound (at least 64 KiB), so that no line
    is torn over two. The exception is a line that leaves the reader nothing to remove, and so no way to make room: it
    may exceed the bound by 1 MiB, and is then torn; its rest begins the next segment and counts as a line.
    """

    def __init__(self, folder: Path, size: int, say: Callable[[str], None], file: int = 0) -> None:
        """`size`: the most bytes that all segments may have; `say` is called from the thread; `file` is read."""
        self._folder = folder
        self._size = size
        self._say = say
        self._file = file
        self._segment_size = max(SMALLEST_SEGMENT, size // _SEGMENTS)
        # Reading goes on only with some room: else each few bytes set free would become a segment of a few bytes.
        self._enough = min(BLOCK, max(1, size // _SEGMENTS))
        self._segments: Segments
        self.turn: Turn
        """Whose it is to read what lies here."""
        self._wakes = self._woken = -1
        self._thread: threading.Thread | None = None
        self._stop_by = float("inf")  # by the monotonic clock
        self._to_the_end = False
        self._over = False
        self._failure: BaseException | None = None
        self._room: Room
        self._crowded = False
        self._synced = 0.0
        self._splices = True
        self._crept = 0  # bytes of the segment that were moved one by one
        self._begins = True  # what was read of the pipe does not tell yet whether it is text
        self._failing_since = float("inf")  # by the monotonic clock
        self._said: dict[str, float] = {}

    def __enter__(self) -> "Spool":
        """Takes the folder. Raises `StateError` and `SourceError`."""
        _check_open(self._file)  # before another file takes its number
        self._folder = own_folder(self._folder, "spool", "--spool")
        self.turn = Turn(self._folder)
        try:
            self._segments = Segments(self._folder)
            self._room = Room(self._folder, self._segments, self._size, self._enough, _STAYS)
        except OSError as error:
            raise StateError(f"{self._folder}: the spool cannot be read: {_reason(error)}.") from None
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wakes, False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread is not None and self._thread.is_alive():
            return  # it still uses these files
        for file in (self._woken, self._wakes):
            os.close(file)
        self._wakes = -1

    def start(self) -> None:
        """Begins to read. What an earlier process left is there already."""
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    @property
    def pattern(self) -> str:
        """The glob of all segments, of this process and of earlier ones; their names sort as they were written.

        It may match none: a segment is begun with its first bytes.
        """
        return self._segments.pattern

    @property
    def ended(self) -> bool:
        """Whether no more will be written: the pipe was closed, or `stop` was called.

        Raises what ended the thread before its time. What it had read is in segments, or the error says otherwise.
        """
        over = self._over  # looked at first: the thread sets it last
        if self._failure is not None:
            raise self._failure
        return over

    def complete(self, path: Path) -> bool:
        """Whether no more will be written to this segment.

        Ask before reading it to its end, not after: between the two, lines may come.
        """
        try:
            return self._segments.complete(path)
        except OSError:
            return False  # whoever reads it says why

    def remove(self, path: Path) -> None:
        """Deletes a complete segment, whose every line is done, so that there is room again. Raises `StateError`."""
        if not self.complete(path):
            raise ValueError(f"{path} is still being written")
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"{path}: cannot be removed: {_reason(error)}.", "Look at the folder's rights.") from None
        self._wake()

    def stop(self, to_the_end: float = 0.0) -> None:
        """Takes what lies in the pipe, for up to a second and as far as there is room, and ends the thread.

        What is left in the pipe is left to the next process that reads it. A pipe that goes on flowing may be left in
        the middle of a line. With `to_the_end` the pipe's end is waited for, for so many seconds: a web server that is
        restarted gives the next process a pipe of its own, and goes on writing into this one for a while. Errors are
        told by `ended`.
        """
        self._to_the_end = to_the_end > 0
        self._stop_by = min(self._stop_by, time.monotonic() + (to_the_end or _GRACE))
        self._wake()
        if self._thread is None:
            self._over = True
            return
        self._thread.join(to_the_end + _HUNG)
        if self._thread.is_alive():
            self._failure = StateError(
                f"{self._folder}: the disk does not answer; up to {BLOCK >> 10} KiB read last may be missing there.",
                "Look at the disk or mount.",
            )

    def _run(self) -> None:
        try:
            try:
                self._spool()
            finally:
                self._finish()
        except BaseException as error:  # whatever it is, the main thread must know
            self._failure = error
        self._over = True

    def _spool(self) -> None:
        while self._readable():
            room = self._to_read()
            if room <= 0:
                if self._stopping:
                    self._tell("stop", "the spool has no room; what lies in the pipe is left there")
                    return
                self._wait([], _LOOK)
                continue
            try:
                if not self._take(min(BLOCK, room)):
                    return
            except BlockingIOError:  # it is not ours alone
                continue

    def _take(self, count: int) -> bool:
        """Brings up to `count` bytes from the pipe to a segment; False at the pipe's end."""
        left = self._segment_size - self._segments.size
        ending = self._crowded or left <= 0  # and in a line, else it were finished
        if not self._splices or (ending and self._crept >= _CREEP):
            return self._copy(count)
        try:
            if ending:
                moved = self._segments.take_line(self._file, min(count, _CREEP))
                self._crept += moved
            else:
                moved = self._segments.take(self._file, min(count, left))
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno in _NO_PIPE:
                self._splices = False
            else:
                self._bear(error)
            return True
        self._written(moved)
        if not self._segments.in_line and (self._crowded or self._segments.size >= self._segment_size):
            self._finish()
        return moved > 0

    def _copy(self, count: int) -> bool:
        """Reads a block and writes it; where its segment is to be ended, it is at the block's last line end."""
        try:
            block = os.read(self._file, count)
        except BlockingIOError:
            raise
        except OSError as error:
            raise SourceError(
                f"standard input: reading stopped: {_reason(error)}.", "What came before is in the spool."
            ) from None
        end = block.rfind(b"\n") + 1
        if end and (self._crowded or self._segments.size + len(block) >= self._segment_size):
            self._write(block[:end])
            self._finish()
            self._write(block[end:])
        else:
            self._write(block)
        return len(block) > 0

    @property
    def _stopping(self) -> bool:
        return self._stop_by != float("inf")

    def _readable(self) -> bool:
        """Waits for the pipe; False where we are to stop, and it is empty or time is up."""
        while not self._stopping:
            if self._wait([self._file], None):
                return True
        while self._to_the_end and (left := self._stop_by - time.monotonic()) > 0:
            if self._wait([self._file], left):
                return True
        return self._wait([self._file], 0) and time.monotonic() < self._stop_by

    def _wait(self, files: list[int], seconds: float | None) -> bool:
        """Sleeps until one of `files` is readable, and returns sooner where somebody calls `_wake`; whether one is."""
        if self._segments.unsynced:
            due = max(0.0, self._synced + _SYNC - time.monotonic())
            seconds = due if seconds is None else min(due, seconds)
        ready = select.select([*files, self._woken], [], [], seconds)[0]
        if self._woken in ready:
            os.read(self._woken, BLOCK)
        if self._segments.unsynced and time.monotonic() >= self._synced + _SYNC:
            self._sync()
        return any(file in ready for file in files)

    def _wake(self) -> None:
        try:
            if self._wakes >= 0:
                os.write(self._wakes, b".")
        except BlockingIOError:  # full of calls that were not heard yet
            pass

    def _to_read(self) -> int:
        """How many bytes may be read now; none where we wait for the reader to remove a segment, or for the disk.

        A reader that has done all it can must always find a segment to remove. So one that ends at a line end is
        finished when there is no room. One that ends in the middle of a line is waited with while there are others.
        Alone, it goes on to its line end beyond the bound: a torn line is a lost hit, and a little more disk is not.
        But a line that never ends must not stop everything for ever, nor fill the disk, so after 1 MiB it is torn.
        """
        room = self._room.left
        self._crowded = room < self._enough
        if not self._crowded:
            return room
        if self._segments.size and not self._segments.in_line:
            self._finish()
        if self._segments.size and not self._room.finished:
            if room + LONGEST_LINE > 0:
                return room + LONGEST_LINE
            self._finish()
        if not self._stopping:
            self._tell("full", f"{self._room.full}; what writes into standard input waits until there is room")
        return 0

    def _tell(self, kind: str, state: str) -> None:
        """Says a sentence, one of a kind a minute, with the time, without which it would be said only once."""
        now = time.monotonic()
        if now - self._said.get(kind, -_REPEAT) >= _REPEAT:
            self._said[kind] = now
            self._say(f"{self._folder}: at {time.strftime('%H:%M:%S')} {state}.")

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                written = self._segments.write(rest)
            except OSError as error:
                if time.monotonic() > self._stop_by:
                    raise StateError(
                        f"{self._folder}: the last {len(rest)} bytes read are lost: {_reason(error)}.",
                        "Look at the disk.",
                    ) from None
                self._bear(error)
                continue
            self._written(written)
            rest = rest[written:]

    def _written(self, count: int) -> None:
        self._room.take(count)
        self._failing_since = float("inf")
        if self._begins:
            head = self._segments.beginning(HEAD)
            self._begins = len(head) < HEAD and b"\n" not in head
            if sniff(head) or archive_of(head):
                self._segments.discard()  # cut at what looks like line ends, nobody could read it
                raise SourceError(
                    "standard input is compressed or an archive, and --spool takes lines.",
                    "Unpack it before: zcat FILE | log-importer import --spool DIR -",
                )

    def _bear(self, error: OSError) -> None:
        """Waits for writing to be possible again.

        What fills a quota may be the segment that is written, which the reader cannot remove before it is finished. So
        it is finished: at a line end at once, in the middle of a line when all others are gone and a minute has passed.
        """
        now = time.monotonic()
        self._failing_since = min(self._failing_since, now)
        self._tell(
            f"write {error.errno}",
            f"writing failed: {_reason(error)}; it is tried again, and what writes into standard input waits",
        )
        if self._segments.size and (not self._segments.in_line or now - self._failing_since > _PATIENCE):
            self._room.recount()
            if not self._segments.in_line or not self._room.finished:
                self._finish()
        self._wait([], min(_LOOK, max(0.0, self._stop_by - now)))

    def _finish(self) -> None:
        """Ends the segment that is written, durably; so it is left out of what `_wait` does once a second."""
        if self._segments.size:
            if self._segments.unsynced:
                self._sync()
            self._room.finished += 1
        self._segments.finish()
        self._crept = 0

    def _sync(self) -> None:
        try:
            self._segments.sync()
        except OSError as error:
            self._tell("sync", f"the disk did not take what is in the spool: {_reason(error)}; mind a loss of power")
        self._synced = time.monotonic()


def _check_open(file: int) -> None:
    """Raises `SourceError` where standard input is closed.

    Closed from the start, its number may by now be that of another file, which only the interpreter can tell.
    """
    try:
        if file == 0 and sys.__stdin__ is None:
            raise OSError
        os.fstat(file)
    except OSError:
        raise SourceError("standard input is closed.", "Lead a pipe into it, or leave out -.") from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
