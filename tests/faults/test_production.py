"""What production does to a process: odd names, full disks, readers that leave, signals; nothing is lost or untrue."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOKENS, Run, command, environment
from tests.fault_server import Posted, Told, counted, good
from tests.faults.common import Keeper, arguments, keeping, log, marks
from tests.faults.test_crash import wait_for

ODD = os.fsdecode(b"caf\xe9")
"""No UTF-8."""
FULL = Path("/dev/full")


@pytest.fixture
def full() -> Iterator[Path]:
    if not FULL.exists():
        pytest.skip("there is no /dev/full")
    yield FULL
    assert FULL.is_char_device(), "a device is no file to be replaced"


def imported(folder: Path, url: str, *more: str, state: str = "state", stdin: bytes = b"") -> Any:
    """Exit code, summary and what was said, of an import; all names are bytes to the system."""
    done = subprocess.run(
        [*command(*arguments(url)), "--state-dir", state, *more], cwd=folder, input=stdin, capture_output=True,
        env=environment(folder, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}), timeout=180, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), done.stderr.decode()


def test_names_that_are_no_utf8_are_names(tmp_path: Path) -> None:
    state = f"state-{ODD}"
    (tmp_path / ODD).mkdir()
    (tmp_path / ODD / f"{ODD}.log").write_bytes(log(range(20)))
    (tmp_path / ODD / "b.log").write_bytes(log(range(20, 40)))
    with keeping() as keeper:
        code, first, said = imported(tmp_path, keeper.url, ODD, state=state)
        assert (code, said, first["tracked"]) == (0, "", 40)
        (tmp_path / ODD / f"{ODD}.log").rename(tmp_path / ODD / f"{ODD}.log.1")
        code, again, said = imported(tmp_path, keeper.url, ODD, state=state)
        assert (code, said, again["known_lines"]) == (0, "", 40)
        assert keeper.stored == dict.fromkeys(marks(range(40)), 1)
    assert [source["source"] for source in first["sources"]] == [r"caf\xe9/b.log", r"caf\xe9/caf\xe9.log"][::-1]
    status = subprocess.run(
        [*command("status", "--json", "--state-dir"), state], cwd=tmp_path, env=environment(tmp_path),
        capture_output=True, check=True,
    )  # fmt: skip
    names = [source["source"] for source in json.loads(status.stdout)["jobs"][0]["sources"]]
    assert sorted(names) == [rf"{tmp_path}/caf\xe9/b.log", rf"{tmp_path}/caf\xe9/caf\xe9.log"]


def test_a_spool_may_have_any_name(tmp_path: Path) -> None:
    with keeping() as keeper:
        for lines in (range(30), range(30, 50)):
            code, summary, said = imported(tmp_path, keeper.url, "--spool", f"spool-{ODD}", "-", stdin=log(lines))
            assert (code, said, summary["tracked"]) == (0, "", len(lines))
        assert keeper.stored == dict.fromkeys(marks(range(50)), 1)


@pytest.mark.parametrize("link", ["self.log", "nowhere"])
def test_a_link_to_nothing_costs_itself_alone(link: str, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(log(range(20)))
    (tmp_path / "logs" / "self.log").symlink_to(link)
    with keeping() as keeper:
        code, summary, said = imported(tmp_path, keeper.url, "logs")
        assert keeper.stored == dict.fromkeys(marks(range(20)), 1)
    assert (code, summary["tracked"], summary["exit_code"]) == (3, 20, 3)
    assert said.startswith("log-importer: logs/self.log: cannot be read:")


@pytest.mark.parametrize("option", ["--rejects", "--output", "--metrics-file"])
def test_a_full_disk_under_a_file_that_we_write_beside_costs_that_file_alone(
    option: str, full: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(b"garbage\n" * 400 + log(range(3000)))
    with keeping() as keeper:
        done = subprocess.run(
            command(*arguments(keeper.url, option, full, "a.log")), cwd=tmp_path, capture_output=True, timeout=180,
            env=environment(tmp_path, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}), check=False,
        )  # fmt: skip
        assert keeper.stored == dict.fromkeys(marks(range(3000)), 1)
    if option == "--output":
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        return
    assert (done.returncode, json.loads(done.stdout)["tracked"]) == (1, 3000)
    assert done.stderr.decode().startswith(
        f"log-importer: {full}: {option} cannot be written: no space left on device."
    )


def test_a_reader_of_our_messages_that_leaves_does_not_stop_the_import(tmp_path: Path) -> None:
    """Something is said before the first batch, to nobody."""
    (tmp_path / "a.log").write_bytes(log(range(3000)))
    with keeping() as keeper:
        process = subprocess.Popen(
            command(*arguments(keeper.url, "--in-doubt", "ask", "a.log")), cwd=tmp_path, stdin=subprocess.DEVNULL,
            env=environment(tmp_path, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["tracked"] == 3000
        assert process.wait(60) == 0
        assert keeper.stored == dict.fromkeys(marks(range(3000)), 1)


def slow(posted: Posted) -> Told:
    """As a server that takes a minute for a batch."""
    if b'"requests"' not in posted.body or b"ping=1" in posted.body:
        return good(posted)
    return Told(200, counted(len(posted.queries)).body, delay=60.0)


def deliberate(keeper: Keeper, posted: Posted) -> Told:
    """As a server that takes a third of a second."""
    return keeper.keep(posted, Told(200, counted(len(posted.queries)).body, delay=0.3))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_stays_ignored(number: signal.Signals, tmp_path: Path) -> None:
    """nohup ignores the one, a shell for what it runs in the background the other."""
    (tmp_path / "a.log").write_bytes(log(range(300)))
    with keeping(deliberate) as keeper:
        process = subprocess.Popen(
            command(*arguments(keeper.url, "--recorder-max-payload-size", 50, "a.log")), cwd=tmp_path,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(tmp_path, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}),
            preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
        )  # fmt: skip
        wait_for(lambda: keeper.stored)
        process.send_signal(number)
        out, error = process.communicate(timeout=180)
    assert (process.returncode, json.loads(out)["tracked"], error) == (0, 300, b"")


def test_a_second_sigterm_ends_the_process_within_a_second_or_two(tmp_path: Path) -> None:
    """A server that does not answer, and a pipe that says nothing, hold nothing up."""
    with keeping() as keeper:
        keeper.server.script = slow
        process = subprocess.Popen(
            command(*arguments(keeper.url, "--grace", 60, "--flush-after", 0.1, "-")), cwd=tmp_path,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(tmp_path, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}),
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(log(range(100)))
        process.stdin.flush()
        wait_for(lambda: keeper.server.bulk)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(20) == 143
        assert time.monotonic() - began < 5, "a second, on a machine that is busy"
        process.communicate()


@pytest.mark.parametrize(
    ("more", "code"),
    [(["--no-such-option"], 2), (["--timezone", "Mars"], 2), (["--state-dir", "link"], 7), (["--job", "held"], 6)],
)
def test_json_is_one_object_in_every_case(more: list[str], code: int, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(10)))
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("folder")
    variables = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}
    with keeping() as keeper:
        if code == 6:
            keeper.server.script = slow
            holder = subprocess.Popen(
                command(*arguments(keeper.url, *more, "a.log")), cwd=tmp_path, env=environment(tmp_path, variables),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            wait_for(lambda: keeper.server.bulk)
        done = run(*arguments(keeper.url, *more, "a.log"), **variables)
        if code == 6:
            holder.kill()
            holder.wait()
    found: Mapping[str, Any] = json.loads(done.out)
    assert (done.code, found["exit_code"], found["lines"], len(found["errors"])) == (code, code, 0, 1)
    assert found["errors"][0] in done.err


@pytest.mark.parametrize(
    ("lines", "more", "said"),
    [
        (range(1000), ("--exclude-path", "/*"), "Nothing was tracked of 1,000 lines: path 1,000."),
        (range(999), ("--exclude-path", "/*"), ""),
        (range(1000), ("--exclude-path", "/m0000500"), ""),
    ],
)
def test_many_lines_of_which_nothing_is_tracked_are_a_warning(
    lines: range, more: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(log(lines))
    with keeping() as keeper:
        code, summary, error = imported(tmp_path, keeper.url, *more, "a.log")
        again = imported(tmp_path, keeper.url, *more, "a.log")
    assert (code, summary["exit_code"], again[0], bool(error)) == (bool(said), bool(said), 0, bool(said)), error
    assert said in error


def test_lines_without_a_site_are_a_warning_where_they_are_all(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(10)))
    with keeping() as keeper:
        options = ("--url", keeper.url, "--site", "other.example=1", "--log-hostname", "www.example", "--json")
        done = subprocess.run(
            command("import", *options, "--state-dir", "state", "a.log"), cwd=tmp_path, capture_output=True,
            env=environment(tmp_path, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}), timeout=180, check=False,
        )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["skipped"]) == (1, {"no-site": 10}), done.stderr
    assert b"No site was found for any of 10 lines." in done.stderr
