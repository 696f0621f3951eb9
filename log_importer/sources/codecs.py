"""The compressions that can be read: how the members of each begin, the memory they need, and what reads them."""

import bz2
import lzma
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from zlib_ng import zlib_ng as zlib

from log_importer.sources.windows import no_window, xz_window, zstd_window

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

_ZlibError: type[Exception] = zlib.error  # type: ignore[assignment]  # its stubs say that it is an instance
ERRORS = (_ZlibError, OSError, lzma.LZMAError, ZstdError, EOFError, MemoryError)
"""What a decompressor raises where the data is damaged, or takes more memory than there is."""
_XZ_STATE = 1 << 20
"""Bytes beside its dictionary that liblzma may take, which are some 64 KiB."""

_SMALLEST_STEP, _LARGEST_STEP = 1 << 6, 1 << 12
"""Bytes of output at once of a decompressor that loses them where there is damage behind them; fewer take longer."""


class Decompressor(Protocol):
    """Reads one member. It raises one of `ERRORS` after it has given what came before the damage."""

    needs_input: bool
    """Whether there is no more output without more input."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib, of which an error costs no output."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._begun = False
        self._error: Exception | None = None
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._error is not None:
            raise self._error
        before = self._zlib.copy() if self._begun else None  # type: ignore[attr-defined]  # its stubs lack it
        self._begun = True
        data = self._zlib.unconsumed_tail + data
        try:
            out = self._zlib.decompress(data, max_length)
        except _ZlibError as error:
            # zlib keeps to itself what it had made before the fault; the same again in small steps brings it out.
            self._error, self.needs_input = error, False
            return _until_error(before or zlib.decompressobj(wbits=31), data)
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


class _InSteps:
    """A decompressor of bz2, lzma or zstd. They cannot be copied, so an error costs the output of a step.

    That is 1/256 of what came before, or 64 bytes where that is more, and never more than 4 KiB.
    """

    def __init__(self, one: Any) -> None:
        self._one = one
        self._given = 0  # bytes
        self._error: Exception | None = None
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._error is not None:
            raise self._error
        one, left, full = self._one, max_length, True
        parts: list[bytes] = []
        try:
            while left and full and not one.eof:
                given = self._given + max_length - left
                step = min(left, _LARGEST_STEP, max(_SMALLEST_STEP, given >> 8))
                part = one.decompress(data, step)
                parts.append(part)
                left -= len(part)
                data = b""
                full = len(part) == step  # bz2 says then that it needs input, and may have more to give
        except ERRORS as error:
            self._error = error
        self._given += max_length - left
        self.needs_input = self._error is None and not full
        return b"".join(parts)

    @property
    def eof(self) -> bool:
        eof: bool = self._one.eof
        return eof

    @property
    def unused_data(self) -> bytes:
        data: bytes = self._one.unused_data
        return data


class Codec(NamedTuple):
    """A compression."""

    magics: tuple[bytes, ...]  # one of which each member begins with
    window: Callable[[bytes], int | None]
    """Bytes of content that reading a member which begins so has to hold; `None`: more of it has to be seen."""
    open: Callable[[int], Decompressor]
    """What reads a member. It is given the bytes of window that are allowed, and `window` was asked before."""
    slow: bool = False  # takes about as long for a log as all else that is done with it


_LARGEST_LOG = DecompressionParameter.window_log_max.bounds()[1]
_CODECS = (
    Codec((b"\x1f\x8b",), no_window, lambda _: _Gzip()),
    Codec((b"BZh",), no_window, lambda _: _InSteps(bz2.BZ2Decompressor()), slow=True),
    Codec(
        (b"\xfd7zXZ\x00",),
        xz_window,
        lambda window: _InSteps(lzma.LZMADecompressor(lzma.FORMAT_XZ, window + _XZ_STATE)),
        slow=True,
    ),
    Codec(
        # The others begin frames without content; pzstd writes one with the next frame's size before each.
        (b"\x28\xb5\x2f\xfd", *(bytes((first,)) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))),
        zstd_window,
        lambda _: _InSteps(ZstdDecompressor(options={DecompressionParameter.window_log_max: _LARGEST_LOG})),
    ),
)
_MAGICS = {magic: codec for codec in _CODECS for magic in codec.magics}
LONGEST_MAGIC = max(map(len, _MAGICS))
LONGEST_HEAD = 12 + 1024
"""Bytes of a member after which its `window` is known: the headers of an xz stream and of its first block."""


def sniff(head: bytes) -> Codec | None:
    """The compression of a stream that begins with `head`, `None` for a plain one."""
    return next((codec for magic, codec in _MAGICS.items() if head.startswith(magic)), None)


def may_be_compressed(head: bytes) -> bool:
    """Whether a stream that begins with `head`, be it short, can still turn out to be compressed."""
    return any(head.startswith(magic) or magic.startswith(head) for magic in _MAGICS)
