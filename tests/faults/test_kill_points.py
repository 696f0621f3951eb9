"""Killed at a system call: while it reads, writes down, syncs, posts, and takes an answer; and the power lost there."""

import itertools
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.faults.common import Keeper, accounted, arguments, keeping, log, mark, marks, send
from tests.faults.traced import lose_power, needs_strace, traced

LINES = 120
CALLS = {
    "read": "while it reads",
    "pwrite64": "while it writes down an intent, a receipt or the ledger itself",
    "fdatasync": "during the ledger's own commit",
    "sendto": "between intent and post, or in mid-body",
    "recvfrom": "after the server's commit and before its answer is known",
}
SMALL = ("--recorder-max-payload-size", 10, "--retry-delay", 0.05)


def listed(run: Run) -> set[str]:
    """The marks of the lines that `status` lists as posted and never answered."""
    jobs = json.loads(run("status", "--json", "--state-dir", "state").out)["jobs"]
    return {mark(number - 1) for job in jobs for source in job["sources"] for number in source["unanswered"]}


def goes_on(run: Run, keeper: Keeper) -> None:
    """The next run brings every line; stored twice is only what was listed, and counted as such."""
    doubted = listed(run)
    before = len(keeper.stored)
    done = send(run, keeper.url, *SMALL, "a.log")
    assert keeper.stored.keys() == marks(range(LINES)), (done, before)
    twice = {one for one, times in keeper.stored.items() if times > 1}
    assert twice <= doubted
    assert max(keeper.stored.values()) <= 2
    assert (done.code, done.summary["tracked"] + done.summary["known_lines"]) == (0, LINES)
    assert len(twice) <= done.summary["maybe_twice"] == len(doubted)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power lost"])
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_a_system_call_the_next_run_goes_on(call: str, power: bool, run: Run, tmp_path: Path) -> None:
    needs_strace()
    (tmp_path / "a.log").write_bytes(log(range(LINES)))
    killed = lost = 0
    begin, step = {"read": (400, 60), "pwrite64": (8, 9), "fdatasync": (3, 3)}.get(call, (1, 1))  # of each thread
    for number in itertools.count(begin, step):
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        with keeping() as keeper:
            done = traced(tmp_path, f"{call}:signal=SIGKILL:when={number}", *arguments(keeper.url, *SMALL, "a.log"))
            if done.code >= 0:
                break
            killed += 1
            lost += lose_power(tmp_path) if power else 0
            goes_on(run, keeper)
        if killed == 6:
            break
    # How many calls one thread makes depends on how the posts are spread over them.
    assert killed >= (2 if call == "recvfrom" else 3), CALLS[call]
    if power and call == "fdatasync":
        assert lost > 0


def test_a_disk_that_is_full_for_a_while_is_waited_for(run: Run, tmp_path: Path) -> None:
    needs_strace()
    (tmp_path / "a.log").write_bytes(log(range(LINES)))
    with keeping() as keeper:
        done = traced(tmp_path, "pwrite64:error=ENOSPC:when=40..42", *arguments(keeper.url, *SMALL, "a.log"))
        accounted(done, keeper.stored, marks(range(LINES)), 0, tracked=LINES)
    assert "the ledger cannot be written: database or disk is full; sending waits until it can be." in done.err


@pytest.mark.parametrize(("call", "begin"), [("pwrite64:error=ENOSPC", 40), ("fdatasync:error=EIO", 14)])
def test_a_ledger_that_cannot_be_written_ends_the_run_and_nothing_is_posted_unrecorded(
    call: str, begin: int, run: Run, tmp_path: Path
) -> None:
    needs_strace()
    (tmp_path / "a.log").write_bytes(log(range(LINES)))
    with keeping() as keeper:
        given = arguments(keeper.url, *SMALL, "--give-up-after", 1, "a.log")
        done = traced(tmp_path, f"{call}:when={begin}+", *given)
        assert done.code == 7, done
        assert "the ledger cannot be written" in done.err
        assert "and run it again" in done.err
        assert 0 < len(keeper.stored) < LINES
        goes_on(run, keeper)


def test_no_post_before_its_intent_is_synced(tmp_path: Path) -> None:
    """By the order of the system calls, of one post at a time."""
    needs_strace()
    (tmp_path / "a.log").write_bytes(log(range(LINES)))
    with keeping() as keeper:
        given = arguments(keeper.url, *SMALL, "--recorders", 1, "a.log")
        done = traced(tmp_path, "sendto:delay_enter=1", *given)
        assert done.code == 0
    calls = [name for name in (_name(text) for text in (tmp_path / "trace").read_text().splitlines()) if name]
    last = len(calls) - 1 - calls[::-1].index("sendto")
    first = calls.index("fdatasync")
    between = "".join({"fdatasync": "s", "sendto": "p", "pwrite64": "w"}[name] for name in calls[first : last + 1])
    posts = re.split("p+", between)[-len(keeper.sizes) : -1]
    assert len(posts) > 10
    assert all("s" in part and "w" not in part.rpartition("s")[2] for part in posts), between


def _name(call: str) -> str:
    if "-wal>" in call or "sendto(" in call:
        for name in ("fdatasync", "pwrite64", "sendto"):
            if f"{name}(" in call:
                return name
    return ""
