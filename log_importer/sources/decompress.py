"""Compressed bytes -> bytes, in blocks of bounded size, by what the bytes are and never by a file's name."""

from collections.abc import Callable, Iterator

from log_importer.sources.codecs import ERRORS, LONGEST_HEAD, Decompressor, may_be_compressed, sniff
from log_importer.sources.windows import WINDOW

BLOCK = 1 << 18
"""Bytes that are given at once at most, so that a file that swells a thousandfold needs no more memory than another."""
ENDS_EARLY = "its compressed data ends in the middle"
"""The damage of a stream whose rest is missing, or is yet to be written."""
_SMALLEST, _LARGEST = 1 << 9, 1 << 16
"""Bytes that a decompressor is handed at once. It copies what lies behind its member, so it gets little of what may be
many members, and of a member that goes on twice as much each time: in all no more than some times what there is."""


class Damage(Exception):
    """The stream ends early or is broken; all that came before it has been given.

    But for up to 4 KiB of bzip2, xz and zstd before a place that is broken, which their libraries keep.
    """


class Garbage(Exception):
    """All of the stream has been given, and what lies behind it is something else."""


def decompress(
    blocks: Iterator[bytes], window: int = WINDOW, most: Callable[[], int] = lambda: BLOCK
) -> Iterator[bytes]:
    """The content of all members of the compressed stream `blocks`, `most` bytes at once; b"" for each block b"".

    All that can be had of a block is given before the next is taken. No member may need a window of more than `window`
    bytes. Raises `Damage` or `Garbage` after the last byte that could be had. Zero padding between members, and behind
    the last one, is neither.
    """
    members = _Members(window)
    for block in blocks:
        if not block:
            yield block
        members.feed(block)
        while content := members.read(most()):
            yield content
    members.end()


class _Members:
    """The members of a stream, as one. Feed it, and read until nothing comes, in turn."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._data = b""
        self._at = 0  # in it: what comes before was handed to the decompressor
        self._one: Decompressor | None = None  # of the member that has begun
        self._starved = True  # more input is needed
        self._portion = _SMALLEST
        self._fault: Damage | Garbage | None = None

    def feed(self, data: bytes) -> None:
        """The next bytes of the stream. All that came before has to be read."""
        self._data = self._data[self._at :] + data
        self._at = 0
        self._starved = False

    def read(self, most: int) -> bytes:
        """The next bytes of content, fewer than `most` where all were read that were fed. Raises `Damage`, `Garbage`.

        These come after the last content.
        """
        parts: list[bytes] = []
        left = most
        while left and not self._starved and self._fault is None:
            try:
                if self._one is None:
                    self._begin()
                else:
                    parts.append(self._go_on(self._one, left))
                    left -= len(parts[-1])
            except (Damage, Garbage) as fault:
                self._fault = fault
        if self._fault is not None and left == most:
            raise self._fault
        return b"".join(parts)

    def end(self) -> None:
        """No more is to be fed. Raises `Damage` where the stream ends too soon."""
        if self._one is not None or self._at < len(self._data):
            raise Damage(ENDS_EARLY)

    def _begin(self) -> None:
        """Opens the next member, once enough of it is there."""
        while self._data.startswith(b"\0", self._at):
            zeros = self._data[self._at : self._at + _LARGEST]
            self._at += len(zeros) - len(zeros.lstrip(b"\0"))
        head = self._data[self._at : self._at + LONGEST_HEAD]
        codec = sniff(head)
        if codec is None and not may_be_compressed(head):
            raise Garbage
        window = None if codec is None else codec.window(head)
        if codec is None or window is None:
            self._starved = True
            return
        if window > self._window:
            raise Damage(
                f"its compressed data needs a window of {-(-window >> 20)} MiB, more than is allowed; "
                f"--max-decompress-memory {window} allows it"
            )
        self._one, self._portion = codec.open(self._window), _SMALLEST

    def _go_on(self, one: Decompressor, most: int) -> bytes:
        """Up to `most` bytes of the member."""
        data = b""
        if one.needs_input:
            data = self._data[self._at : self._at + self._portion]
            if not data:
                self._starved = True
                return data
            self._at += len(data)
            self._portion = min(2 * self._portion, _LARGEST)
        try:
            out = one.decompress(data, most)
        except ERRORS as error:
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                raise Damage("there is too little memory to decompress it") from None
            raise Damage(f"its compressed data is damaged ({error})") from None
        if one.eof:
            self._at -= len(one.unused_data)
            self._one = None
        return out
