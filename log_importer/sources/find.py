"""What the command line names -> the sources of a run: files, objects, patterns, directories, standard input."""

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from log_importer.model import Disk
from log_importer.model.errors import SourceError
from log_importer.sources.find_objects import find_objects
from log_importer.sources.listed import Listed, disk_of_object
from log_importer.sources.unicode import wide_encoding
from log_importer.sources.unreadable import unreadable
from log_importer.sources.urls import SCHEMES, scheme_of, shown, unknown_scheme
from log_importer.sources.windows import WINDOW

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """A file or stream of lines: a file or named pipe at `path`, an object at `url`, or else standard input."""

    name: str  # as messages show it
    path: Path | None
    size: int | None = None  # bytes as it lies there; `None` for pipes, and where a server does not say
    encoding: str = ""  # where a newline is not one byte: UTF-16 or UTF-32 without a byte order mark
    mtime_ns: int = 0  # when it was last written, in nanoseconds since 1970 UTC
    ctime_ns: int = 0  # and when it was made, renamed or given that time
    place: tuple[int, int] = (0, 0)  # device and inode, or what stands for them
    url: str = field(default="", repr=False)  # with what may be secret in it; `name` is without
    tag: str = ""  # of an object: what changes when its content does
    window: int = WINDOW  # bytes of its content that decompressing it may hold at once

    @property
    def pipe(self) -> bool:
        """Whether it can be read only once."""
        return self.size is None and not self.url

    @property
    def disk(self) -> Disk | None:
        """An object in the place of a file on disk; `None` for all else, and where it has to be read for that."""
        known = Listed(self.url, self.size, self.tag, self.mtime_ns)
        return disk_of_object(known) if self.url and self.tag else None

    @property
    def stdin(self) -> bool:
        """Whether it is standard input, which has no place."""
        return self.path is None and not self.url


def find_sources(
    arguments: Iterable[str], encoding: str = "", window: int = WINDOW
) -> tuple[list[Source], list[SourceError]]:
    """The sources that `arguments` name, each once, and an error for each argument that names none.

    `encoding` is that of their text, `window` the bytes of content that decompressing one may hold at once.
    """
    sources: list[Source] = []
    errors: list[SourceError] = []
    seen = set[tuple[int, int]]()
    wide = wide_encoding(encoding)
    for argument in arguments:
        if argument == STDIN:
            if not any(source.stdin for source in sources):
                sources.append(Source("standard input", None, encoding=wide, window=window))
            continue
        objects: list[Source] = []
        paths: list[Path] = []
        try:
            if scheme_of(argument):
                objects = [_of_object(it, wide, window) for it in find_objects(argument, _NO_LOGS)]
            else:
                paths = list(_paths(argument))
        except SourceError as error:
            errors.append(error)
        except OSError as error:
            errors.append(unreadable(shown(argument), error))
        for one in objects:
            if one.place not in seen:
                seen.add(one.place)
                sources.append(one)
        for path in paths:
            try:
                status = path.stat()
            except OSError as error:  # such as a link that leads nowhere; the others are read
                errors.append(unreadable(str(path), error))
                continue
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                size = status.st_size if stat.S_ISREG(status.st_mode) else None
                place = (status.st_dev, status.st_ino)
                times = (status.st_mtime_ns, status.st_ctime_ns)
                sources.append(Source(str(path), path, size, wide, *times, place, window=window))
    return sources, errors


def _of_object(it: Listed, encoding: str, window: int) -> Source:
    return Source(shown(it.url), None, it.size, encoding, it.mtime_ns, 0, it.place, it.url, it.tag, window)


def lies_at(name: str) -> str:
    """Where the source that messages show as `name` lies, whatever the working directory is."""
    return name if scheme_of(name) else str(Path(name).absolute())


def source_at(place: str, like: Source) -> Source:
    """The source that lies at `place`, as `lies_at` gives it, to be looked at once more, and read as `like` is."""
    url = place if scheme_of(place) else ""
    path, size = (None, None) if url else (Path(place), 0)
    return Source(place, path, size, like.encoding, url=url, window=like.window)


def _paths(argument: str) -> Iterator[Path]:
    path = Path(argument)
    if (scheme := unknown_scheme(argument)) and not path.exists():
        raise SourceError(f"{shown(argument)}: nothing here reads {scheme}://.", f"There are: {', '.join(SCHEMES)}.")
    if path.is_dir():
        yield from _directory(path)
    elif path.exists() or not glob.has_magic(argument):
        path.stat()  # a missing file is an error here, not later
        yield path
    else:
        found = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        files = [Path(name) for name in found if not os.path.isdir(name)]  # noqa: PTH112 - Path.is_dir may raise
        if not files:
            raise SourceError(f"{argument}: no file matches.", "Check the pattern, and that the shell left it to us.")
        yield from files


def _directory(path: Path) -> Iterator[Path]:
    files = sorted(Path(entry.path) for entry in os.scandir(path) if entry.name[0] != "." and _may_be_file(entry))
    logs = [file for file in files if file.suffix.lower() not in _NO_LOGS]
    if not logs:
        raise SourceError(f"{path}: this directory holds no log files.", "Name files, or a directory that has some.")
    yield from logs


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link to what nobody can look at, which costs itself alone: its own error says why."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))  # noqa: PTH110
    except OSError:
        return True


_NO_LOGS = {".md", ".html", ".py", ".toml", ".sqlite3"}
"""Files that lie beside logs in a directory, such as the README of this project's samples."""
