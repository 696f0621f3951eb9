"""Sources: found, opened by what their bytes are, cut into chunks that lose and double nothing."""

import bz2
import gzip
import lzma
import os
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from log_importer.model import Chunk
from log_importer.sources.chunks import CHUNK_BYTES, Chunker
from log_importer.sources.find import Source, find_sources
from log_importer.sources.stream import EMPTIED, Stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LINES = b"".join(b"line %d\n" % number for number in range(5000))


def read(path: Path, size: int = 1 << 20, headers: bool = False, maximum: int = 65536) -> tuple[list[Chunk], str]:
    with Stream(Source(str(path), path, path.stat().st_size)) as stream:
        chunks = list(Chunker(stream, maximum, size).chunks(0, "x", headers, lambda: 0.0))
        return [chunk for chunk in chunks if chunk is not None], stream.damage


def content(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.data for chunk in chunks)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress])
@pytest.mark.parametrize("name", ["a.log", "a.gz", "a"])
def test_a_source_is_opened_by_its_bytes_not_its_name(tmp_path: Path, compress, name: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / name
    path.write_bytes(compress(LINES))
    chunks, damage = read(path)
    assert (content(chunks), damage) == (LINES, "")


def test_several_members_and_zero_padding_are_one_source(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(LINES) + gzip.compress(b"more\n") + bytes(512))
    chunks, damage = read(path)
    assert (content(chunks), damage) == (LINES + b"more\n", "")


def test_a_truncated_gz_gives_its_whole_lines_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    lines = b"".join(os.urandom(30).hex().encode() + b"\n" for _ in range(5000))
    whole = gzip.compress(lines)
    path.write_bytes(whole[: len(whole) // 2])
    chunks, damage = read(path)
    assert damage == "its compressed data ends in the middle"
    found = content(chunks)
    assert 100_000 < len(found) < len(lines)
    assert lines.startswith(found)
    assert found.endswith(b"\n"), "the line that is cut is no whole line"


@pytest.mark.parametrize("place", range(-8, 0))
@pytest.mark.parametrize("count", [1, 5, 100, 5000])
def test_a_flipped_bit_is_told_and_what_came_before_is_kept(place: int, count: int, tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    lines = b"".join(LINES.splitlines(keepends=True)[:count])
    whole = bytearray(gzip.compress(lines))
    whole[place] ^= 1  # in the checksum or the length behind it
    path.write_bytes(whole)
    chunks, damage = read(path)
    assert content(chunks) == lines
    assert "damaged" in damage


def test_a_bomb_without_a_newline_is_one_oversize_line_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"x" * (1 << 20)
    path.write_bytes(
        b"".join(squeeze.compress(block) for _ in range(64)) + squeeze.compress(b"\nlast\n") + squeeze.flush()
    )
    chunks, damage = read(path)
    assert [len(chunk.data) for chunk in chunks] == [65537, 5]
    assert (chunks[1].context.offset, chunks[1].context.first_line, damage) == ((64 << 20) + 1, 2, "")


@given(
    st.lists(st.sampled_from([b"a\n", b"bb\r\n", b"\n", b"#Fields: x y\n", b"\xff\xfe", b"c" * 40])),
    st.integers(8, 64),
    st.booleans(),
)
@settings(max_examples=300)
def test_chunks_are_the_source_with_right_offsets_and_line_numbers(pieces, size, headers) -> None:  # type: ignore[no-untyped-def]
    path = Path(os.environ["PYTEST_TMP"]) / f"{os.getpid()}.log"
    data = b"".join(pieces)
    assume(not data.startswith(b"\xff\xfe"))  # that is UTF-16
    path.write_bytes(data)
    chunks, _ = read(path, size, headers, maximum=10_000)
    assert content(chunks) == data
    offset, line, header = 0, 1, ""
    for chunk in chunks:
        context = chunk.context
        assert (context.offset, context.first_line) == (offset, line)
        if headers:
            assert context.columns == header
            assert b"\n#Fields:" not in chunk.data, "the meaning of lines changes only between chunks"
            if chunk.data.startswith(b"#Fields:"):
                header = chunk.data.split(b"\n", 1)[0].decode("utf-8", "surrogateescape")
        offset += len(chunk.data)
        line += chunk.data.count(b"\n")
        assert chunk.after.offset == offset


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress])
def test_chunks_become_smaller_while_a_source_is_read_and_so_does_what_waits(tmp_path: Path, compress) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.log"
    data = LINES * 60
    path.write_bytes(compress(data))
    with Stream(Source("a", path, path.stat().st_size)) as stream:
        chunker = Chunker(stream, 65536)
        chunks = []
        for chunk in chunker.chunks(0, "x", False, lambda: 0.0):
            assert chunk is not None
            chunks.append(chunk)
            chunker.resize(16384)
            if len(chunks) > 80:
                assert len(chunker._buffer) <= 2 * 16384
    sizes = [len(chunk.data) for chunk in chunks]
    assert content(chunks) == data
    assert (sizes[0] > 500_000, max(sizes[1:]) <= 16384) == (True, True)


@pytest.fixture(autouse=True)
def _place(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["PYTEST_TMP"] = str(tmp_path_factory.getbasetemp())


def test_looking_at_the_head_consumes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(LINES)
    with Stream(Source("a", path, len(LINES))) as stream:
        chunker = Chunker(stream, 65536)
        assert chunker.head() == LINES.split(b"\n")[:1000]
        chunks = [chunk for chunk in chunker.chunks(0, "x", False, lambda: 0.0) if chunk]
    assert content(chunks) == LINES


@pytest.mark.parametrize("first", [0, 1, 3, 9])
def test_a_compressed_pipe_may_be_slow(tmp_path: Path, first: int) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    whole = gzip.compress(LINES)

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(whole[:first])
            time.sleep(0.3)
            pipe.write(whole[first:])

    writer = threading.Thread(target=write)
    writer.start()
    with Stream(Source("fifo", fifo), idle=0.05) as stream:
        chunks = [chunk for chunk in Chunker(stream, 65536).chunks(0, "x", False, lambda: 0.0) if chunk]
    writer.join()
    assert content(chunks) == LINES


def test_a_header_behind_a_byte_order_mark_holds_for_all_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"\xef\xbb\xbf#Fields: x y\r\n" + b"1 2\r\n" * 100_000)
    chunks, _ = read(path, size=64, headers=True)
    assert {chunk.context.columns for chunk in chunks[1:]} == {"#Fields: x y"}


def test_an_oversize_first_line_hides_nothing_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 3_000_000 + b"\n" + LINES)
    with Stream(Source("a", path, path.stat().st_size)) as stream:
        chunker = Chunker(stream, 65536)
        assert chunker.head()[0] == b"line 0"
        chunks = [chunk for chunk in chunker.chunks(0, "x", False, lambda: 0.0) if chunk]
    assert len(chunks[0].data) == 65537
    assert content(chunks[1:]) == LINES
    assert (chunks[1].context.offset, chunks[1].context.first_line) == (3_000_001, 2)


def test_a_silent_pipe_gives_what_it_has_and_then_says_that_it_is_silent(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    go_on = threading.Event()

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(b"one\ntw")
            go_on.wait(10)
            pipe.write(b"o\n")

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[bytes | None] = []
    with Stream(Source("fifo", fifo), idle=0.1) as stream:
        for chunk in Chunker(stream, 65536).chunks(0, "x", False, lambda: 0.0):
            seen.append(chunk.data if chunk else None)
            if chunk is None:
                go_on.set()
    writer.join()
    assert (seen[0], seen[1], seen[-1]) == (b"one\n", None, b"two\n")


def test_sources_are_found_once_each_and_missing_ones_told(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", ".hidden", "README.md"):
        (tmp_path / name).write_text("x")
    (tmp_path / "same.log").hardlink_to(tmp_path / "a.log")
    (tmp_path / "empty").mkdir()
    (tmp_path / "nowhere.log").symlink_to("/nonexistent")
    sources, errors = find_sources(
        [str(tmp_path), f"{tmp_path}/*.log", f"{tmp_path}/a.log", "-", "-", f"{tmp_path}/zz*", f"{tmp_path}/none",
         f"{tmp_path}/empty"]
    )  # fmt: skip
    assert [source.name for source in sources] == [f"{tmp_path}/a.log", f"{tmp_path}/b.log", "standard input"]
    assert [str(error).split(": ")[1].split(".")[0] for error in errors] == [
        "cannot be read", "cannot be read", "no file matches", "cannot be read", "this directory holds no log files",
    ]  # fmt: skip


@pytest.mark.parametrize("hole", [4096, 100_000, (3 << 20) + 17])
@pytest.mark.parametrize("size", [65536, 1 << 20])
def test_a_hole_belongs_to_no_line_and_the_record_behind_it_is_kept(hole: int, size: int, tmp_path: Path) -> None:
    """As `copytruncate` leaves it under a writer that does not append."""
    path = tmp_path / "a.log"
    path.write_bytes(bytes(hole) + b"one\ntwo\n" + bytes(hole) + b"three\n")
    with Stream(Source(str(path), path, path.stat().st_size)) as stream:
        chunker = Chunker(stream, 65536, size)
        assert chunker.head()[0].lstrip(b"\0") == b"one"
        chunks = [chunk for chunk in chunker.chunks(0, "x", False, lambda: 0.0) if chunk is not None]
    lines = [raw.lstrip(b"\0") for chunk in chunks for raw in chunk.data.splitlines()]
    assert lines == [b"one", b"two", b"three"]
    assert 0 <= hole - chunks[0].context.offset < 4096
    assert chunks[-1].after.offset == path.stat().st_size


class Followed:
    """A file that is followed, and what was read of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream = Stream(Source(str(path), path, path.stat().st_size))
        self.stream.head()
        self.stream.go_to(0)
        self.stream.follow()
        self._chunks = Chunker(self.stream, 65536).chunks(0, "x", False, lambda: 0.0)

    def read(self) -> list[bytes]:
        """The lines that came since the last time; with `b"end"` behind them where no more can come."""
        found: list[bytes] = []
        for chunk in self._chunks:
            if chunk is None:
                return found
            found += chunk.data.splitlines()
        return [*found, b"end"]

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    (tmp_path / "a.log").write_bytes(b"one\n")
    one = Followed(tmp_path / "a.log")
    assert one.read() == [b"one"]
    yield one
    one.stream.close()


def test_a_followed_file_gives_its_lines_as_they_become_whole(followed: Followed) -> None:
    assert followed.read() == []
    followed.write(b"tw")
    assert followed.read() == []
    followed.write(b"o\nthree\nfo")
    assert followed.read() == [b"two", b"three"]
    followed.stream.follows = False  # it is rotated, and nobody writes to it any more
    assert followed.read() == [b"fo", b"end"]


def test_a_line_without_end_does_not_keep_a_follower(followed: Followed) -> None:
    followed.write(b"x" * CHUNK_BYTES)
    assert followed.read() == []
    followed.write(b"x" * 1000)
    assert followed.read() == []
    followed.write(b"\nlast\n")
    assert [len(line) for line in followed.read()] == [65537, 4]


@pytest.mark.parametrize(
    "content", [b"", b"on", b"two\n", b"two\nthree\nfour\n"], ids=["empty", "part", "same", "more"]
)
def test_a_followed_file_that_is_emptied_ends_there_however_much_it_has_grown(
    content: bytes, followed: Followed
) -> None:
    followed.write(b"ha")
    assert followed.read() == []
    os.truncate(followed.path, 0)
    followed.write(content)
    assert followed.read() == [b"end"]
    assert followed.stream.damage == EMPTIED


def test_a_hole_in_a_followed_file_is_no_more_of_it(followed: Followed) -> None:
    with followed.path.open("r+b") as writer:
        writer.seek(0, os.SEEK_END)
        os.truncate(followed.path, 0)
        writer.write(b"two\n")
    assert followed.read() == [b"end"]
