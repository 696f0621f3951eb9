"""A shared folder in an object store: S3, GCS or Azure, which can be told to make an object only if it is new."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from log_importer.model.errors import StateError, UsageError
from log_importer.sources.remote_errors import told
from log_importer.sources.stores import store_of
from log_importer.sources.unreadable import RemoteError
from log_importer.sources.urls import scheme_of, shown

STORES = ("s3", "gs", "az")
"""Schemes of stores whose writes are whole, and whose listings are never behind."""


class Store:
    """Objects below a URL."""

    def __init__(self, url: str) -> None:
        """Raises `UsageError` and `StateError`."""
        self._url = url
        if scheme_of(url) not in STORES:
            raise UsageError(
                f"{shown(url)}: cannot keep two machines apart.",
                "Name a folder that all machines mount, or one in s3://, gs:// or az://, with --shared-dir.",
            )
        with self._failing(""):
            self._store, self._path = store_of(url)

    @property
    def name(self) -> str:
        return shown(self._url)

    def read(self, name: str) -> bytes | None:
        with self._failing(name):
            try:
                data: bytes = self._store.cat_file(self._of(name))
            except FileNotFoundError:
                return None
            return data

    def create(self, name: str, data: bytes) -> bool:
        with self._failing(name):
            try:
                self._store.pipe_file(self._of(name), data, mode="create")
            except Exception as error:
                if isinstance(error, FileExistsError) or _is_there(error):
                    return False
                raise
            return True

    def replace(self, name: str, data: bytes) -> None:
        with self._failing(name):
            self._store.pipe_file(self._of(name), data)

    def delete(self, name: str) -> None:
        with self._failing(name), suppress(FileNotFoundError):
            self._store.rm_file(self._of(name))

    def names(self, folder: str) -> list[str]:
        with self._failing(folder):
            try:
                found = self._store.ls(self._of(folder), detail=False, refresh=True)
            except FileNotFoundError:
                return []
        return sorted({path.rstrip("/").rpartition("/")[2] for path in found})

    def _of(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    @contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        try:
            with told(scheme_of(self._url)):
                yield
        except RemoteError as error:
            raise StateError(f"{self.name}/{name}: cannot be used: {error.strerror}.", error.hint) from None


def _is_there(error: BaseException) -> bool:
    """Whether a store said that the object is there: S3 by 412 or, to a race, 409; Azure by its own words."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    said = {code, getattr(error, "error_code", None), type(error).__name__}
    return bool(said & _THERE)


_THERE = {"PreconditionFailed", "ConditionalRequestConflict", "ResourceExistsError", "BlobAlreadyExists"}
