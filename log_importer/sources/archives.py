"""Files that hold logs and are not read: archives, and compressions beside those of `codecs`, known by their bytes."""

from typing import NamedTuple


class Archive(NamedTuple):
    """What such a file is, and the command that brings out what it holds."""

    title: str
    magic: bytes
    command: str  # writes the content of FILE to standard output
    at: int = 0  # where `magic` stands in it


_ARCHIVES = (
    Archive("a tar archive", b"ustar", "tar -xOf FILE", 257),
    Archive("a zip archive", b"PK\x03\x04", "unzip -p FILE"),
    Archive("a zip archive", b"PK\x05\x06", "unzip -p FILE"),  # with nothing in it
    Archive("a 7z archive", b"7z\xbc\xaf\x27\x1c", "7z x -so FILE"),
    Archive("a rar archive", b"Rar!\x1a\x07", "unrar p -inul FILE"),
    Archive("compressed with compress (.Z)", b"\x1f\x9d", "gzip -dc FILE"),
    Archive("compressed with lz4", b"\x04\x22\x4d\x18", "lz4 -dc FILE"),
)
HEAD = max(one.at + len(one.magic) for one in _ARCHIVES)
"""Bytes of a source, decompressed, that tell whether it is one."""


def archive_of(head: bytes) -> Archive | None:
    """What a source is that begins with `head`, decompressed; `None` where it is none of these."""
    return next((one for one in _ARCHIVES if head.startswith(one.magic, one.at)), None)
