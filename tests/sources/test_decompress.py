"""Members of compressed streams: however a stream is cut into blocks, what comes out is what the whole holds."""

import bz2
import gzip
import lzma
import os
import random
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from log_importer.sources.decompress import BLOCK, ENDS_EARLY, Damage, Garbage, decompress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
SPLITS, EXAMPLES = 100, 2500 if os.environ.get("SOAK") else 50
"""Ways to cut each stream into blocks; streams of each compression."""
LINES = b"".join(b"%d %s\n" % (number, bytes(random.Random(number).choices(b"abcdef", k=20))) for number in range(5000))
any_compression = pytest.mark.parametrize("name", COMPRESSIONS)


class Part(NamedTuple):
    """A member of a stream, a frame that is skipped, or padding: its bytes, and its content."""

    data: bytes
    content: bytes = b""


def skipped(number: int, data: bytes) -> Part:
    """A frame of zstd that has no content."""
    return Part(struct.pack("<II", 0x184D2A50 + number, len(data)) + data)


def streams(name: str) -> st.SearchStrategy[list[Part]]:
    """The parts of valid streams, the first of which is no padding; many members are empty."""
    pieces = st.one_of(st.just(b""), st.binary(max_size=40), st.sampled_from([b"line\n", LINES[:500]]))
    members = pieces.map(lambda content: Part(COMPRESSIONS[name](content), content))
    if name == "zstd":
        members |= st.builds(skipped, st.integers(0, 15), st.binary(max_size=9))
    padding = st.integers(1, 5).map(lambda words: Part(bytes(4 * words)))
    return st.builds(lambda first, rest: [first, *rest], members, st.lists(members | padding, max_size=5))


def cut(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """`data` in blocks, cut anywhere, and some silences, which are b""."""
    places = sorted(chance.choices(range(len(data) + 1), k=chance.choice((1, 2, 5, 20))))
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        yield data[start:end]


def read(blocks: Iterator[bytes], most: int = BLOCK) -> tuple[bytes, Exception | None]:
    """What comes out, and what is raised at its end."""
    found = bytearray()
    try:
        for content in decompress(blocks, most=lambda: most):
            assert len(content) <= most
            found += content
    except (Damage, Garbage) as fault:
        return bytes(found), fault
    return bytes(found), None


@pytest.mark.soak
@pytest.mark.timeout(3000)
@any_compression
def test_a_stream_cut_anywhere_into_blocks_has_the_content_of_the_whole(name: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(streams(name), st.integers())
    def check(parts: list[Part], seed: int) -> None:
        chance = random.Random(seed)
        data, content = (b"".join(texts) for texts in zip(*parts, strict=True))
        for _ in range(SPLITS):
            assert read(cut(data, chance), chance.choice((30, BLOCK))) == (content, None)

    check()


@any_compression
@settings(max_examples=10, deadline=None)
@given(data=st.data(), seed=st.integers())
def test_a_stream_cut_off_anywhere_gives_its_whole_members_and_says_so(
    name: str, data: st.DataObject, seed: int
) -> None:
    chance = random.Random(seed)
    parts = data.draw(streams(name))
    whole = b"".join(part.data for part in parts)
    content = b"".join(part.content for part in parts)
    behind = {0: b""}  # offset behind a part, and in padding -> the content before it
    at = 0
    for part in parts:
        before = behind[at]
        behind |= {at + number: before for number in range(len(part.data)) if part.data.strip(b"\0") == b""}
        at += len(part.data)
        behind[at] = before + part.content
    for end in range(1, len(whole)):
        found, fault = read(cut(whole[:end], chance))
        assert content.startswith(found)
        if end in behind:
            assert (found, fault) == (behind[end], None)
        else:
            assert found.startswith(behind[max(place for place in behind if place < end)])
            assert str(fault) == ENDS_EARLY


@any_compression
def test_what_has_come_is_given_while_no_more_comes(name: str) -> None:
    """As of a pipe that stays open: lines must not wait for the next member."""
    members = [b"one\n", b"", LINES, b"two\n"]
    log = list[bytes]()

    def blocks() -> Iterator[bytes]:
        for number, content in enumerate(members):
            data = COMPRESSIONS[name](content)
            yield data[: len(data) // 2]
            yield data[len(data) // 2 :]
            assert b"".join(log) == b"".join(members[: number + 1])
            silences = log.count(b"")
            yield b""
            assert log.count(b"") == silences + 1

    for content in decompress(blocks()):
        log.append(content)
    assert b"".join(log) == b"".join(members)


@any_compression
@pytest.mark.parametrize("garbage", [b"-----END-----", b"\x1f\x00", b"\x1f\x8a\x8b", b"\xfd7zYZ", b"\x51\x2a\x4d\x19"])
def test_what_lies_behind_is_told_wherever_it_is_cut(name: str, garbage: bytes) -> None:
    data = COMPRESSIONS[name](b"one\n") + COMPRESSIONS[name](b"two\n") + bytes(8) + garbage
    for end in range(1, len(data)):
        found, fault = read(iter((data[:end], data[end:])))
        assert (found, type(fault)) == (b"one\ntwo\n", Garbage), end


@any_compression
def test_members_of_any_kind_may_follow_each_other(name: str) -> None:
    data = COMPRESSIONS[name](b"one\n") + b"".join(compress(b"two\n") for compress in COMPRESSIONS.values())
    assert read(iter((data,))) == (b"one\n" + 4 * b"two\n", None)


@any_compression
@pytest.mark.parametrize("count", [1, 50, 5000])
def test_a_bad_checksum_costs_at_most_the_last_bytes_before_it(name: str, count: int) -> None:
    lines = b"".join(LINES.splitlines(keepends=True)[:count])
    options = {int(zstd.CompressionParameter.checksum_flag): 1}
    data = bytearray(zstd.compress(lines, options=options) if name == "zstd" else COMPRESSIONS[name](lines))
    data[10 if name == "bzip2" else -1] ^= 1
    found, fault = read(iter((bytes(data),)))
    assert "damaged" in str(fault)
    assert lines.startswith(found)
    assert len(lines) - len(found) <= (0 if name == "gzip" else max(64, len(lines) >> 8))


@any_compression
def test_what_swells_a_thousandfold_comes_in_blocks(name: str) -> None:
    data = COMPRESSIONS[name](bytes(32 << 20))
    assert len(data) < 1 << 16
    sizes = [len(content) for content in decompress(iter((data,)), most=lambda: 1 << 16)]
    assert (sum(sizes), max(sizes)) == (32 << 20, 1 << 16)


class Counted(bytes):
    """Counts the bytes that are copied out of it."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        Counted.copied += len(part)
        return part

    def __radd__(self, other: bytes) -> "Counted":
        return Counted(bytes(other) + bytes(self))


@any_compression
def test_the_work_for_a_member_does_not_grow_with_what_lies_behind_it(name: str) -> None:
    """What a decompressor is handed and did not need it copies, and is handed again with the next member."""
    member = COMPRESSIONS[name](b"GET /\n")
    for count in (1000, 10_000):
        Counted.copied = 0
        found, fault = read(iter((Counted(member * count),)))
        assert (found, fault) == (b"GET /\n" * count, None)
        assert Counted.copied <= count * 2048
    whole = COMPRESSIONS[name](LINES * 10)
    Counted.copied = 0
    assert read(iter((Counted(whole + member),))) == (LINES * 10 + b"GET /\n", None)
    assert Counted.copied <= 3 * len(whole) + 4096


def zstd_of(window: int, content: bytes = b"line\n") -> bytes:
    """A frame whose header says that it needs a window of so many bytes, a multiple of an eighth of a power of two."""
    squeeze = zstd.ZstdCompressor()
    data = bytearray(squeeze.compress(content) + squeeze.flush())  # its size was not told, so its window is
    exponent = window.bit_length() - 1
    data[5] = exponent - 10 << 3 | (window >> exponent - 3) & 7
    return bytes(data)


def xz_of(window: int, content: bytes = b"line\n") -> bytes:
    """A stream whose header says that its dictionary has so many bytes, 2 or 3 times a power of two."""
    data = bytearray(lzma.compress(content))
    exponent = window.bit_length() - 2
    assert data[14:16] == b"\x21\x01"  # LZMA2, and one byte of properties
    data[16] = (exponent - 11) * 2 | (window >> exponent) & 1
    data[20:24] = struct.pack("<I", zlib.crc32(data[12:20]))
    return bytes(data)


@pytest.mark.parametrize("make", [zstd_of, xz_of])
@pytest.mark.parametrize(
    ("window", "allowed"), [(128 << 20, 0), (512 << 20, 0), (768 << 20, 768 << 20), (768 << 20, 900 << 20)]
)
def test_a_window_that_is_allowed_is_read(make: Callable[[int], bytes], window: int, allowed: int) -> None:
    given = (allowed,) if allowed else ()
    for end in range(len(make(window))):
        blocks = (make(window)[:end], make(window)[end:])
        assert b"".join(decompress(iter(blocks), *given)) == b"line\n"


@pytest.mark.parametrize("make", [zstd_of, xz_of])
@pytest.mark.parametrize("window", [768 << 20, 2 << 30])
def test_a_window_that_is_not_allowed_is_damage_that_says_how_to_allow_it(
    make: Callable[[int], bytes], window: int
) -> None:
    data = make(128 << 20) + make(window) + make(128 << 20)
    for end in range(len(data)):
        found, fault = read(iter((data[:end], data[end:])))
        assert (found, type(fault)) == (b"line\n", Damage)
        assert f"a window of {window >> 20} MiB" in str(fault)
        assert f"--max-decompress-memory {window} " in str(fault)
