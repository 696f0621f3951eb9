"""A shared folder on a file system that all machines mount: local, NFS, or another with POSIX links."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from log_importer.model.errors import StateError


class Folder:
    """Objects as files. A temporary file is linked to its name, which fails where that is taken, or renamed to it."""

    def __init__(self, path: Path) -> None:
        """The folder is made where it is not there. Raises `StateError`."""
        self._path = path
        with self._failing(""):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def name(self) -> str:
        return str(self._path)

    def read(self, name: str) -> bytes | None:
        with self._failing(name):
            try:
                return (self._path / name).read_bytes()
            except FileNotFoundError:
                return None

    def create(self, name: str, data: bytes) -> bool:
        with self._failing(name):
            target = self._path / name
            made = self._written(target, data)
            try:
                os.link(made, target)
            except FileExistsError:
                return False
            finally:
                made.unlink()
            _sync(target.parent)
            return True

    def replace(self, name: str, data: bytes) -> None:
        with self._failing(name):
            target = self._path / name
            self._written(target, data).replace(target)
            _sync(target.parent)

    def delete(self, name: str) -> None:
        with self._failing(name):
            (self._path / name).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        with self._failing(folder):
            try:
                found = [path.name for path in (self._path / folder).iterdir()]
            except FileNotFoundError:
                return []
        return sorted(name for name in found if not name.startswith("."))

    def _written(self, target: Path, data: bytes) -> Path:
        """A temporary file beside `target` that holds `data`, on disk."""
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = target.with_name(f".{uuid.uuid4().hex}")
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(file, "wb") as stream:  # noqa: PTH123 - it is open already
                stream.write(data)
                stream.flush()
                os.fsync(file)
        except OSError:
            with suppress(OSError):
                made.unlink()
            raise
        return made

    @contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StateError(
                f"{self._path / name}: cannot be used: {reason}.",
                "Look at its rights, and at the room there.",
            ) from None


def _sync(folder: Path) -> None:
    """Brings the folder's own entries to the disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
