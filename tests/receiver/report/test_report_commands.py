"""`receive --open`, `import --preview` and `report`, as processes of their own."""

import json
import re
import signal
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser

from tests.conftest import SAMPLES, Run, command, environment
from tests.faults.test_crash import wait_for
from tests.receiver.report.conftest import looked_at

LOG = SAMPLES / "nginx-combined.log"


def test_receive_opens_the_report_in_the_browser_and_says_where_it_is(tmp_path: Path) -> None:
    script = tmp_path / "browser"
    script.write_text('#!/bin/sh\necho "$1" >opened.new && mv opened.new opened\n')
    script.chmod(0o755)
    process = subprocess.Popen(
        command("receive", "--open", "--port", 0, "--state-dir", "s"), cwd=tmp_path,
        env=environment(tmp_path, {"BROWSER": f"{script} %s"}), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        said = "".join(process.stdout.readline() for _ in range(4))
        address = re.findall(r"The report is at (http://127\.0\.0\.1:[0-9]+/report)\.\n", said)[0]
        wait_for((tmp_path / "opened").exists, 20)
        assert (tmp_path / "opened").read_text().strip() == address
        assert requests.get(address, timeout=10).text.startswith("<!DOCTYPE html>")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.parametrize("source", [(LOG,), ("--spool", "spool", "-")])
def test_a_preview_is_there_until_a_signal_comes(source: Sequence[object], tmp_path: Path) -> None:
    line = command("import", "--preview", "--state-dir", "s", "--json", *source)
    with LOG.open() as log:
        process = subprocess.Popen(
            line, cwd=tmp_path, env=environment(tmp_path), stdin=log, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
    assert process.stderr is not None
    address = re.findall(r"http://\S+/report", process.stderr.readline())[0]
    said = process.stderr.readline()
    assert f"The import is over; the report stays at {address} until Ctrl-C." in said
    data = requests.get(f"{address}/data", timeout=10).json()
    assert data["totals"]["actions"] == 85
    wait_for(lambda: requests.get(f"{address}/data", timeout=10).json()["unnamed"] == 0, 40)
    process.send_signal(signal.SIGTERM)
    out, rest = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    assert json.loads(out)["tracked"] == 85


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--url", "http://x.example"], "Both --url and --preview are given."),
        (["--dry-run"], "--preview and --dry-run exclude each other."),
    ],
)
def test_a_preview_is_of_this_machine_and_of_something(flags: list[str], sentence: str, run: Run) -> None:
    done = run("import", "--preview", *flags, LOG)
    assert (done.code, sentence in done.err) == (2, True), done.err


def test_a_report_is_one_file_that_shows_what_the_store_holds(run: Run, tmp_path: Path, browser: Browser) -> None:
    run("import", "--local", "--state-dir", "s", SAMPLES)
    assert run("report", "-o", "report.html", "--state-dir", "s").code == 0
    with closing(sqlite3.connect(tmp_path / "s" / "receiver.sqlite3")) as database:
        visits = database.execute("SELECT count(*) FROM visit").fetchone()[0]
        unnamed = database.execute("SELECT count(*) FROM agent WHERE browser IS NULL").fetchone()[0]
    assert unnamed == 0
    with looked_at(browser, f"file://{tmp_path}/report.html", width=360, theme="dark") as page:
        assert page.inner_text("#total-visits dd span") == f"{visits:,}"
        assert not page.is_visible("#filters")
        assert "not named yet" not in (page.text_content("main") or "")
        with page.expect_download() as waited:
            page.click("button[aria-label='Browsers as CSV']")
        assert Path(waited.value.path()).read_bytes().startswith(b"browser,visits\r\n")


def test_a_report_may_be_of_a_site_and_some_days(run: Run, tmp_path: Path) -> None:
    run("import", "--local", "--state-dir", "s", SAMPLES)
    done = run(
        "report", "-o", "r.html", "--state-dir", "s", "--idsite", 1, "--first-day", "2026-03-02",
        "--last-day", "2026-03-03",
    )  # fmt: skip
    assert done.code == 0, done.err
    data = json.loads(re.findall(r'id="report-data">(.*?)</script>', (tmp_path / "r.html").read_text())[0])
    with closing(sqlite3.connect(tmp_path / "s" / "receiver.sqlite3")) as database:
        sql = "SELECT count(*) FROM visit WHERE date(first_action_time) IN ('2026-03-02', '2026-03-03')"
        assert data["totals"]["visits"] == database.execute(sql).fetchone()[0] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["-o", "r.html", "--state-dir", "none"], 2, "nothing was imported into the embedded receiver. Do so with"),
        (["-o", "nowhere/r.html", "--state-dir", "s"], 1, "nowhere/r.html: the report cannot be written: no such file"),
        (["-o", "r.html", "--state-dir", "s", "--first-day", "x"], 2, "'x' does not match the format '%Y-%m-%d'"),
        (["--state-dir", "s"], 2, "No file to write is named. Name one: -o report.html."),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(arguments: list[str], code: int, sentence: str, run: Run) -> None:
    run("import", "--local", "--state-dir", "s", LOG)
    done = run("report", *arguments)
    assert (done.code, sentence in done.err) == (code, True), done.err
