"""`--dry-run` says what an import would do, and does none of it."""

import re
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
from tests.fault_server import serve

LOG = SAMPLES / "nginx-combined.log"


@pytest.mark.parametrize("workers", [0, 2])
def test_what_would_be_sent_is_what_is_sent(workers: int, run: Run, tmp_path: Path) -> None:
    base = ("--state-dir", "state", "--json", "--workers", workers)
    dry = run("import", "--local", *base, "--dry-run", LOG).summary
    assert not (tmp_path / "state" / "receiver.sqlite3").exists()
    done = run("import", "--local", *base, LOG).summary
    assert (dry["dry_run"], dry["pending"], dry["tracked"], dry["exit_code"]) == (True, done["tracked"], 0, 0)
    assert [dry[name] for name in ("lines", "skipped", "rejected")] == [
        done[name] for name in ("lines", "skipped", "rejected")
    ]


def test_no_server_is_asked(run: Run, tmp_path: Path) -> None:
    with serve() as server:
        done = run("import", "--url", server.url, "--idsite", 1, "--state-dir", "state", "--dry-run", LOG)
        assert server.posted == []
    assert done.code == 0
    assert done.out.startswith(f"Dry run for site 1 on {server.url}: nothing was sent\n")
    counts = re.findall("^  ([a-z ]+[a-z]) +([0-9]+)(?:  |$)", done.out, re.MULTILINE)
    assert counts[:4] == [("lines read", "205"), ("skipped", "120"), ("rejected", "0"), ("would be tracked", "85")]
    assert f"{LOG} (combined): lines 205 = skipped 120 + would be tracked 85" in done.out
    assert re.findall("(?<!be )tracked", done.out) == []
    assert "console" not in done.out


def test_a_source_that_is_missing_is_told(run: Run) -> None:
    done = run("import", "--local", "--dry-run", LOG, "nope.log")
    assert done.code == 3
    assert "nope.log" in done.err
