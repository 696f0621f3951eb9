"""What `--follow` was told to follow, looked at again and again; and where a log that was named lies once rotated."""

import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path
from typing import NamedTuple

from log_importer.model.errors import SourceError
from log_importer.sources.find import Source, find_sources, lies_at
from log_importer.sources.rotated import rotated

_SECOND = 1_000_000_000
_TICK = 20_000_000
"""Nanoseconds by which a file's time may be behind the clock; a second where the file system knows no less."""
_SETTLING = 60.0
"""Seconds after a rotation for which the files that it made are looked for."""


@dataclass(slots=True)
class _Name:
    """One argument."""

    text: str
    place: tuple[int, int] | None = None  # of the file that lay there when last seen
    sources: list[Source] = field(default_factory=list)
    looked_for: float = 0.0  # until when rotated files are, by the steady clock
    since: float = 0.0  # files written to since then, in seconds since 1970 UTC, may hold lines that nobody read

    @property
    def path(self) -> Path | None:
        """The file, where the argument names one; a pattern or a folder finds what is rotated by itself."""
        path = Path(self.text)
        return None if (has_magic(self.text) and not os.path.exists(path)) or _is_folder(path) else path  # noqa: PTH110


class Seen(NamedTuple):
    """A file as it lies there."""

    source: Source
    named: bool = True  # else it is known as the rotated file of one that is
    since: float = 0.0  # when all of its log had been read last, in seconds since 1970 UTC

    @property
    def old(self) -> bool:
        """Whether it was not written to since, so that only of a source that is known anything can be wanted."""
        return _latest(self.source.mtime_ns) < self.since * _SECOND

    @property
    def moved(self) -> bool:
        """Whether it was made, renamed or given another time since."""
        return _latest(self.source.ctime_ns) >= self.since * _SECOND


class Names:
    """The arguments. All times are in seconds."""

    def __init__(self, arguments: Sequence[str], encoding: str, window: int, since: float | None) -> None:
        """`since` is when, in an earlier run, all that was followed had been read; `None` where there was none.

        `encoding` and `window` are those of `find_sources`. Raises `SourceError` where a file could never appear.
        """
        self._names = [_Name(argument) for argument in dict.fromkeys(arguments)]
        self._reading = encoding, window
        self.caught_up = time.time() if since is None else since
        """When all that is followed had been read, in seconds since 1970 UTC."""
        self.missing: list[SourceError] = []
        """Why arguments led to no file in the last look."""
        for name in self._names:
            if name.path is not None and not _is_folder(name.path.parent):
                raise SourceError(f"{name.text}: there is no folder {name.path.parent}.", "Check the name.")
            if name.path is not None:
                self._look_for(name)

    def rotated(self, path: str) -> None:
        """What lay at `path` was emptied: its lines may be in another file now."""
        for name in self._names:
            if name.path is not None and str(name.path) == path:
                self._look_for(name)

    def look(self) -> list[Seen]:
        """The files that the arguments lead to, and the rotated ones that may hold lines that nobody read."""
        self.missing = []
        others: list[Seen] = []
        for name in self._names:
            found, errors = find_sources([name.text], *self._reading)
            self.missing += errors
            name.sources = [source for source in found if source.size is not None]
            if name.path is not None:
                place = name.sources[0].place if name.sources else None
                if name.place not in (None, place):
                    self._look_for(name)
                name.place = place
                others += self._rotated(name)
        return [*(Seen(source) for name in self._names for source in name.sources), *others]

    def new(self, source: Source, known: Collection[str]) -> bool:
        """Whether nothing was ever read where `source` was found; `known` are the names of what was."""
        texts = [lies_at(name.text) for name in self._names if source in name.sources]
        return not any(fnmatchcase(one, text) or one.startswith(f"{text}/") for text in texts for one in known)

    def family(self, source: Source) -> str:
        """What `source` was found by: files with the same are likely to be in the same format."""
        return next((name.text for name in self._names if source in name.sources), "")

    def _look_for(self, name: _Name) -> None:
        still = time.monotonic() < name.looked_for
        name.since = min(name.since, self.caught_up) if still else self.caught_up
        name.looked_for = time.monotonic() + _SETTLING

    def _rotated(self, name: _Name) -> list[Seen]:
        if name.path is None or time.monotonic() >= name.looked_for:
            return []
        found, _ = find_sources([str(path) for path in rotated(name.path)], *self._reading)
        return [Seen(one, named=False, since=name.since) for one in found if one.size is not None]


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where this user may not look


def _latest(time_ns: int) -> int:
    """The latest that a file's time may stand for, in nanoseconds since 1970 UTC."""
    return time_ns + (_TICK if time_ns % _SECOND else _SECOND)
