"""`--spool`: what comes through a pipe is in files before it is sent, so that no kill and no absent server loses it."""

import contextlib
import gzip
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import TOKENS, Run, command, environment
from tests.fault_server import FaultServer, Posted, Told, serve
from tests.faults.test_crash import wait_for
from tests.oracle import Oracle, lines


class Piped:
    """An import that reads a pipe into a spool."""

    def __init__(self, folder: Path, server: FaultServer, *more: object) -> None:
        given = ("import", "--url", server.url, "--idsite", 1, "--state-dir", "state", "--json", "--spool", "spool")
        self.folder = folder
        self.process = subprocess.Popen(
            command(*given, "--flush-after", 0.5, "--retry-delay", 0.05, *more, "-"), cwd=folder,
            env=environment(folder, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin}), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def spooled(self) -> int:
        """Bytes in the spool."""
        return sum(path.stat().st_size for path in (self.folder / "spool").glob("spool-*.log"))

    def end(self, code: int | None = None) -> bytes:
        """Ends the pipe and waits for the process; what it said."""
        _, said = self.process.communicate(timeout=180)
        assert b"Traceback" not in said, said
        if code is not None:
            assert self.process.returncode == code, said
        return said


def test_what_is_spooled_is_sent_and_its_files_go(tmp_path: Path) -> None:
    oracle = Oracle()
    with serve(oracle) as server:
        piped = Piped(tmp_path, server, "--spool-size", 1 << 20)
        for number in range(0, 20_000, 100):  # more than the spool may hold
            piped.write(lines(range(number, number + 100)))
        piped.end(0)
    assert sorted(oracle.stored) == list(range(20_000))
    assert oracle.out_of_order() == []
    assert piped.spooled() == 0


def test_a_line_is_sent_soon_also_when_it_is_the_only_one(tmp_path: Path) -> None:
    oracle = Oracle()
    with serve(oracle) as server:
        piped = Piped(tmp_path, server)
        for number in range(3):
            piped.write(lines([number]))
            wait_for(lambda number=number: number in oracle.stored, 15)
        piped.end(0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_came_before_a_kill_is_sent_by_the_next_run(number: int, tmp_path: Path) -> None:
    oracle = Oracle(seconds_per_hit=0.001)
    with serve(oracle) as server:
        first = Piped(tmp_path, server, "--recorder-max-payload-size", 20, "--grace", 0.2)
        first.write(lines(range(3000)))
        wait_for(lambda: len(oracle.stored) > 100, 30)
        first.process.send_signal(number)
        first.process.wait(30)
        first.end()
        left = len(oracle.stored)
        second = Piped(tmp_path, server, "--request-timeout", 3)  # the server may be at work on a batch for so long
        second.write(lines(range(3000, 3100)))
        second.end(0)
    assert left < 3000
    assert oracle.missing(range(3100)) == []
    assert len(oracle.repeated()) <= 20 * 16, "twice is only what was in flight"
    assert second.spooled() == 0


def test_the_writer_goes_on_while_the_server_is_away_and_waits_when_the_spool_is_full(tmp_path: Path) -> None:
    oracle = Oracle()
    away = threading.Event()
    away.set()
    with serve(
        lambda posted: Told(503, b"away") if away.is_set() and b"ping" not in posted.body else oracle(posted)
    ) as server:
        piped = Piped(tmp_path, server, "--spool-size", 2 << 20)
        written = 0

        def write() -> None:
            nonlocal written
            while written < 20_000:
                piped.write(lines(range(written, written + 100)))
                written += 100

        writer = threading.Thread(target=write)
        writer.start()
        wait_for(lambda: piped.spooled() > 1_500_000, 30)
        time.sleep(3)
        waiting, held = written, piped.spooled()
        time.sleep(1)
        assert (written, writer.is_alive()) == (waiting, True), "the writer waits"
        assert held <= 2 << 20
        away.clear()
        writer.join(60)
        said = piped.end(0)
    assert sorted(oracle.stored) == list(range(20_000)), "nothing is dropped"
    assert b"full" in said


def test_a_web_server_that_is_restarted_loses_nothing(tmp_path: Path) -> None:
    """It ends its old logger while requests go on that write into its pipe, and starts a new one at once."""
    oracle = Oracle()
    away = threading.Event()
    away.set()

    def answer(posted: Posted) -> Told:
        return Told(503, b"away") if away.is_set() and b"ping" not in posted.body else oracle(posted)

    with serve(answer) as server:
        first = Piped(tmp_path, server, "--grace", 5)
        first.write(lines(range(100)))
        wait_for(lambda: first.spooled() > 0, 20)
        time.sleep(1)
        first.process.send_signal(signal.SIGTERM)
        second = Piped(tmp_path, server)
        second.write(lines(range(100, 200)))
        time.sleep(1)
        first.write(lines(range(200, 210)))
        second.write(lines(range(210, 220)))
        time.sleep(0.5)
        assert (first.process.poll(), second.process.poll()) == (None, None)
        away.clear()
        first.end(143)
        second.end(0)
    assert sorted(oracle.stored) == list(range(220))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.2, 0.4, 0.8])
def test_a_signal_in_the_first_moments_waits_until_the_pipe_is_read(seconds: float, tmp_path: Path) -> None:
    """A web server that is restarted twice within a second ends a logger that has hardly begun."""
    oracle = Oracle()
    with serve(oracle) as server:
        first = Piped(tmp_path, server)
        first.write(lines(range(100)))
        maps = Path(f"/proc/{first.process.pid}/maps")
        wait_for(lambda: "orjson" in maps.read_text(), 20)  # it loads its modules
        time.sleep(seconds)
        first.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        first.write(lines(range(100, 200)))
        first.end(143)
        Piped(tmp_path, server).end(0)
    assert sorted(oracle.stored) == list(range(200))


def takes_or_holds(pid: int, number: signal.Signals) -> bool:
    """Whether that signal does no longer end the process in its own way."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = [line.split()[1] for line in status.splitlines() if line.startswith(("SigBlk", "SigCgt"))]
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def test_two_alike_segments_are_both_sent(tmp_path: Path) -> None:
    """Each process begins a file of its own, and what a log says at two times may be the same."""
    oracle = Oracle()
    with serve(oracle) as server:
        for _ in range(2):
            piped = Piped(tmp_path, server)
            piped.write(lines(range(3)))
            piped.process.send_signal(signal.SIGSTOP)
            piped.process.send_signal(signal.SIGCONT)
            piped.end(0)
    assert sorted(oracle.stored) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--spool", "spool", "a.log"), "--spool is for standard input alone."),
        (("--follow", "-"), "--follow is for files; a pipe is read as it comes anyway."),
        (("--from-now", "a.log"), "--from-now is given, but no --follow."),
        (("--follow", "--dry-run", "a.log"), "--dry-run and --follow exclude each other."),
        (("--follow", "--again", "a.log"), "--again and --follow exclude each other."),
    ],
)
def test_options_that_do_not_fit_together_are_a_sentence(
    given: tuple[str, ...], says: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(lines(range(3)))
    done = run("import", "--local", "--state-dir", "state", *given)
    assert (done.code, says in done.err) == (2, True), done
    assert not (tmp_path / "state" / "receiver.sqlite3").exists()


def test_a_spool_of_another_job_is_refused(tmp_path: Path) -> None:
    with serve(Oracle()) as server:
        first = Piped(tmp_path, server)
        wait_for(lambda: (tmp_path / "spool" / "job").exists(), 20)
        second = Piped(tmp_path, server, "--job", "other")
        second.process.wait(60)
        said = second.end(6)
        first.end(0)
    assert b"uses this spool for another job" in said


@pytest.mark.parametrize("first", [1, 70_000])
def test_what_is_compressed_is_refused_since_no_line_of_it_could_be_kept_whole(first: int, tmp_path: Path) -> None:
    """Cut at what looks like line ends it would be garbage; what is written behind it is spooled as ever."""
    data = gzip.compress(b"".join(b"%x\n" % hash((number, number)) for number in range(40_000)))
    oracle = Oracle()
    with serve(oracle) as server:
        piped = Piped(tmp_path, server, "--spool-size", 1 << 20)
        with contextlib.suppress(BrokenPipeError):
            piped.write(data[:first])
            time.sleep(0.5)
            piped.write(data[first:])
        said = piped.end(3)
        assert b"standard input is compressed or an archive, and --spool takes lines. Unpack it before: zcat" in said
        assert piped.spooled() == 0
        piped = Piped(tmp_path, server)
        piped.write(lines(range(10)))
        piped.end(0)
    assert sorted(oracle.stored) == list(range(10))
