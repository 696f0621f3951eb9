"""A folder that several machines write to: small objects, made once or replaced whole, never seen half written.

Only a place where making an object fails if it is there already will do, for that is how two machines that both believe
that something is theirs find out that one of them is wrong.
"""

from pathlib import Path

from log_importer.errors import StateError, UsageError
from log_importer.shared.folder import Folder
from log_importer.shared.place import Shared

__all__ = ["Shared", "open_shared"]

_TRIAL = "trial"


def open_shared(place: str) -> Shared:
    """The folder that `place`, a path or a URL, names; it is made, and tried. Raises `UsageError`, `StateError`."""
    if "://" not in place:
        shared: Shared = Folder(Path(place).absolute())
    else:
        from log_importer.shared.store import Store  # needs a library of its own

        shared = Store(place)
    _try(shared)
    return shared


def _try(shared: Shared) -> None:
    shared.delete(_TRIAL)
    made = shared.create(_TRIAL, b"1")
    again, kept = shared.create(_TRIAL, b"2"), shared.read(_TRIAL)
    shared.delete(_TRIAL)
    if not made and kept is None:
        raise StateError(f"{shared.name}: what was written is not there.", "Name another folder with --shared-dir.")
    if again or kept != b"1":
        raise UsageError(
            f"{shared.name}: an object that is there can be made again, so two machines could not be kept apart.",
            "Name a folder on a file system that all machines mount, or on S3, GCS or Azure, with --shared-dir.",
        )
