"""Compressed bytes -> bytes, in blocks of bounded size, by what the bytes are and never by a file's name."""

import bz2
import lzma
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from zlib_ng import zlib_ng as zlib

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

_ZlibError: type[Exception] = zlib.error  # type: ignore[assignment]  # its stubs say that it is an instance
BLOCK = 1 << 18
"""Bytes that one step gives at most, so that a file that swells a thousandfold needs no more memory than another."""


class Decompressor(Protocol):
    """What bz2, lzma and zstd have in common; gzip is made to fit below."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._error: Exception | None = None
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._error is not None:
            raise self._error
        before = self._zlib.copy()  # type: ignore[attr-defined]  # its stubs lack it
        data = self._zlib.unconsumed_tail + data
        try:
            out = self._zlib.decompress(data, max_length)
        except _ZlibError as error:
            # zlib keeps to itself what it had made before the fault; the same again in small steps brings it out.
            self._error, self.needs_input = error, False
            return _until_error(before, data)
        self.needs_input = not self._zlib.unconsumed_tail and len(out) < max_length
        return out

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


def _until_error(before: Any, data: bytes, step: int = 4096) -> bytes:
    out = bytearray()
    for start in range(0, len(data), step):
        part = data[start : start + step]
        whole = before.copy()
        try:
            out += before.decompress(part)
        except _ZlibError:
            return bytes(out) + (_until_error(whole, part, step // 64) if step > 1 else b"")
    return bytes(out)


_MAGIC: tuple[tuple[bytes, Callable[[], Decompressor]], ...] = (
    (b"\x1f\x8b", _Gzip),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
    (b"\x28\xb5\x2f\xfd", ZstdDecompressor),
)
SLOW = (bz2.BZ2Decompressor, lzma.LZMADecompressor)
"""Those that take about as long for a log as all else that is done with it."""
LONGEST_MAGIC = max(len(magic) for magic, _ in _MAGIC)
_ERRORS = (_ZlibError, OSError, lzma.LZMAError, ZstdError, EOFError)


def sniff(head: bytes) -> Callable[[], Decompressor] | None:
    """The decompressor for a stream that begins with `head`, `None` for a plain one."""
    return next((make for magic, make in _MAGIC if head.startswith(magic)), None)


def may_be_compressed(head: bytes) -> bool:
    """Whether a stream that begins with `head`, be it short, can still turn out to be compressed."""
    return any(head.startswith(magic) or magic.startswith(head) for magic, _ in _MAGIC)


class Damage(Exception):
    """The stream ends early or is broken; all that came before it has been given."""


class Garbage(Exception):
    """All of the stream has been given, and what lies behind it is something else."""


def decompress(
    blocks: Iterator[bytes], make: Callable[[], Decompressor], most: Callable[[], int] = lambda: BLOCK
) -> Iterator[bytes]:  # fmt: skip
    """The content of all members of the compressed stream `blocks`, `most` bytes at once.

    Raises `Damage` or `Garbage` after the last byte that could be had. Zero padding behind the last member is neither.
    """
    one = make()
    begun = False
    for block in blocks:
        data = block
        while True:
            if one.eof:
                data = (one.unused_data if begun else data).lstrip(b"\0")
                one, begun = make(), False
                if data and not may_be_compressed(data):
                    raise Garbage
            if not data and one.needs_input:
                break
            begun = True
            try:
                out = one.decompress(data, most())
            except _ERRORS as error:
                raise Damage(f"its compressed data is damaged ({error})") from None
            data = b""
            if out:
                yield out
            if one.eof and not one.unused_data:
                break
    if begun and not one.eof:
        raise Damage("its compressed data ends in the middle")
