"""An object as its store lists it, and what it is known by without being read."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from log_importer.model import Disk
from log_importer.sources.fingerprint import fingerprint
from log_importer.sources.urls import shown

_ETAGS = ("ETag", "etag")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "Last-Modified")
_SECOND = 1_000_000_000


UNTOLD = -1
"""The size of an object whose server gives a tag and no size, as where it calls a compressed log encoded."""
_NEVER = -2
"""The size of one that nothing is told of: it is never taken for finished, and read each time."""


class Listed(NamedTuple):
    """An object, by what its store says of it."""

    url: str
    size: int | None  # in bytes; `None` where the server does not say
    tag: str  # what changes when its content does: its etag, or else when it was written; "" where neither is told
    mtime_ns: int  # when it was written, in nanoseconds since 1970 UTC; 0 where that is not told

    @property
    def place(self) -> tuple[int, int]:
        """What stands for device and inode: hashes of the store and of the URL, however that is signed."""
        name = shown(self.url)
        scheme, _, rest = name.partition("://")
        return _number(f"{scheme}://{rest.partition('/')[0]}"), _number(name)


def listed(url: str, info: Mapping[str, Any]) -> Listed:
    """An object from what fsspec tells of it, which is by other names for each store."""
    etag = next((str(info[name]) for name in _ETAGS if info.get(name)), "")
    moment = next((found for name in _TIMES if (found := _moment(info.get(name))) is not None), None)
    written = "" if moment is None else f"written {int(moment.timestamp())}"
    mtime_ns = 0 if moment is None else int(moment.timestamp() * _SECOND)
    return Listed(url, info.get("size"), f"etag {etag}" if etag else written, mtime_ns)


def disk_of_object(it: Listed, beginning: bytes = b"") -> Disk:
    """The object in the place of a file on disk; `beginning` are its first 4 KiB, where it has no tag.

    A listing and a look at the object itself may tell its time by other fractions of a second: its tag stands for that.
    """
    size = it.size if it.size is not None else UNTOLD if it.tag else _NEVER
    return Disk(*it.place, size, 0, fingerprint(it.tag.encode() or beginning))


def _number(text: str) -> int:
    """A number that SQLite can keep, larger than any device has."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()) >> 1 | 1 << 60


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return parsedate_to_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
