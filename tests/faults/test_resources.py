"""Little room: few open files, closed outputs, a server far slower than the disk, a process that sleeps for a while."""

import json
import os
import resource
import signal
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import TOKENS, Run, command, environment
from tests.fault_server import Posted, Told
from tests.faults.common import Keeper, accounted, arguments, keeping, line, log, marks, send, watched
from tests.faults.test_crash import wait_for

TOKEN = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}


def limited(files: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def test_five_hundred_files_with_64_open_at_once(tmp_path: Path) -> None:
    """Each is opened when its time comes."""
    for number in range(500):
        (tmp_path / f"{number:03}.log").write_bytes(log(range(number * 3, number * 3 + 3)))
    with keeping() as keeper:
        done = subprocess.run(
            command(*arguments(keeper.url, *(f"{number:03}.log" for number in range(500)))), cwd=tmp_path,
            env=environment(tmp_path, TOKEN), capture_output=True, timeout=100, check=False,
            preexec_fn=partial(limited, 64), stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert keeper.stored == dict.fromkeys(marks(range(1500)), 1)
    assert json.loads(done.stdout)["tracked"] == 1500


def test_too_few_files_for_anything_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(10)))
    with keeping() as keeper:
        for files in (9, 12, 15, 18):
            done = subprocess.run(
                command(*arguments(keeper.url, "--state-dir", f"state{files}", "--give-up-after", 1, "a.log")),
                cwd=tmp_path, env=environment(tmp_path, TOKEN), capture_output=True, timeout=180, check=False,
                preexec_fn=partial(limited, files), stdin=subprocess.DEVNULL,
            )  # fmt: skip
            assert b"log_importer" not in done.stderr, "no traceback"
            assert done.returncode != 0 or len(keeper.stored) == 10
            if done.returncode:
                assert b"oo many open files" in done.stderr or b"unable to open" in done.stderr
            keeper.stored.clear()


def test_missing_and_unreadable_files_among_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(10)))
    (tmp_path / "c.log").write_bytes(log(range(10, 20)))
    (tmp_path / "folder.log").symlink_to("nowhere")
    with keeping() as keeper:
        done = send(run, keeper.url, "a.log", "b.log", "c.log", "folder.log")
    accounted(done, keeper.stored, marks(range(20)), 3, tracked=20)
    assert "b.log" in done.err
    assert "folder.log" in done.err


@pytest.mark.parametrize("closed", ["out", "err", "both"])
def test_closed_outputs_do_not_stop_the_import(closed: str, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(3000)))
    ends = {"out": ">&-", "err": "2>&-", "both": ">&- 2>&-"}[closed]
    with keeping() as keeper:
        shell = f'exec "$@" {ends}'
        done = subprocess.run(
            ["/bin/sh", "-c", shell, "sh", *command(*arguments(keeper.url, "a.log"))], cwd=tmp_path,
            env=environment(tmp_path, TOKEN), capture_output=True, timeout=180, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert keeper.stored == dict.fromkeys(marks(range(3000)), 1)


def test_a_reader_of_our_output_that_leaves_does_not_stop_the_import(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(3000)))
    with keeping() as keeper:
        process = subprocess.Popen(
            command(*arguments(keeper.url, "a.log")), cwd=tmp_path, env=environment(tmp_path, TOKEN),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        assert process.wait(60) == 0
        assert keeper.stored == dict.fromkeys(marks(range(3000)), 1)


def test_a_full_output_is_told_and_the_import_is_done(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    (tmp_path / "a.log").write_bytes(log(range(30)))
    with keeping() as keeper, Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(*arguments(keeper.url, "a.log")), cwd=tmp_path, env=environment(tmp_path, TOKEN), stdout=full,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=180, check=False,
        )  # fmt: skip
        assert len(keeper.stored) == 30
    assert (done.returncode, b"The summary cannot be written: no space left on device." in done.stderr) == (0, True)


def test_queues_are_bounded_where_the_server_is_far_slower_than_the_disk(tmp_path: Path) -> None:
    """Some hundred thousand lines wait on disk, and not in memory."""
    with (tmp_path / "a.log").open("wb") as file:
        file.writelines(line(number, agent=f"Mozilla/5.0 ({'x' * 300})", visitors=250) for number in range(300_000))

    def slow(keeper: Keeper, posted: Posted) -> Told:
        time.sleep(0.5)
        return keeper.keep(posted)

    with keeping(slow) as keeper, watched(tmp_path, *arguments(keeper.url, "--grace", 0.1, "a.log")) as process:
        wait_for(lambda: len(keeper.sizes) > 6, 60)
        time.sleep(4)
        read = max(map(_position, Path(f"/proc/{process.process.pid}/fd").iterdir()))
        process.process.send_signal(signal.SIGTERM)
        done = process.end()
        assert process.peak < 300 << 20
    assert done.code == 143
    assert 0 < read < (tmp_path / "a.log").stat().st_size * 0.75


def _position(file: Path) -> int:
    """How far a process has read `a.log`; 0 where this is another of its files."""
    with suppress(OSError):
        if file.readlink().name == "a.log":
            return int((file.parent.parent / "fdinfo" / file.name).read_text().split()[1])
    return 0


def test_a_process_that_was_stopped_for_a_while_goes_on_as_if_nothing_were(tmp_path: Path) -> None:
    """SIGSTOP for longer than a time-out, while the server's answers lie ready."""
    (tmp_path / "a.log").write_bytes(log(range(300)))

    def slow(keeper: Keeper, posted: Posted) -> Told:
        time.sleep(0.2)
        return keeper.keep(posted)

    given = ("--recorder-max-payload-size", 20, "--request-timeout", 2, "a.log")
    with keeping(slow) as keeper, watched(tmp_path, *arguments(keeper.url, *given)) as process:
        wait_for(lambda: len(keeper.sizes) > 2, 20)
        os.kill(process.process.pid, signal.SIGSTOP)
        time.sleep(6)
        os.kill(process.process.pid, signal.SIGCONT)
        done = process.end()
        accounted(done, keeper.stored, marks(range(300)), 0, tracked=300)
        assert keeper.stored.total() - 300 <= done.summary["maybe_twice"] <= 40


def test_a_server_that_is_away_for_a_while_is_waited_for_and_then_all_goes_on(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(100)))
    begin = time.monotonic()
    with keeping(lambda *_: Told(503, b"away") if time.monotonic() < begin + 6 else None) as keeper:
        done = send(run, keeper.url, "--recorder-max-payload-size", 10, "a.log")
        accounted(done, keeper.stored, marks(range(100)), 0, tracked=100)
        assert keeper.stored.total() == 100
