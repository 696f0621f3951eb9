"""A folder that several machines write to: small objects, made once or replaced whole, never seen half written.

Only a place where making an object fails if it is there already will do, for that is how two machines that both believe
that something is theirs find out that one of them is wrong.
"""

import uuid
from pathlib import Path

from log_importer.model.errors import StateError, UsageError
from log_importer.sources.shared_folder.folder import Folder
from log_importer.sources.shared_folder.place import Shared

__all__ = ["Shared", "check_shared", "open_shared"]


def open_shared(place: str) -> Shared:
    """The folder that `place`, a path or a URL, names. Raises `UsageError` and `StateError`."""
    if "://" not in place:
        return Folder(Path(place).absolute())
    from log_importer.sources.shared_folder.store import Store  # needs a library of its own

    return Store(place)


def check_shared(shared: Shared) -> None:
    """Tries whether an object is made once; many may do so at the same time. Raises `UsageError` and `StateError`."""
    trial = f"trial-{uuid.uuid4().hex}"
    made = shared.create(trial, b"1")
    again, kept = shared.create(trial, b"2"), shared.read(trial)
    shared.delete(trial)
    if not made or kept is None:
        raise StateError(f"{shared.name}: what was written is not there.", "Name another folder with --shared-dir.")
    if again or kept != b"1":
        raise UsageError(
            f"{shared.name}: an object that is there can be made again, so two machines could not be kept apart.",
            "Name a folder on a file system that all machines mount, or on S3, GCS or Azure, with --shared-dir.",
        )
