"""Names are bytes: those that are no UTF-8 work wherever a name is given, and are shown escaped."""

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.faults.common import accounted, keeping, local, log, marks, send

ODD = os.fsdecode(b"odd\xff")
SHOWN = "odd\\xff"


@pytest.fixture(autouse=True)
def _any_name(tmp_path: Path) -> None:
    try:
        (tmp_path / ODD).touch()
    except OSError:
        pytest.skip("this file system takes no name that is not UTF-8")
    (tmp_path / ODD).unlink()


def test_odd_names_of_logs_folders_state_spool_and_reports(run: Run, tmp_path: Path) -> None:
    folder, state = tmp_path / f"logs {ODD}", f"state {ODD}"
    folder.mkdir()
    (folder / f"{ODD}.log").write_bytes(log(range(10)) + b"no log\n")
    (folder / "plain.log").write_bytes(log(range(10, 20)))
    reports = ("--rejects", f"rejects {ODD}", "--metrics-file", f"metrics {ODD}")
    with keeping() as keeper:
        done = send(run, keeper.url, "--state-dir", state, *reports, folder)
        accounted(done, keeper.stored, marks(range(20)), 0, tracked=20, rejected=1)
        assert (done.summary["state"], done.summary["errors"]) == (str(tmp_path / f"state {SHOWN}"), [])
        assert {Path(one["source"]).name for one in done.summary["sources"]} == {f"{SHOWN}.log", "plain.log"}
        assert SHOWN.encode() not in (tmp_path / reports[1]).read_bytes()
        assert b"odd\xff.log:11 offset " in (tmp_path / reports[1]).read_bytes()
        # What was read is known by that name: lines that come later are the only ones sent.
        (folder / f"{ODD}.log").rename(folder / f"{ODD}.log.1")
        with (folder / f"{ODD}.log.1").open("ab") as more:
            more.write(log(range(20, 30)))
        assert send(run, keeper.url, "--state-dir", state, folder).summary["tracked"] == 10
        spooled = send(run, keeper.url, "--state-dir", state, "--spool", f"spool {ODD}", "-", stdin=log(range(30, 40)))
        assert (spooled.code, spooled.summary["tracked"]) == (0, 10), spooled
        assert keeper.stored == dict.fromkeys(marks(range(40)), 1)
    shown = run("status", "--state-dir", state)
    assert (shown.code, f"{SHOWN}.log.1" in shown.out) == (0, True), shown
    told = json.loads(run("status", "--json", "--state-dir", state).out)
    assert told["state"].endswith(f"state {SHOWN}")
    explained = run("explain", folder / f"{ODD}.log.1").out.splitlines()
    assert [Path(json.loads(one)["source"]).name for one in explained] == [f"{SHOWN}.log.1"] * 21


def test_an_odd_name_in_the_embedded_receiver_and_its_report(run: Run, tmp_path: Path) -> None:
    (tmp_path / f"{ODD}.log").write_bytes(log(range(10)))
    done = run("import", "--local", "--state-dir", ODD, f"{ODD}.log")
    assert (done.code, done.err) == (0, "")
    assert f"--state-dir {tmp_path}/{SHOWN}" in done.out
    report = run("report", "--state-dir", ODD, "-o", f"{ODD}.html")
    assert (report.code, (tmp_path / f"{ODD}.html").exists()) == (0, True), report
    assert SHOWN in report.out


def test_a_link_that_leads_nowhere_or_to_itself_costs_only_itself(run: Run, tmp_path: Path) -> None:
    (folder := tmp_path / "logs").mkdir()
    (folder / "a.log").write_bytes(log(range(10)))
    (folder / "nowhere.log").symlink_to("gone.log")
    (folder / "itself.log").symlink_to("itself.log")
    for named in ("logs", "logs/*"):
        done = local(run, "--job", named, named)
        assert (done.code, done.summary["tracked"]) == (3, 10), done
        assert "logs/itself.log: cannot be read: too many levels of symbolic links." in done.err
        assert "logs/nowhere.log: cannot be read: no such file or directory." in done.err
