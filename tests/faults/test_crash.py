"""Processes that die: nobody is left behind, no lock is held, and the run ends rightly or clearly, never waiting."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import TOKENS, Run, command, environment
from tests.fault_server import FaultServer, Posted, Told, good, serve

LINE = b'192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] "GET /page HTTP/1.1" 200 10 "-" "Mozilla/5.0 (X11) Firefox/147.0"\n'


def children(pid: int) -> list[int]:
    """All processes that `pid` has started, and those that they have."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid:
                    found += [int(entry.name), *children(int(entry.name))]
    return found


def workers(pid: int) -> list[int]:
    """The worker processes among the children of `pid`; multiprocessing has one of its own beside those it spawns."""
    found = []
    for child in children(pid):
        with contextlib.suppress(OSError):
            if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def alive(pid: int) -> bool:
    """Whether the process runs and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: object, seconds: float = 20) -> None:
    """Waits until `condition()` is true."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@contextlib.contextmanager
def importing(
    folder: Path, server: FaultServer, *more: object, names: Sequence[str] = ("a.log",)
) -> Iterator[subprocess.Popen[bytes]]:
    """An import of files in `folder` into `server`, with two worker processes."""
    process = subprocess.Popen(
        command(
            "import", "--url", server.url, "--idsite", 1, "--state-dir", "state", "--workers", 2, "--json",
            "--recorder-max-payload-size", 200, "--in-doubt", "resend", *more, *names,
        ),
        cwd=folder, env=environment(folder, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin}), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def slow(posted: Posted) -> Told:
    """As a good server that takes a while."""
    answer = good(posted)
    answer.delay = 0.3
    return answer


def test_sigkill_of_the_coordinator_leaves_no_process_and_no_lock(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LINE * 60_000)
    with serve(slow) as server, importing(tmp_path, server) as process:
        wait_for(lambda: server.bulk)
        family = children(process.pid)
        assert len(workers(process.pid)) == 2
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        wait_for(lambda: not any(alive(pid) for pid in family), 5)
        (tmp_path / "a.log").write_bytes(LINE)
        server.script = good
        done = run(
            "import", "--url", server.url, "--idsite", 1, "--state-dir", "state", "--json", "a.log",
            LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin,
        )  # fmt: skip
        assert (done.code, done.summary["tracked"]) == (0, 1), "the lock is gone with its process"


def test_sigkill_of_a_worker_has_its_chunk_done_again(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LINE * 40_000)
    with serve(slow) as server, importing(tmp_path, server) as process:
        wait_for(lambda: len(workers(process.pid)) == 2)
        os.kill(workers(process.pid)[0], signal.SIGKILL)
        wait_for(lambda: server.bulk)
        with contextlib.suppress(ProcessLookupError):
            os.kill(workers(process.pid)[-1], signal.SIGKILL)
        server.script = good
        out, error = process.communicate(timeout=180)
        sent = sum(len(posted.queries) for posted in server.bulk)
    assert (process.returncode, error) == (0, b"")
    assert b'"tracked": 40000' in out
    assert sent == 40_000


def test_workers_that_keep_dying_end_the_run_clearly(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LINE * 400_000)
    with serve(slow) as server, importing(tmp_path, server) as process:
        wait_for(lambda: len(workers(process.pid)) == 2)
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            for pid in workers(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        out, error = process.communicate(timeout=10)
    assert process.returncode == 1, error
    assert b"A worker process died twice on the chunk that begins at line" in error
    assert b"Traceback" not in error
    assert b'"exit_code": 1' in out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_drains_what_was_read_and_the_numbers_add_up(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(LINE * 300_000)
    with serve(slow) as server, importing(tmp_path, server, "--grace", 20) as process:
        wait_for(lambda: server.bulk)
        server.script = good
        process.send_signal(number)
        out, error = process.communicate(timeout=40)
        sent = sum(len(posted.queries) for posted in server.bulk)
    assert process.returncode == code, error
    assert f"{number.name}: no more is read".encode() in error
    assert f'"tracked": {sent},'.encode() in out
    assert b'"pending": 0,' in out


def test_a_second_signal_stops_at_once_and_says_what_is_pending(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LINE * 60_000)

    def stuck(posted: Posted) -> Told:
        answer = good(posted)
        answer.delay = 20 if b"ping=1" not in posted.body and b"requests" in posted.body else 0
        return answer

    with serve(stuck) as server, importing(tmp_path, server) as process:
        wait_for(lambda: server.bulk)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=15)
        assert time.monotonic() - began < 5
    assert process.returncode == 143, error
    assert b"Traceback" not in error
    assert b'"tracked": 0,' in out


@pytest.mark.parametrize("lines", [10, 60_000])
def test_a_server_that_never_answers_holds_nobody_longer_than_the_grace(lines: int, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LINE * lines)

    def stuck(posted: Posted) -> Told:
        answer = good(posted)
        answer.delay = 0 if b"ping=1" in posted.body or b"requests" not in posted.body else 20
        return answer

    with serve(stuck) as server, importing(tmp_path, server, "--grace", 1) as process:
        wait_for(lambda: server.bulk)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=15)
        assert time.monotonic() - began < 6
    assert process.returncode == 130, error
    counts = json.loads(out)
    assert counts["tracked"] == 0
    assert counts["in_doubt"] == sum(len(posted.queries) for posted in server.bulk), "sent, and never answered"
    assert counts["pending"] == counts["lines"] - counts["in_doubt"]


def test_a_signal_before_anything_was_read_ends_it_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LINE)

    def silent(posted: Posted) -> Told:
        return Told(delay=20)

    with serve(silent) as server, importing(tmp_path, server) as process:
        wait_for(lambda: server.posted)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.communicate(timeout=15)
        assert time.monotonic() - began < 5
    assert process.returncode == 143


def test_sigkill_while_the_receiver_writes_leaves_a_sound_database(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LINE * 30_000)
    process = subprocess.Popen(
        command("import", "--local", "--state-dir", "state", "a.log"), cwd=tmp_path, env=environment(tmp_path),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    database = tmp_path / "state" / "receiver.sqlite3"

    def count(sql: str) -> int:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            return int(connection.execute(sql).fetchone()[0] or 0)

    def some() -> bool:
        with contextlib.suppress(sqlite3.Error):
            return database.exists() and count("SELECT count(*) FROM action") > 0
        return False

    wait_for(some)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert count("SELECT count(*) FROM action") == count("SELECT sum(actions) FROM visit")
    assert run("import", "--local", "--state-dir", "state", "a.log").code == 0
