"""The spool: real pipes, processes, signals and full disks; no byte is lost, torn or out of order."""

import fcntl
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path

import pytest

from log_importer.model.errors import JobLocked, SourceError, StateError
from log_importer.sources import spool as spool_module
from log_importer.sources.spool import LONGEST_LINE, SMALLEST_SEGMENT, Spool
from tests.conftest import ROOT, missing

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CHILD = """
import sys, time
from pathlib import Path
from log_importer.sources.spool import Spool
with Spool(Path(sys.argv[1]), int(sys.argv[2]), lambda text: print(text, flush=True)) as spool:
    spool.start()
    print("started", flush=True)
    while not spool.ended:
        time.sleep(0.005)
"""


def lines(seed: int, size: int, longest: int = 400) -> list[bytes]:
    """Lines of random lengths, `size` bytes of them, each with its number."""
    chance = random.Random(seed)
    found = list[bytes]()
    while size > 0:
        found.append(b"%d %s\n" % (len(found), b"x" * chance.randrange(longest)))
        size -= len(found[-1])
    return found


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def segments(spool: Spool | Path) -> list[Path]:
    pattern = spool.pattern if isinstance(spool, Spool) else f"{spool}/spool-*.log"
    return [Path(name) for name in sorted(glob(pattern))]  # noqa: PTH207 - takes an absolute pattern


def content(spool: Spool | Path) -> bytes:
    return b"".join(path.read_bytes() for path in segments(spool))


def write(file: int, data: bytes) -> None:
    """Writes all of it and waits for a slow reader."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


class Feed:
    """A spool with what it said, and the end of the pipe that writes into it."""

    def __init__(self, spool: Spool, file: int, said: list[str]) -> None:
        self.spool, self.file, self.said = spool, file, said
        self.parts = list[bytes]()
        """What `read` found in each segment."""
        self._threads = list[threading.Thread]()

    def write(self, data: bytes) -> None:
        write(self.file, data)

    def write_on(self, data: bytes) -> threading.Thread:
        """Writes in a thread, and closes the pipe at the end."""

        def run() -> None:
            with suppress(OSError):
                write(self.file, data)
            self.close()

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()
        return self._threads[-1]

    def close(self) -> None:
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def read(self) -> bytes:
        """What a reader reads who removes each segment when it has all of it, until the spool has ended."""
        while True:
            ended = self.spool.ended
            for path in segments(self.spool):
                if self.spool.complete(path):
                    self.parts.append(path.read_bytes())
                    self.spool.remove(path)
            if ended and not segments(self.spool):
                return b"".join(self.parts)
            time.sleep(0.002)


def removing(spool: Spool) -> None:
    """Removes each segment when it is complete, until the spool has ended."""
    while not spool.ended:
        for path in segments(spool):
            if spool.complete(path):
                spool.remove(path)
        time.sleep(0.01)


@contextmanager
def spooling(folder: Path, size: int = GIB, kind: str = "pipe", start: bool = True) -> Iterator[Feed]:
    """A spool that reads a pipe, or a socket, from which the kernel cannot move bytes to a file."""
    source, sink = os.pipe() if kind == "pipe" else (one.detach() for one in socket.socketpair())
    said = list[str]()
    feed = None
    try:
        with Spool(folder, size, said.append, source) as spool:
            feed = Feed(spool, sink, said)
            if start:
                spool.start()
            yield feed
    finally:
        os.close(source)  # who writes gets EPIPE
        for thread in feed._threads if feed else []:
            thread.join(10)
        if feed:
            feed.close()


@contextmanager
def child(folder: Path, size: int, stdin: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that spools its standard input."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, folder, str(size)], cwd=ROOT, stdin=stdin, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"started\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.parametrize("pause", [0.0, 0.001], ids=["fast", "slow"])
def test_every_byte_comes_through_in_order_and_no_line_is_torn_over_two_segments(
    kind: str, pause: float, tmp_path: Path
) -> None:
    chance = random.Random(kind)
    data = b"".join(lines(1, 400 * KIB if pause else 8 * MIB))
    with spooling(tmp_path / "s", kind=kind, size=16 * MIB if not pause else MIB) as feed:
        at = 0
        while at < len(data):
            end = at + chance.choice([1, 50, 4096, 100_000])
            feed.write(data[at:end])
            at = end
            time.sleep(pause)
        feed.close()
        until(lambda: feed.spool.ended)
        assert content(feed.spool) == data
        parts = [path.read_bytes() for path in segments(feed.spool)]
        assert len(parts) > 4
        assert all(part.endswith(b"\n") for part in parts)
        largest = max(map(len, parts))
        assert (
            SMALLEST_SEGMENT <= largest < (16 * MIB // 16 if not pause else SMALLEST_SEGMENT) + 2 * spool_module.BLOCK
        )
        assert feed.said == []


def test_what_is_written_is_in_a_file_at_once(tmp_path: Path) -> None:
    with spooling(tmp_path / "s") as feed:
        for number in range(20):
            feed.write(b"line %d\n" % number)
            begin = time.monotonic()
            until(lambda expected=number: content(feed.spool).endswith(b"line %d\n" % expected))  # type: ignore[misc]
            assert time.monotonic() - begin < 0.5
        assert not feed.spool.complete(segments(feed.spool)[0])
        with pytest.raises(ValueError, match="still being written"):
            feed.spool.remove(segments(feed.spool)[0])


@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.parametrize("size", [64 * KIB, 300 * KIB, 2 * MIB])
def test_a_full_spool_lets_the_writer_wait_says_so_once_and_goes_on_when_a_segment_is_removed(
    size: int, kind: str, tmp_path: Path
) -> None:
    data = b"".join(lines(2, 5 * MIB))
    with spooling(tmp_path / "s", size, kind) as feed:
        writer = feed.write_on(data)
        until(lambda: bool(feed.said))
        time.sleep(1.5)  # longer than between two looks
        assert writer.is_alive()
        assert size // 2 < len(content(feed.spool)) <= size + 400
        assert data.startswith(content(feed.spool))
        assert len(feed.said) == 1
        assert "the spool is full" in feed.said[0]
        begin = time.monotonic()
        assert feed.read() == data
        assert time.monotonic() - begin < 10, "removing wakes the spool"
        assert len(feed.said) == 1


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_full_spool_that_ends_with_a_line_does_not_exceed_its_bound(kind: str, tmp_path: Path) -> None:
    size = 60 * KIB  # less than a segment
    with spooling(tmp_path / "s", size, kind) as feed:
        for _ in range(60):
            feed.write(b"x" * (KIB - 1) + b"\n")
        until(lambda: len(content(feed.spool)) >= size - 4 * KIB)
        feed.write(b"y" * (KIB - 1) + b"\n")
        until(lambda: bool(feed.said))
        assert len(content(feed.spool)) <= size
        assert feed.spool.complete(segments(feed.spool)[-1])


def test_the_bound_is_kept_all_the_while(tmp_path: Path) -> None:
    data = b"".join(lines(3, 12 * MIB))
    largest = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal largest
        while not over.is_set():
            with suppress(FileNotFoundError):
                largest = max(largest, sum(path.stat().st_size for path in segments(tmp_path / "s")))

    thread = threading.Thread(target=watch)
    with spooling(tmp_path / "s", MIB) as feed:
        thread.start()
        feed.write_on(data)
        assert feed.read() == data
        over.set()
        thread.join()
    assert largest <= MIB + 400


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_line_longer_than_a_segment_stays_in_one(kind: str, tmp_path: Path) -> None:
    parts = [b"a\n", b"b" * (700 * KIB) + b"\n", b"c\n" * 40_000, b"d" * (300 * KIB) + b"\n", b"e\n"]
    with spooling(tmp_path / "s", 16 * MIB // 16, kind) as feed:
        feed.write_on(b"".join(parts[:3]))
        assert feed.read() == b"".join(parts[:3])
    with spooling(tmp_path / "t", 4 * MIB, kind) as feed:
        feed.write(b"".join(parts))
        feed.close()
        until(lambda: feed.spool.ended)
        assert content(feed.spool) == b"".join(parts)
        assert all(path.read_bytes().endswith(b"\n") for path in segments(feed.spool))


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_line_that_fills_the_spool_may_exceed_it_by_a_mib_and_is_then_torn_so_that_nothing_waits_for_ever(
    kind: str, tmp_path: Path
) -> None:
    size = 128 * KIB
    data = b"a\n" + b"b" * (900 * KIB) + b"\n" + b"c" * (3 * MIB) + b"\nd\n"
    with spooling(tmp_path / "s", size, kind) as feed:
        feed.write_on(data)
        until(lambda: bool(feed.said))
        assert len(content(feed.spool)) <= size + LONGEST_LINE
        assert feed.read() == data
        assert any(b"b" * (900 * KIB) + b"\n" in part for part in feed.parts), "within what a line may have"
        assert max(map(len, feed.parts)) <= size + LONGEST_LINE


def test_a_process_killed_at_any_moment_loses_no_byte_and_the_next_begins_a_new_segment(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    source, sink = os.pipe()
    data = lines(4, 24 * MIB, 3000)
    chance = random.Random(5)

    def feed() -> None:
        for line in data:
            write(sink, line)
            if chance.random() < 0.02:
                time.sleep(0.002)
        os.close(sink)

    writer = threading.Thread(target=feed, daemon=True)
    writer.start()
    ends = list[int]()
    for _ in range(8):
        with child(folder, 32 * MIB, source) as process:
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
            process.wait()
        ends.append(len(segments(folder)))
    with child(folder, 32 * MIB, source) as process:
        assert process.wait(30) == 0
    writer.join()
    os.close(source)
    assert len(set(ends)) > 3, "each process begins a segment of its own"
    assert content(folder) == b"".join(data)


def test_half_a_line_of_a_killed_process_is_not_glued_to_the_next_one(tmp_path: Path) -> None:
    for text in (b"whole\nhal", b"other\n"):
        source, sink = os.pipe()
        with child(tmp_path / "s", GIB, source) as process:
            os.write(sink, text)
            until(lambda expected=text: content(tmp_path / "s").endswith(expected))  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(source)
        os.close(sink)
    assert [path.read_bytes() for path in segments(tmp_path / "s")] == [b"whole\nhal", b"other\n"]
    with spooling(tmp_path / "s", start=False) as feed:
        assert segments(feed.spool) == segments(tmp_path / "s")
        assert all(map(feed.spool.complete, segments(feed.spool)))


def test_what_an_earlier_process_left_counts_towards_the_bound(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir(0o700)
    (folder / "spool-0000000007.log").write_bytes(b"old\n" * 100_000)
    (folder / "spool-0000000008.log").touch()
    os.utime(folder / "spool-0000000008.log", (0, 0))  # else another process may just be going to write to it
    with spooling(folder, 300 * KIB) as feed:
        feed.write(b"new\n")
        until(lambda: bool(feed.said))
        assert [path.name for path in segments(feed.spool)] == ["spool-0000000007.log"]
        feed.spool.remove(segments(feed.spool)[0])
        until(lambda: content(feed.spool) == b"new\n")
        assert [path.name for path in segments(feed.spool)] == ["spool-0000000009.log"]


def test_a_segment_deleted_by_hand_makes_room_too(tmp_path: Path) -> None:
    data = b"".join(lines(6, 600 * KIB))
    with spooling(tmp_path / "s", 256 * KIB) as feed:
        feed.write_on(data)
        until(lambda: bool(feed.said))
        first = segments(feed.spool)[0]
        taken = first.read_bytes()
        first.unlink()
        before = len(content(feed.spool))
        until(lambda: len(content(feed.spool)) > before)
        assert taken + feed.read() == data


def test_stop_takes_what_lies_in_the_pipe(tmp_path: Path) -> None:
    with spooling(tmp_path / "s", MIB, start=False) as feed:
        data = b"line\n" * 10_000
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(feed.file, fcntl.F_SETPIPE_SZ, MIB)
            data *= 18
        feed.write(data)
        feed.spool.start()
        feed.spool.stop()
        assert feed.spool.ended
        assert content(feed.spool) == data
        assert all(map(feed.spool.complete, segments(feed.spool)))


def test_stop_returns_soon_though_what_is_read_goes_on_flowing(tmp_path: Path) -> None:
    source = os.open("/dev/urandom", os.O_RDONLY)
    with Spool(tmp_path / "s", 64 * MIB, print, source) as spool:
        spool.start()
        reader = threading.Thread(target=lambda: removing(spool), daemon=True)
        reader.start()
        time.sleep(0.2)
        begin = time.monotonic()
        spool.stop()
        assert 0.8 < time.monotonic() - begin < 2.5
        assert spool.ended
        reader.join(10)
        assert not reader.is_alive()
    os.close(source)


def test_stop_returns_at_once_though_the_spool_is_full_and_leaves_the_rest_in_the_pipe(tmp_path: Path) -> None:
    data = b"".join(lines(7, 150 * KIB))
    with spooling(tmp_path / "s", 100 * KIB) as feed:
        feed.write_on(data)
        until(lambda: bool(feed.said))
        begin = time.monotonic()
        feed.spool.stop()
        assert time.monotonic() - begin < 0.5
        assert feed.spool.ended
        assert "left there" in feed.said[-1]
        rest = b""
        while block := os.read(feed.spool._file, 65536):
            rest += block
        assert content(feed.spool) + rest == data


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_full_disk_is_waited_for_and_nothing_is_lost(kind: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount")
    data = b"".join(lines(8, 20 * MIB))
    try:
        with spooling(disk / "s", GIB, kind) as feed:
            feed.write_on(data)
            until(lambda: bool(feed.said))
            assert "the disk is full" in feed.said[0]
            assert feed.read() == data
            assert len(feed.said) == 1
        with spooling(disk / "s", GIB, kind) as feed:  # others fill the disk
            (disk / "other").write_bytes(b"x" * (7 * MIB))
            feed.write(b"line\n")
            until(lambda: bool(feed.said))
            time.sleep(0.1)
            assert content(feed.spool) == b""
            (disk / "other").unlink()
            until(lambda: content(feed.spool) == b"line\n")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_write_error_that_goes_away_loses_nothing_and_is_said_once(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    data = b"".join(lines(9, 300 * KIB))
    source, sink = os.pipe()
    with child(folder, GIB, source) as process:
        assert process.stdout is not None
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_001, resource.RLIM_INFINITY))  # in a line
        writer = threading.Thread(target=write, args=(sink, data), daemon=True)
        writer.start()
        said = process.stdout.readline()
        assert b"writing failed: file too large" in said, said
        time.sleep(1.2)  # it tries again
        assert len(content(folder)) == 100_001
        assert writer.is_alive()
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.join(10)
        os.close(sink)
        assert process.wait(10) == 0
        assert process.stdout.read() == b""
    os.close(source)
    assert content(folder) == data
    assert len(segments(folder)) == 1


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_write_error_that_stays_is_no_dead_lock_and_stop_says_what_is_lost(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_PATIENCE", 0.5)
    data = b"x" * (50 * KIB) + b"\n"
    with spooling(tmp_path / "s", GIB, kind) as feed:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30 * KIB, limits[1]))
        try:
            feed.write(data)
            until(lambda: content(feed.spool) == data)  # torn, but there
            assert len(segments(feed.spool)) == 2
            assert feed.spool.complete(segments(feed.spool)[0])
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
            feed.write(b"last\n")
            until(lambda: len(content(feed.spool)) > len(data))
            feed.spool.stop()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        written = content(feed.spool)[len(data) :]
        assert b"last\n".startswith(written)
        if kind == "pipe":
            assert feed.spool.ended
            assert written + os.read(feed.spool._file, 100) == b"last\n"
        else:
            lost = rf"last {5 - len(written)} bytes read are lost: file too large"
            with pytest.raises(StateError, match=lost):
                _ = feed.spool.ended


def test_reading_that_fails_reaches_who_asks(tmp_path: Path) -> None:
    (tmp_path / "write-only").touch()
    file = os.open(tmp_path / "write-only", os.O_WRONLY)
    try:
        with Spool(tmp_path / "s", GIB, print, file) as spool:
            spool.start()
            with pytest.raises(SourceError, match=r"standard input: reading stopped: bad file descriptor"):
                until(lambda: spool.ended)
    finally:
        os.close(file)


def test_what_saying_raises_reaches_who_asks(tmp_path: Path) -> None:
    source, sink = os.pipe()

    def say(text: str) -> None:
        raise ZeroDivisionError(text)

    (tmp_path / "s").mkdir(0o700)
    (tmp_path / "s" / "spool-0000000001.log").write_bytes(b"1\n")
    with Spool(tmp_path / "s", 1, say, source) as spool:
        spool.start()
        os.write(sink, b"2\n")
        with pytest.raises(ZeroDivisionError):
            until(lambda: spool.ended)
    os.close(source)
    os.close(sink)


def test_a_closed_standard_input_is_said(tmp_path: Path) -> None:
    taken = "import os; assert os.open('/dev/null', os.O_RDONLY) == 0\n"  # its number is another file's
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" "$2" 1 <&-', sys.executable, taken + CHILD, tmp_path / "s"],
        cwd=ROOT,
        capture_output=True,
    )
    assert b"SourceError: standard input is closed." in done.stderr
    assert not (tmp_path / "s").exists()
    with pytest.raises(SourceError, match="is closed"), Spool(tmp_path / "s", GIB, print, 999):
        pass


def test_a_pipe_that_does_not_block_is_read_like_another(tmp_path: Path) -> None:
    data = b"".join(lines(10, MIB))
    with spooling(tmp_path / "s", start=False) as feed:
        os.set_blocking(feed.spool._file, False)
        feed.spool.start()
        time.sleep(0.05)
        feed.write_on(data)
        assert feed.read() == data


def test_a_pipe_that_another_process_reads_too_ends_when_it_is_closed_and_not_before(tmp_path: Path) -> None:
    source, sink = os.pipe()
    os.set_blocking(source, False)
    with Spool(tmp_path / "a", GIB, print, source) as one, Spool(tmp_path / "b", GIB, print, source) as other:
        one.start()
        other.start()
        for _ in range(3000):  # both wake, and one finds nothing
            os.write(sink, b"line\n")
            time.sleep(0.0002)
        assert (one.ended, other.ended) == (False, False)
        os.close(sink)
        until(lambda: one.ended and other.ended)
        assert len(content(one)) + len(content(other)) == 3000 * 5
    os.close(source)


def test_a_file_as_standard_input_is_spooled_too(tmp_path: Path) -> None:
    data = b"".join(lines(11, 300 * KIB))
    (tmp_path / "a.log").write_bytes(data)
    with (tmp_path / "a.log").open("rb") as file, Spool(tmp_path / "s", GIB, print, file.fileno()) as spool:
        spool.start()
        until(lambda: spool.ended)
        assert content(spool) == data


def test_an_empty_pipe_leaves_no_segment(tmp_path: Path) -> None:
    with spooling(tmp_path / "s") as feed:
        feed.close()
        until(lambda: feed.spool.ended)
        assert segments(feed.spool) == []


def test_what_is_written_is_brought_to_the_disk_once_a_second_and_at_the_end(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        missing("strace")
    source, sink = os.pipe()
    calls = tmp_path / "calls"
    with child(tmp_path / "s", GIB, source) as process:
        traced = ["strace", "-f", "-e", "trace=fdatasync,fsync", "-o", str(calls), "-p", str(process.pid)]
        with subprocess.Popen(traced, stderr=subprocess.PIPE) as strace:
            assert strace.stderr is not None
            assert b"attached" in strace.stderr.readline()
            for _ in range(50):
                os.write(sink, b"line\n")
                time.sleep(0.05)
            while_writing = calls.read_text().count("fdatasync")
            time.sleep(1.2)
            before_the_end = calls.read_text().count("fdatasync")
            os.write(sink, b"last\n")
            os.close(sink)
            assert process.wait(10) == 0
    os.close(source)
    assert 2 <= while_writing <= 4
    assert before_the_end - while_writing <= 1
    assert calls.read_text().count("fdatasync") > before_the_end
    assert len(re.findall(r"\bfsync", calls.read_text())) == 1, "its name in the folder"


def test_two_processes_write_side_by_side_and_one_reads(tmp_path: Path) -> None:
    """As when a web server is restarted: the old one's last requests are still being written."""
    with spooling(tmp_path / "s") as old, spooling(tmp_path / "s") as new:
        old.write(b"old\n")
        until(lambda: content(old.spool) == b"old\n")
        new.write(b"new\n")
        until(lambda: content(old.spool) == b"old\nnew\n")
        paths = segments(old.spool)
        assert [one.spool.complete(path) for one in (old, new) for path in paths] == [False] * 4
        with old.spool.turn.reading("job", lambda _: True):
            assert not new.spool.turn.wanted
            with pytest.raises(KeyboardInterrupt), new.spool.turn.reading("job", lambda _: True):
                pass
            assert old.spool.turn.wanted
            locked = rf"another process \(process {os.getpid()}\) uses this spool for another job"
            with pytest.raises(JobLocked, match=locked), new.spool.turn.reading("other", lambda _: True):
                pass
        old.spool.stop()
        assert [new.spool.complete(path) for path in paths] == [True, False]
        with new.spool.turn.reading("job", lambda _: True):
            assert not new.spool.turn.wanted


def test_stop_to_the_end_reads_what_still_comes(tmp_path: Path) -> None:
    with spooling(tmp_path / "s") as feed:
        stopping = threading.Thread(target=feed.spool.stop, args=(20,))
        stopping.start()
        for number in range(4):
            time.sleep(0.2)
            feed.write(b"line %d\n" % number)
        feed.close()
        stopping.join(5)
        assert not stopping.is_alive()
        assert content(feed.spool) == b"".join(b"line %d\n" % number for number in range(4))


def test_the_folder_and_its_files_are_ours_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with spooling(tmp_path / "s") as feed:
            feed.write(b"line\n")
            until(lambda: content(feed.spool) == b"line\n")
    finally:
        os.umask(before)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "s").iterdir()} == {0o600}


def test_a_folder_that_others_could_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o770)
    (tmp_path / "file").touch()
    for name, reason in [
        ("link", "the spool folder is a symbolic link"),
        ("open", "others may write to the spool folder"),
        ("file", "cannot be used for spool: file exists"),
    ]:
        with pytest.raises(StateError, match=reason), spooling(tmp_path / name):
            pass
    if os.getuid() == 0:
        os.chown(tmp_path / "real", 12345, -1)
        with pytest.raises(StateError, match="belongs to another user"), spooling(tmp_path / "real"):
            pass


def test_odd_characters_in_the_name_of_the_folder_are_no_pattern(tmp_path: Path) -> None:
    with spooling(tmp_path / "s[1]*") as feed:
        feed.write(b"line\n")
        until(lambda: content(feed.spool) == b"line\n")


@pytest.mark.parametrize("full", [False, True])
def test_waiting_costs_nothing(full: bool, tmp_path: Path) -> None:
    with spooling(tmp_path / "s", 64 * KIB if full else GIB) as feed:
        feed.write_on(b"line\n" * 100_000) if full else feed.write(b"line\n")
        until(lambda: bool(feed.said) if full else content(feed.spool) == b"line\n")
        time.sleep(0.1)
        before = os.times()
        time.sleep(2)
        after = os.times()
        assert after.user + after.system - before.user - before.system <= 0.03
