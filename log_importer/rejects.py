"""`--rejects FILE`: every rejected line with its place and reason, to look at and to repair."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from log_importer.errors import UsageError
from log_importer.model import RejectedLine


class Rejects:
    """Writes `source:line offset reason`, a tab, and the line as it was, one a line; does nothing without a file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
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
        if self._file is not None:
            self._file.close()

    def write(self, source: str, lines: Iterable[RejectedLine]) -> None:
        """Adds the rejected lines of a chunk of `source`."""
        if self._file is None:
            return
        for line in lines:
            place = f"{source}:{line.number} offset {line.offset} {line.reason}\t"
            self._file.write(place.encode("utf-8", "surrogateescape") + line.text + b"\n")
