"""Which process reads the segments of a spool: one at a time, and all of them for one job."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from log_importer.model.errors import JobLocked
from log_importer.sources.fingerprint import fingerprint
from log_importer.sources.state_folder import take_lock

_NEXT = "next"  # a file that is there while another process waits to read the segments
_JOB = "job"  # the file that says what the segments are for
_PAUSE = 0.1  # seconds between two attempts to be the one who reads them


class Turn:
    """Whose turn it is to read what is spooled in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def reading(self, job: str, wait: Callable[[float], bool]) -> Iterator[None]:
        """While it is held, nobody else reads the segments, whose lines are all for `job`.

        Where another process does, it is waited for: it, or a web server's old one, sends what we write meanwhile.
        `wait` pauses for so many seconds, and ends it by returning true. Raises `JobLocked` where that is for another
        job, and `StateError`.
        """
        wants, mark = self._folder / _NEXT, fingerprint(job.encode("utf-8", "surrogateescape")).hex()
        while True:
            try:
                lock = take_lock(self._folder / "spool.lock", "spool", self._locked)
                break
            except JobLocked:
                if self._job() not in ("", mark):
                    raise
            wants.touch()
            if wait(_PAUSE):
                raise KeyboardInterrupt
        try:
            wants.unlink(missing_ok=True)
            (self._folder / _JOB).touch(0o600)
            (self._folder / _JOB).write_text(mark)
            yield
        finally:
            os.close(lock)

    @property
    def wanted(self) -> bool:
        """Whether another process waits to read the segments."""
        return (self._folder / _NEXT).exists()

    def _job(self) -> str:
        try:
            return (self._folder / _JOB).read_text()
        except OSError:
            return ""

    def _locked(self, holder: str) -> JobLocked:
        return JobLocked(
            f"{self._folder}: another process (process {holder}) uses this spool for another job; nothing was read.",
            "Give each job a folder of its own with --spool.",
        )
