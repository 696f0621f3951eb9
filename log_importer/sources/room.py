"""How much a spool may still hold: what is left of its bound, and of the disk."""

import os
from pathlib import Path

from log_importer.sources.segments import Segments


class Room:
    """For the segments in a folder."""

    def __init__(self, folder: Path, segments: Segments, size: int, enough: int, stays: int) -> None:
        """Bytes: `size` all segments may have, with less than `enough` there is no room, `stays` is left of the disk.

        Raises `OSError`.
        """
        self._folder = folder
        self._segments = segments
        self._size = size
        self._enough = enough
        self._stays = stays
        self._used = 0  # bytes, or more than there are: what was removed since is subtracted when it matters
        self.finished = 0
        """Segments that are, or fewer: likewise."""
        self.recount()

    def recount(self) -> None:
        """Looks at what was removed since. Raises `OSError`."""
        self.finished, self._used = self._segments.count()

    def take(self, count: int) -> None:
        """So many bytes were written."""
        self._used += count

    @property
    def left(self) -> int:
        """Bytes left of the bound, or of the disk. Raises `OSError`."""
        known = self._known
        if known >= self._enough:
            return known
        self.recount()
        return self._known

    @property
    def _known(self) -> int:
        """The disk is asked before reading, because what cannot be written is safer in the pipe than in our memory."""
        disk = os.statvfs(self._folder)
        told = disk.f_blocks > 0  # some file systems tell nothing
        return min(self._size - self._used, disk.f_bavail * disk.f_frsize - self._stays if told else self._size)

    @property
    def full(self) -> str:
        """What is, where there is no room."""
        if self._size - self._used < self._enough:
            return f"the spool is full ({self._used >> 10} KiB)"
        return "the disk is full"
