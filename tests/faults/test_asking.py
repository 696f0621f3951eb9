"""What was posted and never answered, settled by asking a real receiver: nothing lost, nothing twice, nothing held."""

import random
import signal
import subprocess
import sys
import time
from math import inf
from pathlib import Path

import pytest

from tests.conftest import TOKENS, Run, command, environment
from tests.fault_receiver import fault_receiver
from tests.fault_server import Posted, Told
from tests.faults.common import (
    SOAK,
    accounted,
    arguments,
    first,
    keeping,
    log,
    mark,
    marks,
    marks_of,
    rows,
    says,
    send,
    soak,
)  # fmt: skip

LINES, KILLS = (200_000, 300) if SOAK else (6000, 12)
DROPPED = "cip=192.0.2.7&"
ASKING = ("--in-doubt", "ask", "--request-timeout", 2, "--retry-delay", 0.1, "--recorder-max-payload-size", 100)
PATIENT = (*ASKING, "--request-timeout", 6)
"""Where a kill may find a batch that a busy machine's server takes seconds to store."""


def begin(folder: Path, url: str, *more: object) -> subprocess.Popen[bytes]:
    """An import into the server at `url`."""
    return subprocess.Popen(
        command(*arguments(url, *more)), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=environment(folder, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}),
    )  # fmt: skip


@pytest.mark.parametrize(
    "faults",
    [
        ["reset-after@0.3"],
        ["reset-before@0.3"],
        ["hang-up-after@0.2", "bad-gateway@0.2", "html@0.2"],
        ["cut@0.3", "reset-before@0.2", "sql-error@0.2"],
    ],
    ids=lambda faults: "+".join(faults),
)
def test_a_batch_in_doubt_is_stored_once_whatever_became_of_it(faults: list[str], run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(2000)))
    with fault_receiver(tmp_path / "db", TOKENS.superuser, faults) as (place, _):
        done = run(  # as it is without --in-doubt
            "import", "--url", place.url, "--idsite", 1, "--json", *ASKING[2:], "a.log", timeout=240,
            LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser,
        )  # fmt: skip
    accounted(done, rows(tmp_path / "db"), marks(range(2000)), 0, tracked=2000)
    assert rows(tmp_path / "db").total() == 2000
    assert done.summary["maybe_twice"] == 0


@pytest.mark.soak
@pytest.mark.timeout(6000)
@pytest.mark.parametrize(
    "fault",
    [
        "delay=0",
        pytest.param("late=0.6@0.2", marks=soak),
        pytest.param("reset-after@0.2", marks=soak),
        pytest.param(f"drop={DROPPED}", marks=soak),
    ],
)
def test_an_import_that_is_killed_many_times_stores_every_line_once(fault: str, tmp_path: Path) -> None:
    """A kill finds each batch at work for 0.3 s; some are answered wrongly, or dropped in silence by the server."""
    (tmp_path / "a.log").write_bytes(log(range(LINES), visitors=200))
    chance, killed = random.Random(5), 0
    with fault_receiver(tmp_path / "db", TOKENS.superuser, ["delay=0.3", fault]) as (place, _):
        while True:
            process = begin(tmp_path, place.url, *PATIENT, "--recorders", 2, "a.log")
            if killed < KILLS:
                end = time.monotonic() + chance.uniform(0.8, 1.6)
                while process.poll() is None and time.monotonic() < end:
                    time.sleep(0.01)
                process.send_signal(signal.SIGKILL)
            out, error = process.communicate(timeout=600)
            if process.returncode >= 0:
                break
            killed += 1
    assert killed >= min(KILLS, 6), "it ended too soon to say much"
    assert process.returncode == 0, error
    assert b'"in_doubt": 0' in out
    assert b'"maybe_twice": 0' in out
    kept = [number for number in range(LINES) if number % 200 + 1 != 7 or "drop" not in fault]
    assert rows(tmp_path / "db") == dict.fromkeys(marks(kept), 1)
    if SOAK:
        sys.stdout.write(f"{fault}: {killed} kills, {len(kept)} lines: lost 0, twice 0, held 0\n")


def test_the_one_hit_for_which_a_firewall_resets_the_connection_is_set_aside(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(300)))
    bad = mark(77)
    with fault_receiver(tmp_path / "db", TOKENS.superuser, []) as (place, _):
        forward = place.script
        place.script = lambda posted: (
            Told(reset=True)
            if b'"requests"' in posted.body and b"ping=1" not in posted.body and bad in marks_of(posted)
            else forward(posted)
        )
        done = send(run, place.url, *ASKING, "a.log", timeout=240)
    accounted(done, rows(tmp_path / "db"), marks(range(300)) - {bad}, 1, tracked=299, set_aside=1)
    assert rows(tmp_path / "db").total() == 299


@pytest.mark.parametrize("pings", [False, True], ids=["the tracker too", "the reports alone"])
def test_a_server_that_goes_away_when_it_is_asked_is_asked_again(pings: bool, run: Run, tmp_path: Path) -> None:
    """Two batches are stored, and their answers lost; the server restarts when it is asked for the first of them."""
    (tmp_path / "a.log").write_bytes(log(range(2000)))
    with fault_receiver(tmp_path / "db", TOKENS.superuser, []) as (place, _):
        forward, lost, away = place.script, list[Posted](), list[float]()

        def restarting(posted: Posted) -> Told:
            is_batch = b'"requests"' in posted.body and b"ping=1" not in posted.body
            if is_batch and len(lost) < 2 and rows(tmp_path / "db").total() > 300:
                lost.append(posted)
                forward(posted)
                return Told(reset=True)
            asked = "getLastVisitsDetails" in posted.path + posted.body.decode()
            if lost and (asked or (away and not pings)) and time.monotonic() < (away or [inf])[0] + 1.5:
                away.append(time.monotonic())
                return Told(502, b"<html>")
            return forward(posted)

        place.script = restarting
        done = send(run, place.url, *ASKING, "a.log", timeout=240)
    accounted(done, rows(tmp_path / "db"), marks(range(2000)), 0, tracked=2000)
    assert (bool(lost), bool(away)) == (True, True)
    assert rows(tmp_path / "db").total() == 2000
    assert done.summary["maybe_twice"] == 0


def test_a_server_that_cannot_be_asked_is_told_and_what_is_in_doubt_is_sent_once_more(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(100)))
    with keeping(first(Told(502, b"<html>"))) as keeper:
        done = send(run, keeper.url, *ASKING, "a.log")
    accounted(done, keeper.stored, marks(range(100)), 0, tracked=100)
    assert 0 < done.summary["maybe_twice"] == sum(times - 1 for times in keeper.attempts.values())
    says(done, "cannot be asked which visits it has", "what is in doubt is sent once more")


def test_a_retry_asks_for_what_was_held_and_stores_nothing_twice(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(600)))
    with fault_receiver(tmp_path / "db", TOKENS.superuser, []) as (place, _):
        forward, killed = place.script, list[int]()

        def kill(posted: Posted) -> Told:
            """The process dies while its batch is at work: every second time the server does not store it."""
            is_batch = b'"requests"' in posted.body and b"ping=1" not in posted.body
            if not is_batch or len(killed) == 4 or rows(tmp_path / "db").total() < 50 * len(killed):
                return forward(posted)
            if len(killed) % 2:
                forward(posted)
            killed.append(process.pid)
            process.kill()
            return Told(reset=True)

        place.script = kill
        while len(killed) < 4:
            process = begin(tmp_path, place.url, *ASKING, "--in-doubt", "hold", "--recorders", 1, "a.log")
            process.communicate(timeout=180)
        place.script = forward
        held = send(run, place.url, *ASKING, "--in-doubt", "hold", "a.log")
        assert (held.code, held.summary["in_doubt"] > 0) == (1, True), held
        before = rows(tmp_path / "db").total()
        done = run(
            "retry", "--state-dir", "state", "--json", "--request-timeout", 3,
            LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser,
        )  # fmt: skip
    assert rows(tmp_path / "db") == dict.fromkeys(marks(range(600)), 1)
    assert (done.code, done.summary["maybe_twice"]) == (0, 0), done
    assert 0 < 600 - before < done.summary["tracked"], "some of what was held was stored, and some not"


def test_what_was_in_doubt_twice_is_never_sent_a_third_time(run: Run, tmp_path: Path) -> None:
    """Neither by runs that are killed nor in one run; only `retry` does, where the server does not have it."""
    (tmp_path / "a.log").write_bytes(log(range(40)))
    with fault_receiver(tmp_path / "db", TOKENS.superuser, []) as (place, _):
        forward, posts = place.script, list[Posted]()

        def kill(posted: Posted) -> Told:
            told = forward(posted)
            if b'"requests"' in posted.body and b"ping=1" not in posted.body:
                posts.append(posted)
                process.kill()
            return told

        place.script = kill
        for _ in range(3):
            process = begin(tmp_path, place.url, "--in-doubt", "resend", "a.log")
            out, _ = process.communicate(timeout=180)
        assert (process.returncode, len(posts)) == (1, 2), out
        assert b'"in_doubt": 40' in out
        place.script = forward
        done = run(
            "retry", "--state-dir", "state", "--json", "--request-timeout", 3,
            LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser,
        )  # fmt: skip
    assert rows(tmp_path / "db") == dict.fromkeys(marks(range(40)), 2)
    assert (done.code, done.summary["tracked"]) == (0, 40), done
