"""Every error that ends a run or a source, with its exit code.

    LogImporterError
    ├── WorkerDied              1   a worker process died twice on the same chunk
    ├── UsageError              2   flags, environment or settings file; nothing was sent
    │   └── FormatError         2   a format file or format string
    ├── SourceError             3   a source does not exist or cannot be read
    ├── ServerRefused           4   token, rights, URL, redirect, TLS, BulkTracking
    ├── ServerUnreachable       5   no answer for longer than we were told to wait
    ├── JobLocked               6   another run of the same job, or with the same spool, is under way
    └── StateError              7   the state is damaged, newer, or not safe where it lies

A bad line is not an error: it is a counted value (`model.Rejected`).
"""

from collections.abc import Iterable
from typing import ClassVar


class LogImporterError(Exception):
    """What happened and where, in one sentence; `hint` says what to do about it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".rstrip()


class WorkerDied(LogImporterError):
    """A worker process died, and the one that took its chunk over died too."""


class UsageError(LogImporterError):
    """A flag, an environment variable or a settings file asks for what cannot be done."""

    exit_code = 2


class FormatError(UsageError):
    """A format file or format string is wrong; `what` begins with the file and the key."""


class SourceError(LogImporterError):
    """A source does not exist or cannot be read."""

    exit_code = 3


class ServerRefused(LogImporterError):
    """The server answered, and sending on would be useless or wrong."""

    exit_code = 4


class ServerUnreachable(LogImporterError):
    """The server did not answer for longer than we were told to wait."""

    exit_code = 5


class JobLocked(LogImporterError):
    """Another run of the same job, or with the same spool, holds its lock."""

    exit_code = 6


class StateError(LogImporterError):
    """The state is damaged, from a newer version, or not safe where it lies."""

    exit_code = 7


_PRECEDENCE = (7, 6, 2, 4, 5, 3, 1)


def worst(codes: Iterable[int]) -> int:
    """The exit code that stands for all of `codes`; 0 when there is none but 0.

    Codes outside the table (130 and 143, a signal) come before it: the user ended the run.
    """
    present = set(codes) - {0}
    signals = present - set(_PRECEDENCE)
    if signals:
        return max(signals)
    return next((code for code in _PRECEDENCE if code in present), 0)
