"""An object in a store or on a web server, opened: read by ranges, one request after the other, or as it streams."""

from typing import Any, ClassVar

from log_importer.model import Disk
from log_importer.sources.find import Source
from log_importer.sources.fingerprint import BEGINNING, TAIL
from log_importer.sources.listed import Listed, disk_of_object, listed
from log_importer.sources.remote_errors import is_replaced, told
from log_importer.sources.stores import store_of
from log_importer.sources.unreadable import RemoteError
from log_importer.sources.urls import of_web, scheme_of

_FIRST = 256 << 10
"""Bytes of the first request, which is all that looking at a beginning needs; each next asks for twice as many."""
_MOST = 4 << 20
"""Bytes of one request, at most: enough that its round trip is short beside it."""
_TOGETHER = 32 << 20
"""Bytes of one request of each object that is open, together, about: 40 that are merged have 0.8 MiB each, not 4."""
REPLACED = "it was replaced while it was read"
DELETED = "it was deleted while it was read"
"""The damage of an object that is not there any more as it was when reading began."""


class RemoteFile:
    """Holds one block, of one request; the libraries' own reading ahead is off, since each has another measure."""

    waits = False
    links = 1
    _open: ClassVar[int] = 0  # how many there are in this process

    def __init__(self, source: Source) -> None:
        """Asks once for what it is. Raises `RemoteError`."""
        self.closed = False
        self._url, self._scheme = source.url, scheme_of(source.url)
        self._store, self._path = store_of(source.url)
        self._at = 0  # where reading is
        self._block, self._start = b"", 0  # what is held, and its offset
        self._next = _FIRST  # bytes of the next request
        self._answers = 0  # that what was read came in
        self._last = b""  # bytes before `_at`
        self._gone = ""  # the damage, once the store said so itself
        self._beginning: bytes | None = None
        self._file: Any = None
        self._streamed = 0  # offset that the stream of a server without ranges has come to
        with told(self._scheme):
            self._told = self._look()
        RemoteFile._open += 1

    def _look(self) -> Listed:
        """Opens what can be read by ranges, and asks what it is; a stream is opened when it is read."""
        if of_web(self._url):
            info = self._store.info(self._path)
            self._ranges = bool(info.get("size")) and info.get("partial", True)
            if self._ranges:
                self._file = self._store.open(
                    self._path, "rb", size=info["size"], block_size=_MOST, cache_type="none"
                )  # fmt: skip
            return listed(self._url, info)
        self._ranges = True
        self._file = self._store.open(self._path, "rb", cache_type="none")
        # A file of S3 that was asked what it is gives no byte of another version.
        return listed(self._url, getattr(self._file, "details", None) or self._store.info(self._path))

    @property
    def jumps(self) -> bool:
        return self._ranges

    @property
    def size(self) -> int:
        return -1 if self._told.size is None else self._told.size

    @property
    def modified(self) -> float:
        return self._told.mtime_ns / 1e9

    def read(self, count: int) -> bytes:
        if not self._start <= self._at < self._start + len(self._block):
            most = max(_FIRST, min(self._next, _TOGETHER // RemoteFile._open))
            block = self._get(self._at, most)
            if not block:
                return b""  # and what is held may be read once more
            self._block, self._start = block, self._at
            self._next = min(_MOST, 2 * most)
            if not self._start:
                self._beginning = block[:BEGINNING]
        ahead = self._at - self._start
        block = self._block[ahead : ahead + count]
        self._at += len(block)
        self._last = (self._last + block[-TAIL:])[-TAIL:]
        return block

    def read_at(self, offset: int, count: int) -> bytes:
        ahead = offset - self._start
        if ahead >= 0 and ahead + count <= len(self._block):
            return self._block[ahead : ahead + count]
        return self._get(offset, count)

    def seek(self, offset: int) -> None:
        self._at, self._last = offset, b""

    def speaks(self, seconds: float) -> bool:  # noqa: ARG002 - asked of pipes only
        return True  # every read waits for an answer

    def disk(self) -> Disk:
        if not self._told.tag and self._beginning is None:
            self._beginning = self.read_at(0, BEGINNING)
        return disk_of_object(self._told, self._beginning or b"")

    def fault(self) -> str:
        if self._gone or self._answers < 2:  # one answer is of one version
            return self._gone
        try:
            with told(self._scheme):
                now = listed(self._url, self._store.info(self._path))
        except RemoteError as error:
            if error.missing:
                return DELETED
            raise
        if (now.size, now.tag) == (self._told.size, self._told.tag) or self._has_grown(now):
            return ""
        return REPLACED

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        RemoteFile._open -= 1
        self._block = b""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            with told(self._scheme):
                self._file.close()
        self._file = None

    def _has_grown(self, now: Listed) -> bool:
        """Whether there is only more behind what was read, as of a log that is served while it is written.

        Its end alone tells nothing: that may have come from the new object already.
        """
        if not self._ranges or not self._beginning or now.size is None or now.size <= self.size:
            return False
        known = ((0, self._beginning), (self._at - len(self._last), self._last))
        return all(self._get(offset, len(data)) == data for offset, data in known)

    def _get(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`, fewer only at the end. Raises `RemoteError`."""
        with told(self._scheme):
            if self._ranges:
                count = min(count, self.size - offset)
                if count <= 0:
                    return b""
                try:
                    return self._get_range(offset, count)
                except ValueError as error:
                    if not of_web(self._url) or "range" not in str(error):
                        raise
                self._ranges = False  # the server did not say beforehand that it has none
                self._close()
            return self._get_streamed(offset, count)

    def _get_range(self, offset: int, count: int) -> bytes:
        self._answers += 1
        self._file.seek(offset)
        try:
            data: bytes = self._file.read(count)
        except OSError as error:
            if not is_replaced(error):
                raise
            self._gone = REPLACED
            return b""
        if len(data) < count:
            if listed(self._url, self._store.info(self._path)) == self._told:
                raise RemoteError("less came than was announced", "Run the same command again: it goes on from there.")
            self._gone = REPLACED
        return data

    def _get_streamed(self, offset: int, count: int) -> bytes:
        if self._file is None or self._streamed > offset:
            self._close()
            self._answers += 1
            self._file, self._streamed = self._store.open(self._path, "rb", block_size=0), 0
        while self._streamed < offset and self._take(min(_FIRST, offset - self._streamed)):
            pass
        parts: list[bytes] = []
        while count and (part := self._take(count)):
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _take(self, count: int) -> bytes:
        """The next bytes of the stream, as many as have come; b"" at its end."""
        part: bytes = self._file.read(count)
        self._streamed += len(part)
        return part
