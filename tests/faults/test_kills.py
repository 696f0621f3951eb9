"""kill -9 at many points of one import: nothing is lost, and what is stored twice was listed as in doubt."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from log_importer.ledger.view import view
from log_importer.sources.state_folder import ledgers
from tests.conftest import TOKENS, command, environment
from tests.fault_server import FaultServer, serve
from tests.oracle import Kill, Oracle, lines

SOAK = bool(os.environ.get("SOAK"))
LINES, KILLS, BATCH = (200_000, 300, 400) if SOAK else (12_000, 30, 200)
VISITORS = 5000
ORPHANED = re.compile(rb"Traceback [^\n]*\n(?: [^\n]*\n)*EOFError: Ran out of input\n")
"""What Python itself says in a worker whose parent is killed before the worker has begun to run our code."""


def start(folder: Path, server: FaultServer, *more: object) -> subprocess.Popen[bytes]:
    """An import of `folder/a.log`."""
    return subprocess.Popen(
        command(
            "import", "--url", server.url, "--idsite", 1, "--state-dir", "state", "--json",
            "--recorder-max-payload-size", BATCH, *more, "a.log",
        ),
        cwd=folder, env=environment(folder, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin}), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def listed(folder: Path) -> tuple[set[int], set[int]]:
    """The numbers of the lines that the ledger lists as in flight, and of those that it holds; from 0."""
    unanswered, held = set[int](), set[int]()
    for path in ledgers(folder / "state"):
        for source in view(path).sources:
            unanswered |= {number - 1 for number in source.unanswered}
            held |= {one.request.number - 1 for one in source.held}
    return unanswered, held


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("in_doubt", ["resend", "hold"])
def test_an_import_killed_many_times_stores_every_line_and_lists_what_may_be_there_twice(
    in_doubt: str, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(lines(range(LINES), VISITORS))
    chance = random.Random(in_doubt)
    oracle = Oracle(seconds_per_hit=0.002, visitors=VISITORS)
    in_flight: Counter[int] = Counter()  # line -> how often it was listed after a kill
    largest = killed = 0
    with serve(oracle) as server:
        while killed < KILLS:
            process = start(tmp_path, server, "--in-doubt", in_doubt)
            if chance.random() < 0.5:
                oracle.kill = Kill(process.pid, chance.choice(["before", "stored", "replied"]), chance.randrange(4))
                deadline = time.monotonic() + 10
            else:
                oracle.kill = None
                deadline = time.monotonic() + chance.uniform(0.2, 1.2)
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            _, error = process.communicate()
            oracle.kill = None
            assert b"Traceback" not in ORPHANED.sub(b"", error), error
            if process.returncode >= 0:
                assert process.returncode in (0, 1), error
                break
            killed += 1
            unanswered, _ = listed(tmp_path)
            in_flight.update(unanswered)
            largest = max(largest, len(unanswered))
        assert killed >= KILLS * 0.6, "it ended too soon to say much"
        while oracle.most_at_once and oracle._posts:
            time.sleep(0.01)
        process = start(tmp_path, server, "--in-doubt", in_doubt)
        _, error = process.communicate(timeout=600)
    _, held = listed(tmp_path)
    repeated = oracle.repeated()
    assert oracle.out_of_order() == []
    if in_doubt == "resend":
        assert process.returncode in (0, 1), error
        assert set(oracle.missing(range(LINES))) <= held <= {line for line, times in in_flight.items() if times > 1}
        assert set(repeated) <= set(in_flight)
        assert set(repeated.values()) <= {1}, "nothing is sent a third time"
        assert 0 < largest <= 16 * BATCH, "at most a batch a lane"
    else:
        assert process.returncode in (0, 1), error
        assert repeated == {}
        assert set(oracle.missing(range(LINES))) <= held
        assert held == set(in_flight), "what was in flight is held, and nothing else"
    print_soak(in_doubt, killed, largest, len(repeated), len(held))


def print_soak(*figures: Any) -> None:
    """For the README, where many kills were asked for."""
    if SOAK:
        text = "{}: {} kills, at most {} lines in flight, {} stored twice, {} held"
        sys.stdout.write(text.format(*figures) + "\n")
