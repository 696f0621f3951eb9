"""`--rejects FILE`: every rejected line with its place and reason, to look at and to repair."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from log_importer.model import RejectedLine
from log_importer.model.errors import LogImporterError, UsageError


class Rejects:
    """Writes `source:line offset reason`, a tab, and the line as it was, one a line; does nothing without a file."""

    def __init__(self, path: Path | None, failed: Callable[[LogImporterError], object]) -> None:
        """`failed` is told once where the file takes no more, as on a full disk: the run goes on without it."""
        self._path = path
        self._failed = failed
        self._file: BinaryIO | None = None

    def __enter__(self) -> "Rejects":
        if self._path is not None:
            try:
                self._file = self._path.open("wb")
            except OSError as error:
                reason = (error.strerror or "").lower()
                raise UsageError(f"{self._path}: --rejects cannot be written: {reason}.") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._do(lambda file: file.close())

    def write(self, source: str, lines: Iterable[RejectedLine]) -> None:
        """Adds the rejected lines of a chunk of `source`."""
        text = b"".join(
            f"{source}:{line.number} offset {line.offset} {line.reason}\t".encode("utf-8", "surrogateescape")
            + line.text + b"\n"
            for line in lines
        )  # fmt: skip
        self._do(lambda file: file.write(text))

    def _do(self, act: Callable[[BinaryIO], object]) -> None:
        if self._file is None:
            return
        try:
            act(self._file)
        except OSError as error:
            file, self._file = self._file, None
            with suppress(OSError):  # what is left in its buffer cannot be written either
                file.close()
            reason = (error.strerror or "").lower()
            self._failed(
                LogImporterError(
                    f"{self._path}: --rejects cannot be written: {reason}.", "The import went on without it."
                )
            )
