"""What a run does of each source: the portion from where earlier runs ended to where it ended when the run began."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from log_importer.model import BEGINNING, Boundary, Disk
from log_importer.model.errors import SourceError
from log_importer.sources.find import Source, find_sources, lies_at
from log_importer.sources.fingerprint import fingerprint
from log_importer.sources.stream import Stream


@dataclass(frozen=True, slots=True)
class Portion:
    """What a run does of one source. All offsets are in its decompressed bytes."""

    source: Source
    place: str  # the absolute path or the URL
    format: str
    headers: bool  # whether `#Fields:` lines have a meaning
    disk: Disk
    head_length: int
    head: bytes  # hash of so many of its first bytes
    start: Boundary = BEGINNING
    in_line: bool = False  # that is in the middle of a line, whose rest is known
    known_lines: int = 0  # before it
    end: int | None = None  # of a plain file; `None`: it is compressed, and read to its end by one task
    record: int = 0  # the number of the ledger's record; 0: it is new

    def as_json(self) -> dict[str, Any]:
        """What `portion_of` needs to make it again."""
        return {
            "place": self.place, "encoding": self.source.encoding, "window": self.source.window,
            "format": self.format, "headers": self.headers,
            "disk": [*self.disk[:4], self.disk.beginning.hex()], "head": [self.head_length, self.head.hex()],
            "start": [*self.start[:3], self.start.tail.hex()], "in_line": self.in_line,
            "known_lines": self.known_lines, "end": self.end, "record": self.record,
        }  # fmt: skip


def wherever(source: Source) -> Source:
    """The source as it is found by executors, which stand in folders of their own."""
    return source if source.path is None else replace(source, path=source.path.absolute())


def portion_of(written: dict[str, Any], sources: Mapping[str, Source]) -> Portion | None:
    """The portion that was written so; `None` where no source begins as it did.

    `sources` are those that the user names now, by their places: of a URL only they have what is secret in it, and a
    log may have been rotated.
    """
    place = written["place"]
    found = [sources[place]] if place in sources else find_sources([place], written["encoding"], written["window"])[0]
    others = [source for name, source in sources.items() if name != place]
    source = next((source for source in (*found, *others) if _begins(source, written)), None)
    if source is None:
        return None
    device, inode, size, mtime_ns, beginning = written["disk"]
    offset, line, header, tail = written["start"]
    length, head = written["head"]
    return Portion(
        wherever(source), lies_at(source.name), written["format"], written["headers"],
        Disk(device, inode, size, mtime_ns, bytes.fromhex(beginning)), length,
        bytes.fromhex(head), Boundary(offset, line, header, bytes.fromhex(tail)), written["in_line"],
        written["known_lines"], written["end"], written["record"],
    )  # fmt: skip


def _begins(source: Source, written: dict[str, Any]) -> bool:
    """Whether it begins as the portion's source did, and holds as much where that is known."""
    length, head = written["head"]
    try:
        with Stream(source) as stream:
            same = fingerprint(stream.head()[:length]).hex() == head
            return same and (not stream.plain or written["end"] is None or stream.end()[0] >= written["end"])
    except SourceError:
        return False
