"""The fault receiver does what its faults say, with real commits; and an import through it never counts wrongly."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from log_importer.delivery.server import Server
from log_importer.delivery.verdict import judge
from log_importer.model import Verdict
from tests.conftest import ROOT, SAMPLES, TOKENS, Run
from tests.fault_receiver import FAULTS, fault_receiver

LOG = SAMPLES / "nginx-combined.log"
HITS = [f"?idsite=1&rec=1&url=http://x.example/{n}&ua=agent{n % 2}".encode() for n in range(4)]


def actions(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM action").fetchone()[0])


ROWS = [
    ("reset-before", Verdict.IN_DOUBT, 0),
    ("reset-after", Verdict.IN_DOUBT, 4),
    ("hang-up-after", Verdict.IN_DOUBT, 4),
    ("cut", Verdict.IN_DOUBT, 4),
    ("html", Verdict.IN_DOUBT, 0),
    ("html-after", Verdict.IN_DOUBT, 4),
    ("php-warning", Verdict.IN_DOUBT, 4),
    ("empty", Verdict.IN_DOUBT, 4),
    ("bad-gateway", Verdict.IN_DOUBT, 4),
    ("sql-error", Verdict.NOT_STORED, 0),
    ("too-large=100", Verdict.NOT_STORED, 0),
    ("too-large=100000", Verdict.STORED, 4),
    ("busy-429=3", Verdict.NOT_STORED, 0),
    ("busy-503=date+3", Verdict.NOT_STORED, 0),
    ("busy-503=-7", Verdict.NOT_STORED, 0),
    ("shortfall=1", Verdict.PARTIAL, 3),
    ("drop=x.example/2", Verdict.STORED, 3),
    ("late=9", Verdict.IN_DOUBT, 0),
    ("poison=x.example/2", Verdict.NOT_STORED, 0),
    ("poison=nobody", Verdict.STORED, 4),
    ("redirect=http://127.0.0.1:9", Verdict.NOT_STORED, 0),
    ("slow=0.001", Verdict.STORED, 4),
    ("delay=0.05", Verdict.STORED, 4),
]


@pytest.mark.parametrize(("fault", "verdict", "stored"), ROWS)
def test_a_fault_has_its_verdict_and_its_rows(fault: str, verdict: Verdict, stored: int, tmp_path: Path) -> None:
    with fault_receiver(tmp_path / "db", TOKENS.superuser, [fault]) as (place, _):
        server = Server(place.url, TOKENS.superuser, request_timeout=5)
        receipt = judge(server.bulk(HITS), 4, tracked_before=False)
        server.close()
    assert (receipt.verdict, actions(tmp_path / "db")) == (verdict, stored)


def test_every_fault_is_tried() -> None:
    assert {fault.partition("=")[0] for fault, *_ in ROWS} == set(FAULTS)


def test_the_cost_is_accounted_and_not_burnt(tmp_path: Path) -> None:
    with fault_receiver(tmp_path / "db", TOKENS.superuser, []) as (place, cost):
        server = Server(place.url, TOKENS.superuser)
        for _ in range(3):
            server.bulk(HITS)
        server.close()
    assert (cost.posts, cost.hits, cost.agents, cost.most_at_once) == (3, 12, 6, 1)
    assert cost.server_seconds == pytest.approx(12 * 0.0025 + 6 * 0.005 + 3 * 0.015)


@pytest.mark.parametrize(
    "fault", ["reset-after@0.5", "reset-before@0.5", "html@0.5", "bad-gateway@0.3", "busy-503=1@0.5"]
)
def test_an_import_through_faults_adds_up_and_loses_nothing(fault: str, run: Run, tmp_path: Path) -> None:
    with fault_receiver(tmp_path / "db", TOKENS.superuser, [fault], seed=11) as (place, _):
        done = run(
            "import", "--url", place.url, "--idsite", 1, "--json", "--state-dir", "s", "--recorders", 4,
            "--recorder-max-payload-size", 12, "--in-doubt", "resend", LOG, timeout=120,
            LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser,
        )  # fmt: skip
    summary = done.summary
    assert summary["tracked"] + summary["in_doubt"] == 85
    assert (done.code, summary["pending"], summary["refused"]) == (1 if summary["in_doubt"] else 0, 0, 0)
    stored = actions(tmp_path / "db")
    assert summary["tracked"] <= stored, "nothing counts as tracked that is not stored"
    assert stored <= 85 + summary["maybe_twice"] + summary["in_doubt"], "twice only what is listed"


def test_it_runs_from_the_command_line(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "tests.fault_receiver", "--database", str(tmp_path / "db"), "--token", "t" * 32]
    process = subprocess.Popen([*line, "--fault", "shortfall=2"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    server = Server(process.stdout.readline().strip(), "t" * 32)
    receipt = judge(server.bulk(HITS), 4, tracked_before=False)
    server.close()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert (receipt.tracked, actions(tmp_path / "db")) == (2, 2)
    assert (process.returncode, json.loads(out)["hits"]) == (0, 4)
