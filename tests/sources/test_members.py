"""Logs compressed one by one and read as one, in a process of its own, as a file, a pipe and a named pipe."""

import fcntl
import gzip
import json
import os
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from log_importer.sources.chunks import Chunker
from log_importer.sources.decompress import BLOCK
from log_importer.sources.find import Source
from log_importer.sources.stream import Stream
from tests.conftest import Run, command, environment
from tests.faults.common import accounted, local, log, marks, rows
from tests.sources.test_decompress import COMPRESSIONS, LINES, any_compression

DAYS = 7
DRY = ("import", "--dry-run", "--local", "--json")
LOOP = f"for i in $(seq 1 {DAYS}); do cat day$i; done"


def counted(run: Run, *more: object, stdin: bytes = b"") -> tuple[int, int]:
    """Lines that a dry run reads, and its exit code."""
    done = run(*DRY, *more, stdin=stdin)
    return done.summary["lines"], done.code


def unread(pipe: IO[bytes]) -> int:
    """Bytes that lie in a pipe."""
    count: int = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]
    return count


@pytest.fixture
def days(tmp_path: Path) -> Callable[[str], list[bytes]]:
    """Writes day1 to day7, of 3,000 lines each."""

    def write(name: str) -> list[bytes]:
        found = [COMPRESSIONS[name](log(range(day * 3000, day * 3000 + 3000))) for day in range(DAYS)]
        for number, data in enumerate(found, 1):
            (tmp_path / f"day{number}").write_bytes(data)
        return found

    return write


def sized(member: bytes, size: int) -> bytes:
    """A member of gzip, of so many bytes by the name of the file that it says was compressed."""
    name = b"x" * (size - len(member) - 1) + b"\0"
    return member[:3] + b"\x08" + member[4:10] + name + member[10:]


@any_compression
def test_days_in_one_file_are_all_read(name: str, days: Callable[[str], list[bytes]], run: Run, tmp_path: Path) -> None:
    (tmp_path / "all").write_bytes(b"".join(days(name)))
    assert counted(run, "all") == (21_000, 0)


def test_a_file_of_many_small_members_is_all_read(run: Run, tmp_path: Path) -> None:
    """They are of one size, so that each time a member ends with what is read at once."""
    data = b"".join(sized(gzip.compress(log(range(number, number + 4))), 256) for number in range(0, 16_384, 4))
    assert len(data) == 4 * BLOCK
    (tmp_path / "a.gz").write_bytes(data)
    assert counted(run, "a.gz") == (16_384, 0)


@any_compression
def test_days_that_a_loop_writes_into_a_pipe_are_all_read(
    name: str, days: Callable[[str], list[bytes]], tmp_path: Path
) -> None:
    days(name)
    for pause in ("", "sleep 0.1;"):  # with one, a member ends with what is read at once
        script = LOOP.replace("done", f"{pause} done")
        with subprocess.Popen(["sh", "-c", f"sleep 1; {script}"], cwd=tmp_path, stdout=subprocess.PIPE) as cat:
            done = subprocess.run(
                command(*DRY, "-"), cwd=tmp_path, env=environment(tmp_path), stdin=cat.stdout, capture_output=True,
                timeout=180, check=True,
            )  # fmt: skip
        assert json.loads(done.stdout)["lines"] == 21_000


@any_compression
def test_days_that_come_through_a_named_pipe_are_all_read(
    name: str, days: Callable[[str], list[bytes]], run: Run, tmp_path: Path
) -> None:
    """Each is written once all that came before was read, so a member ends with what is read at once."""
    members = days(name)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            for member in members:
                pipe.write(member)
                while unread(pipe):
                    time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    assert counted(run, "fifo") == (21_000, 0)
    writer.join()


def test_what_is_read_of_days_in_a_pipe_is_tracked_mark_for_mark(
    days: Callable[[str], list[bytes]], run: Run, tmp_path: Path
) -> None:
    done = local(run, "-", stdin=b"".join(days("gzip")[:2]))
    accounted(done, rows(tmp_path / "state" / "receiver.sqlite3"), marks(range(6000)), 0, tracked=6000)


@any_compression
def test_a_compressed_pipe_that_is_silent_gives_what_it_has(name: str, tmp_path: Path) -> None:
    """Also while what lies behind the data, which is something else, goes on."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    go_on = threading.Event()

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(COMPRESSIONS[name](b"one\ntw"))
            go_on.wait(10)
            go_on.clear()
            pipe.write(COMPRESSIONS[name](b"o\n") + b"--- garbage")
            assert go_on.wait(10)

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[bytes | None] = []
    with Stream(Source("fifo", fifo), idle=0.1) as stream:
        for chunk in Chunker(stream, 65536).chunks(0, "x", False, lambda: 0.0):
            seen.append(chunk.data if chunk else None)
            if chunk is None and seen[-2] is not None:
                go_on.set()
    writer.join()
    assert (seen[:2], [data for data in seen if data]) == ([b"one\n", None], [b"one\n", b"two\n"])
    assert "left out" in stream.remark


@any_compression
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_pipe_that_comes_byte_by_byte_is_known_for_what_it_is(name: str, encoding: str, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data = COMPRESSIONS[name](LINES[:400].decode().encode(encoding))

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            for number in range(len(data)):
                pipe.write(data[number : number + 1])
                time.sleep(0.0002)

    writer = threading.Thread(target=write)
    writer.start()
    with Stream(Source("fifo", fifo), idle=0.001) as stream:
        stream.block = 1
        assert b"".join(stream.blocks()) == LINES[:400]
    writer.join()
