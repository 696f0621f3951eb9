"""Bytes that are not what they should be: cut, flipped, swollen, or in no encoding that a log has."""

import bz2
import gzip
import json
import lzma
import random
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Done, Run
from tests.faults.common import (
    AGENT,
    accounted,
    arguments,
    keeping,
    line,
    local,
    log,
    mark,
    marks,
    rows,
    says,
    send,
    watched,
)  # fmt: skip

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
}
BOUND = 200 << 20
"""Bytes of memory that no run needs, whatever it reads."""


def noisy(numbers: range) -> bytes:
    """A log that does not compress well, so that every part of a file holds lines."""
    chance = random.Random(5)
    return b"".join(line(number, agent=f"{AGENT} {chance.getrandbits(3000)}") for number in numbers)


def received(tmp_path: Path) -> Path:
    return tmp_path / "state" / "receiver.sqlite3"


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_truncated_file_gives_its_whole_lines_and_is_incomplete(name: str, run: Run, tmp_path: Path) -> None:
    compressed = COMPRESSIONS[name](noisy(range(3000)))
    (tmp_path / f"a.{name}").write_bytes(compressed[: len(compressed) * 3 // 4])
    done = local(run, f"a.{name}")
    tracked = done.summary["tracked"]
    accounted(done, rows(received(tmp_path)), marks(range(tracked)), 1, tracked=tracked)
    assert 0 < tracked < 3000
    assert done.summary["sources"][0]["incomplete"] == "its compressed data ends in the middle"


def test_a_gz_may_be_cut_anywhere(run: Run, tmp_path: Path) -> None:
    """In its head, in its data, in its checksum: the lines before the cut are the first ones, none twice."""
    chance = random.Random(3)
    written = set[str]()
    for number in range(12):
        numbers = range(number * 100, number * 100 + 100)
        compressed = gzip.compress(noisy(numbers))
        end = len(compressed) - 4 if number == 0 else chance.randrange(2, len(compressed))
        (tmp_path / f"{number:02}.gz").write_bytes(compressed[:end])
        written |= marks(numbers)
    done = local(run, *(f"{number:02}.gz" for number in range(12)))
    stored = rows(received(tmp_path))
    accounted(done, stored, written, 1, tracked=len(stored))
    for source in done.summary["sources"]:
        begin = int(source["source"][:2]) * 100
        whole = marks(range(begin, begin + source["tracked"]))
        assert whole == {one for one in stored if begin <= int(one[2:]) < begin + 100}
        assert source["incomplete"] == "its compressed data ends in the middle"
    assert marks(range(100)) <= stored.keys(), "only the checksum of the first is missing, not one of its lines"


def test_a_truncated_gz_goes_on_when_it_is_whole(run: Run, tmp_path: Path) -> None:
    compressed = gzip.compress(noisy(range(2000)))
    (tmp_path / "a.gz").write_bytes(compressed[: len(compressed) // 2])
    before = local(run, "a.gz").summary["tracked"]
    (tmp_path / "a.gz").write_bytes(compressed)
    done = local(run, "a.gz")
    assert 0 < before < 2000
    assert done.summary["known_lines"] == before
    stored = rows(received(tmp_path)) - Counter(marks(range(before)))
    accounted(done, stored, marks(range(before, 2000)), 0, tracked=2000 - before)


@pytest.mark.parametrize("place", ["checksum", "length"])
def test_a_wrong_checksum_is_told_and_every_line_kept(place: str, run: Run, tmp_path: Path) -> None:
    compressed = bytearray(gzip.compress(log(range(50))))
    compressed[{"checksum": -8, "length": -4}[place]] ^= 1
    (tmp_path / "a.gz").write_bytes(compressed)
    done = local(run, "a.gz")
    accounted(done, rows(received(tmp_path)), marks(range(50)), 1, tracked=50)
    assert "damaged" in done.summary["sources"][0]["incomplete"]


def test_a_flipped_bit_keeps_what_came_before_it_and_is_told(run: Run, tmp_path: Path) -> None:
    numbers = range(3000)
    compressed = bytearray(gzip.compress(noisy(numbers)))
    compressed[len(compressed) // 2] ^= 0x10
    (tmp_path / "a.gz").write_bytes(compressed)
    done = local(run, "a.gz")
    stored = rows(received(tmp_path))
    assert done.code == 1
    assert "damaged" in done.summary["sources"][0]["incomplete"]
    assert marks(range(1300)) <= stored.keys(), "the flip is in the middle, and these are before it"
    assert stored.total() == done.summary["tracked"]


GARBAGE = b"-----END OF BACKUP-----"


@pytest.mark.parametrize("end", [b"\n", b""], ids=["newline", "no newline"])
def test_garbage_behind_the_data_is_a_warning_and_costs_no_line(end: bytes, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(log(range(20)).removesuffix(b"\n") + end) + GARBAGE)
    done = local(run, "a.gz")
    accounted(done, rows(received(tmp_path)), marks(range(20)), 0, tracked=20)
    says(done, "a.gz: what lies behind its compressed data is something else")
    again = local(run, "a.gz")
    assert (again.summary["known_lines"], again.summary["lines"], again.err) == (20, 0, "")


def test_zero_padding_and_several_members_are_fine(run: Run, tmp_path: Path) -> None:
    for name, compress in COMPRESSIONS.items():
        number = list(COMPRESSIONS).index(name) * 100
        parts = [log(range(number + begin, number + begin + 20)) for begin in (0, 20, 40)]
        parts[1] = parts[1] + parts[2][:70]  # a member may end within a line
        parts[2] = parts[2][70:]
        padding = bytes(512 if name == "gz" else 0)
        (tmp_path / f"a.{name}").write_bytes(b"".join(map(compress, parts)) + padding)
    done = local(run, *(f"a.{name}" for name in COMPRESSIONS))
    written = marks(number + 100 * place for place in range(4) for number in range(60))
    accounted(done, rows(received(tmp_path)), written, 0, tracked=240)


def test_a_file_is_what_its_bytes_are_and_not_what_its_name_says(run: Run, tmp_path: Path) -> None:
    (tmp_path / "compressed.log").write_bytes(gzip.compress(log(range(20))))
    (tmp_path / "plain.gz").write_bytes(log(range(20, 40)))
    (tmp_path / "wrong.bz2").write_bytes(zstd.compress(log(range(40, 60))))
    done = local(run, "compressed.log", "plain.gz", "wrong.bz2", "-", stdin=lzma.compress(log(range(60, 80))))
    accounted(done, rows(received(tmp_path)), marks(range(80)), 0, tracked=80)


@pytest.mark.parametrize(("name", "before"), [("gz", 0), ("gz", 10), ("bz2", 10), ("xz", 0), ("zst", 0)])
def test_a_bomb_without_a_newline_is_one_oversize_line(name: str, before: int, tmp_path: Path) -> None:
    makes: dict[str, Callable[[], Any]] = {
        "gz": lambda: zlib.compressobj(9, zlib.DEFLATED, 31), "bz2": bz2.BZ2Compressor,
        "xz": lzma.LZMACompressor, "zst": zstd.ZstdCompressor,
    }  # fmt: skip
    squeeze = makes[name]()
    block = b"x" * (1 << 20)
    pieces = [log(range(before)), *[block] * 300, b"\n" + log(range(before, 20))]
    (tmp_path / "a.log").write_bytes(b"".join(map(squeeze.compress, pieces)) + squeeze.flush())
    assert (tmp_path / "a.log").stat().st_size < 1 << 20
    with keeping() as keeper, watched(tmp_path, *arguments(keeper.url, "a.log")) as process:
        accounted(process.end(), keeper.stored, marks(range(20)), 0, tracked=20, rejected=1)
        assert process.peak < BOUND


def test_lines_in_odd_bytes_are_tracked_once_or_rejected(run: Run, tmp_path: Path) -> None:
    """A lone CR or a NUL belongs to its line; a hole of NULs is none; what is no UTF-8 is kept."""
    crlf = [line(number).replace(b"\n", b"\r\n") for number in range(10, 20)]
    odd = [
        line(20, agent=f"{AGENT} \udcff\udcfe\udc80"),
        line(21, agent=f"{AGENT} \r{line(900).decode()[:60]}"),
        line(22, agent=f"{AGENT} \0\0"),
        line(23, agent=f"{AGENT} \u0130\u00e9"),
        bytes(300) + b"\n",
        b"\r\n\n\r\r\n",
        line(24),
    ]
    (tmp_path / "a.log").write_bytes(b"\xef\xbb\xbf" + log(range(10)) + b"".join(crlf) + b"".join(odd))
    with keeping() as keeper:
        done = send(run, keeper.url, "a.log")
    written = marks(range(25)) - {mark(21)}  # a CR within a user agent makes no sense to the format
    accounted(done, keeper.stored, written, 0, tracked=24, rejected=1, skipped=4)


def test_a_log_of_old_line_ends_is_one_line_and_nothing_is_invented(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(30)).replace(b"\n", b"\r"))
    with keeping() as keeper:
        done = send(run, keeper.url, "a.log")
    accounted(done, keeper.stored, [], 1, rejected=1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_log_in_utf_16_or_32_is_read_and_only_once(encoding: str, packed: bool, run: Run, tmp_path: Path) -> None:
    """PowerShell writes such files; a newline is several bytes in them."""
    content = log(range(30)).decode().encode(encoding)
    (tmp_path / "a.log").write_bytes(gzip.compress(content) if packed else content)
    with keeping() as keeper:
        accounted(send(run, keeper.url, "a.log"), keeper.stored, marks(range(30)), 0, tracked=30)
        more = log(range(30, 40)).decode().encode(encoding)
        more = more[4 * (encoding == "utf-32") + 2 * (encoding == "utf-16") :]  # no second byte order mark
        with (tmp_path / "a.log").open("ab") as file:
            file.write(gzip.compress(more) if packed else more)
        done = send(run, keeper.url, "a.log")
        assert (done.code, done.summary["tracked"], done.summary["lines"]) == (0, 10, 10), done
    assert (len(keeper.stored), set(keeper.stored)) == (40, marks(range(40)))


def test_a_log_in_big5_is_read_where_it_is_told(run: Run, tmp_path: Path) -> None:
    text = log(range(3)).decode().replace(f"{mark(1)} ", f"{mark(1)}?q=\u4e2d\u6587 ")
    (tmp_path / "a.log").write_bytes(text.encode("big5"))
    done = run("explain", "--encoding", "big5", "a.log")
    assert [json.loads(row)["hit"].get("query") for row in done.out.splitlines()] == [None, "q=\u4e2d\u6587", None]


@pytest.mark.parametrize("newline", [True, False])
def test_a_line_over_the_limit_is_rejected_with_its_offset_and_the_next_is_whole(
    newline: bool, run: Run, tmp_path: Path
) -> None:
    def sized(number: int, size: int) -> bytes:
        """A line of that many bytes without its newline."""
        bare = line(number, agent=f"{AGENT} ")
        return line(number, agent=f"{AGENT} {'x' * (size + 1 - len(bare))}")

    pieces = [line(0), sized(1, 4000), line(2), sized(3, 4001), line(4), sized(5, 3_000_000), line(6), sized(7, 5000)]
    data = b"".join(pieces) if newline else b"".join(pieces)[:-1]
    (tmp_path / "a.log").write_bytes(data)
    with keeping() as keeper:
        done = send(run, keeper.url, "--max-line-bytes", 4000, "--rejects", "rejects", "a.log")
    accounted(done, keeper.stored, marks([0, 1, 2, 4, 6]), 0, tracked=5, rejected=3)
    places = [text.split(b"\t")[0].decode() for text in (tmp_path / "rejects").read_bytes().splitlines()]
    offsets = [len(b"".join(pieces[:number])) for number in (3, 5, 7)]
    assert places == [
        f"a.log:{number + 1} offset {offset} oversize" for number, offset in zip((3, 5, 7), offsets, strict=True)
    ]


@pytest.mark.parametrize("source", ["a.log", "a.gz", "-"])
def test_a_last_line_without_a_newline_is_read(source: str, run: Run, tmp_path: Path) -> None:
    data = log(range(10))[:-1]
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "a.gz").write_bytes(gzip.compress(data))
    done = local(run, source, stdin=data)
    accounted(done, rows(received(tmp_path)), marks(range(10)), 0, tracked=10)


def test_what_a_terminal_would_act_on_never_comes_out_of_a_log(run: Run, tmp_path: Path) -> None:
    """In user agent, path, rejected line and the name of the file itself."""
    nasty = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202egnp\u2066\u200f\x7f\x08"
    name = f"a{nasty}.log"
    (tmp_path / name).write_bytes(
        line(0) + line(1, agent=nasty) + line(2, path=f"/{nasty}") + f"{nasty} no line at all\n".encode()
    )
    (tmp_path / f"none{nasty}.txt").write_text(f"{nasty} in no format\n")
    for more, bar in ([], set()), (["--show-progress", "--again"], {"\r"}):
        done = run("import", "--local", "--state-dir", "state", *more, name, f"none{nasty}.txt", "missing" + nasty)
        assert shown(done) == bar
    assert (done.code, "\\x1b[2J" in done.out, "\\x1b[2J" in done.err) == (3, True, True)


def test_what_a_terminal_would_act_on_is_escaped_in_json_too(run: Run, tmp_path: Path) -> None:
    nasty = "\x1b[2J\u009b31m\u202egnp\u2066"
    (tmp_path / f"a{nasty}.log").write_bytes(line(0) + line(1, agent=nasty) + line(2, path=f"/{nasty}"))
    assert shown(local(run, f"a{nasty}.log")) == set()
    assert shown(run("explain", f"a{nasty}.log")) == set()


def shown(done: Done) -> set[str]:
    """The characters of the output that a terminal would not just print."""
    return {one for one in done.out + done.err if not one.isprintable()} - {"\n"}
