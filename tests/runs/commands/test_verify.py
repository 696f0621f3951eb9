"""`verify`: days that agree with a real receiver, that lack rows, and that have more, by the clocks of two sites."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from log_importer.receiver import Receiver
from tests.conftest import TOKENS, Run
from tests.runs.commands.test_undo import FIRST, HITS, send, server, site_days, write

__all__ = ["server"]


def verify(run: Run, *more: object) -> Any:
    """Exit code, and the object that is printed."""
    done = run("verify", "--state-dir", "s", "--json", *more, LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser)
    return done.code, done.summary


def verdicts(found: Any) -> dict[tuple[str, str], str]:
    return {
        (site, day): one["verdict"]
        for site, about in found["sites"].items()
        for day, one in about["days"].items()
        if one["verdict"] != "agree"
    }


def test_what_was_imported_agrees_by_the_clock_of_each_site(run: Run, server: Receiver, tmp_path: Path) -> None:
    late = [
        (site, FIRST.replace(hour=23, minute=50) + timedelta(minutes=number)) for number in range(20) for site in (1, 2)
    ]
    write(tmp_path / "a.log", sorted([*HITS, *late], key=lambda hit: hit[1]))
    send(run, server, "a.log")
    code, found = verify(run)
    assert (code, found["exit_code"], verdicts(found)) == (0, 0, {})
    expected = site_days([*HITS, *late])
    assert {
        site: {day: one["tracked"] for day, one in about["days"].items()} for site, about in found["sites"].items()
    } == {site: about["days"] for site, about in expected.items()}
    shown = run("verify", "--state-dir", "s", LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser)
    assert (shown.code, "site 2, America/Los_Angeles: 23 agree" in shown.out) == (0, True), shown.out


def test_the_day_that_lacks_rows_and_the_one_that_has_more_are_named(
    run: Run, server: Receiver, tmp_path: Path
) -> None:
    write(tmp_path / "a.log", [(1, FIRST + timedelta(minutes=10 * number)) for number in range(400)])
    send(run, server, "a.log")
    with closing(sqlite3.connect(tmp_path / "server.sqlite3")) as database, database:
        day = "idaction IN (SELECT idaction FROM action WHERE time LIKE '2026-02-26%' LIMIT 10)"
        assert database.execute(f"DELETE FROM action WHERE {day}").rowcount == 10
    code, found = verify(run)
    assert (code, verdicts(found)) == (1, {("1", "2026-02-26"): "less"})
    shown = run("verify", "--state-dir", "s", LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser)
    assert "2026-02-26  tracked 144, the server has 134: less" in shown.out
    assert "log-importer undo" in shown.out
    write(tmp_path / "b.log", [(1, FIRST + timedelta(days=2, seconds=number)) for number in range(5)])
    other = run(
        "import", "--url", server.url, "--idsite", 1, "--job", "another", "--state-dir", "other", "b.log",
        LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser,
    )  # fmt: skip
    assert other.code == 0, other
    assert verdicts(verify(run)[1]) == {("1", "2026-02-26"): "less", ("1", "2026-02-27"): "more"}


@pytest.mark.parametrize("job", ["nobody", None])
def test_without_a_job_there_is_nothing_to_compare(job: str | None, run: Run) -> None:
    done = run("verify", "--state-dir", "s", *(["--job", job] if job else []), LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser)
    assert (done.code, done.out) == (2, "")
    assert ("no job nobody" if job else "Nothing has been imported yet") in done.err


def test_of_many_days_some_are_asked_for_and_that_is_said(run: Run, server: Receiver, tmp_path: Path) -> None:
    write(tmp_path / "a.log", [(1, FIRST + timedelta(days=number)) for number in range(-50, 40)])
    send(run, server, "a.log")
    code, found = verify(run)
    site = found["sites"]["1"]
    assert (code, site["of_days"], len(site["days"])) == (0, 90, 60)
    assert min(site["days"]) == "2026-01-06"
    shown = run("verify", "--state-dir", "s", LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser)
    assert "site 1, UTC, 60 of 90 days: 60 agree" in shown.out


def test_what_the_embedded_receiver_holds_agrees_too(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "a.log", HITS[:40])
    assert run("import", "--local", "--state-dir", "s", "a.log").code == 0
    code, found = verify(run)
    assert (code, verdicts(found), sum(len(site["days"]) for site in found["sites"].values())) == (0, {}, 3)
