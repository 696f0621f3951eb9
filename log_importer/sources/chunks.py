"""A source's bytes -> chunks of whole lines, cut where the meaning of lines changes (a new `#Fields:`)."""

from collections.abc import Callable, Generator, Iterator

from log_importer.model import Boundary, Chunk, Context
from log_importer.native import count_lines
from log_importer.parsing.text import BOM, text_of
from log_importer.parsing.w3c_driver import HEADER
from log_importer.sources.decompress import BLOCK
from log_importer.sources.fingerprint import TAIL, fingerprint
from log_importer.sources.stream import IDLE, Stream

CHUNK_BYTES = 1 << 20
"""What is parsed at once where most of its lines become requests."""
_HEAD_LINES = 1000
_HOLE = 4096
"""So many NULs are a hole and no part of a line; fewer are taken off the line that they stand before."""


class Chunker:
    """Reads one source. First `head`, to see what it is in; then `chunks`."""

    def __init__(self, stream: Stream, max_line_bytes: int, size: int = CHUNK_BYTES, end: int | None = None) -> None:
        """`size` is the bytes of a chunk, about; nothing is read from offset `end` on, where a line begins."""
        self._stream = stream
        self._blocks = stream.blocks() if end is None else _first(end - stream.position, stream.blocks())
        self._skipped: tuple[bytes, int] | None = None  # an oversize line in front of all others
        self._max_line_bytes = max_line_bytes
        self._size = size
        self._buffer = bytearray()
        self._at = Boundary()
        self._tail = b""  # the bytes before it
        self._until = Boundary()
        self._in_line = self._dropping = False

    def resize(self, size: int) -> None:
        """From now on a chunk is about `size` bytes, and no more than that waits to be cut."""
        self._size = size
        self._stream.block = min(BLOCK, size)

    def go_on(self, start: Boundary, until: Boundary, *, in_line: bool) -> None:
        """Begins at `start`, where the stream is, behind lines that an earlier run read, and cuts at `until`.

        `until` is where that run ended; `in_line`: in the middle of a line, whose rest is dropped. Comes before
        `chunks`, and not after `head`.
        """
        self._at, self._until, self._in_line = start, until, in_line
        self._tail = self._stream.before
        self._dropping = in_line and start.offset == until.offset

    def head(self) -> list[bytes]:
        """The first whole lines, up to 1,000 or one chunk's bytes, without consuming anything.

        On a pipe it waits for a first line, but not for more than come without a pause.
        """
        if self._skipped is None and self._fill() and b"\n" not in self._buffer:
            self._skipped = _result(self._skip_line())  # what comes behind it is what tells the format
        ended = True
        for block in self._blocks:
            self._buffer += block
            if block == IDLE and b"\n" not in self._buffer:
                continue
            if block == IDLE or len(self._buffer) >= self._size or self._buffer.count(b"\n") >= _HEAD_LINES:
                ended = False
                break
        lines = bytes(self._buffer[: self._size]).split(b"\n", _HEAD_LINES)
        whole = ended and len(self._buffer) <= self._size and len(lines) <= _HEAD_LINES and lines[-1]
        return lines if whole else lines[:-1]

    def chunks(self, index: int, format_name: str, headers: bool, clock: Callable[[], float]) -> Iterator[Chunk | None]:
        """The source's chunks in order; `None` where no whole line waits for now, of a pipe or a followed file.

        `index` is the source's among the run's, `headers` says whether `#Fields:` lines have a meaning, `clock` gives
        seconds since 1970 UTC.
        """

        def chunk(data: bytes, consumed: int) -> Chunk:
            before = self._at
            context = Context(format_name, before.header, before.line, before.offset, clock())
            header = _header(data) if headers else ""
            line = before.line + count_lines(data) + (not data.endswith(b"\n"))
            self._at = Boundary(before.offset + consumed, line, header or before.header, fingerprint(self._tail))
            return Chunk(index, data, context, self._at)

        def cut(end: int) -> Iterator[Chunk]:
            known = self._until.offset - self._at.offset
            if 0 < known < end:
                yield from cut(known)
                end -= known
                if self._in_line:
                    self._dropping = True
                    end -= self._drop()
            if end <= 0:
                return
            with memoryview(self._buffer) as buffer:
                data = bytes(buffer[:end])
            del self._buffer[:end]
            for part in _at_headers(data) if headers else [data]:
                self._tail = (self._tail + part[-TAIL:])[-TAIL:]
                yield chunk(part, len(part))

        def full() -> Iterator[Chunk]:
            while len(self._buffer) >= self._size and (end := self._whole_lines()):
                yield from cut(end)

        if self._skipped is not None:
            yield chunk(*self._skipped)
        yield from full()  # what `head` has read already
        for block in self._blocks:
            self._buffer += block
            if self._dropping:
                self._drop()
            self._drop_hole()
            if block == IDLE:
                yield from cut(self._buffer.rfind(b"\n") + 1)
                yield None
                continue
            yield from full()
            if len(self._buffer) >= max(self._size, self._max_line_bytes + 1):
                kept, skipped = yield from self._skip_line()
                yield chunk(kept, skipped)
        end = self._buffer.rfind(b"\n") + 1
        yield from cut(end)
        if not self._stream.damage:  # else the last line is only a part of one
            yield from cut(len(self._buffer))

    def _whole_lines(self) -> int:
        """The bytes of the whole lines that make a chunk, or of one that is longer; 0 where there is none."""
        return self._buffer.rfind(b"\n", 0, self._size) + 1 or self._buffer.find(b"\n") + 1

    def _drop(self) -> int:
        """Drops the rest of a line whose beginning is known; the bytes dropped."""
        end = self._buffer.find(b"\n") + 1
        self._dropping = not end
        return self._leave_out(end or len(self._buffer))

    def _drop_hole(self) -> None:
        """Drops the NULs of a hole before a line: a file was emptied, and its writer went on where it was."""
        if self._buffer.startswith(b"\0" * _HOLE):
            self._leave_out(len(self._buffer) - len(self._buffer.lstrip(b"\0")))

    def _leave_out(self, count: int) -> int:
        """Drops the first bytes of the buffer, which belong to no line; how many."""
        self._tail = (self._tail + self._buffer[:count][-TAIL:])[-TAIL:]
        self._at = self._at._replace(offset=self._at.offset + count)
        del self._buffer[:count]
        return count

    def _fill(self) -> bool:
        """Reads until the buffer holds a line or a chunk's bytes; whether it holds that many."""
        for block in self._blocks:
            self._buffer += block
            self._drop_hole()
            if b"\n" in block or len(self._buffer) >= self._size:
                break
        return len(self._buffer) >= max(self._size, self._max_line_bytes + 1)

    def _skip_line(self) -> Generator[None, None, tuple[bytes, int]]:
        """Drops a line that is longer than a chunk, in bounded memory: enough of it to be called oversize, its size.

        Gives `None` as often as there is nothing to read for now.
        """
        kept = bytes(self._buffer[: self._max_line_bytes + 1])
        skipped = len(self._buffer)
        self._tail = bytes(self._buffer[-TAIL:])
        self._buffer.clear()
        for block in self._blocks:
            if block == IDLE:
                yield None
            end = block.find(b"\n") + 1
            dropped = block[:end] if end else block
            self._tail = (self._tail + dropped[-TAIL:])[-TAIL:]
            skipped += len(dropped)
            if end:
                self._buffer += block[end:]
                break
        return kept, skipped


def _first(count: int, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The first bytes of `blocks`, so many."""
    while count and (block := next(blocks, None)) is not None:
        yield block[:count]
        count -= min(count, len(block))


def _result(generator: Generator[None, None, tuple[bytes, int]]) -> tuple[bytes, int]:
    """What a generator returns at its end."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            found: tuple[bytes, int] = end.value
            return found


def _header(data: bytes) -> str:
    """The `#Fields:` line that `data` begins with, "" where it begins with another."""
    named = data.removeprefix(BOM.encode()).startswith(HEADER)
    return text_of(data.split(b"\n", 1)[0]) if named else ""


def _at_headers(data: bytes) -> list[bytes]:
    """`data` cut before each of its `#Fields:` lines."""
    parts = data.split(b"\n" + HEADER)
    return [
        (HEADER if number else b"") + part + (b"\n" if number < len(parts) - 1 else b"")
        for number, part in enumerate(parts)
    ]
