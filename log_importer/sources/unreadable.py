"""The sentences for a source that the system, or a store, will not let us read, and for what is no log."""

import errno

from log_importer.model.errors import SourceError
from log_importer.sources.archives import Archive


class RemoteError(OSError):
    """Why an object cannot be had: `strerror` is a reason in half a sentence, `hint` says what to do.

    `missing`: the store answered, and has no such object.
    """

    def __init__(self, reason: str, hint: str, *, missing: bool = False) -> None:
        super().__init__(errno.EIO, reason)
        self.hint = hint
        self.missing = missing


def unreadable(name: str, error: OSError) -> SourceError:
    """The error for a source that cannot be opened."""
    return SourceError(f"{name}: cannot be read: {_reason(error)}.", _hint(error, "Check the name."))


def stopped(name: str, position: int, error: OSError) -> SourceError:
    """The error for a source of which `position` bytes, as it lies there, were read."""
    hint = f". {error.hint}" if isinstance(error, RemoteError) else "; look at the disk or mount."
    return SourceError(
        f"{name}: reading stopped at byte {position}: {_reason(error)}.", f"What came before is imported{hint}"
    )


def is_archive(name: str, archive: Archive) -> SourceError:
    """The error for a source that holds logs, in a shape that is not read."""
    return SourceError(
        f"{name}: this is {archive.title}, which is not read.", f"Unpack it: {archive.command} | log-importer import -"
    )


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason if isinstance(error, RemoteError) else reason.lower()


def _hint(error: OSError, usual: str) -> str:
    if isinstance(error, RemoteError):
        return error.hint
    return "Run as a user who may read it." if isinstance(error, PermissionError) else usual
