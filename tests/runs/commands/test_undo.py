"""`undo`: the printed commands take out what was sent and no other day, by a model of what a Matomo's console does."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from log_importer.receiver import Receiver
from log_importer.receiver.settings import SiteSetup
from tests.conftest import GRANTS, TOKENS, Run

HOSTS = {"plain.example": 1, "angeles.example": 2}
ZONES = {1: "UTC", 2: "America/Los_Angeles"}
FIRST = datetime(2026, 2, 25, 2, 30, tzinfo=UTC)  # the evening before in Los Angeles, whose clocks change on 8 March
HITS = [(site, FIRST + timedelta(hours=3 * number)) for number in range(22 * 8 - 1) for site in HOSTS.values()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Receiver]:
    sites = [SiteSetup(site, f"http://{host}", timezone=ZONES[site]) for host, site in HOSTS.items()]
    with Receiver(
        tmp_path / "server.sqlite3", is_bot=lambda _: None, search_engine=lambda _: False, grants=GRANTS, sites=sites
    ) as receiver:
        yield receiver


def write(path: Path, hits: list[tuple[int, datetime]]) -> None:
    names = {site: host for host, site in HOSTS.items()}
    path.write_text("".join(
        f"{names[site]} 192.0.2.{site} - - [{time:%d/%b/%Y:%H:%M:%S} +0000] "
        f'"GET /{number} HTTP/1.1" 200 9 "-" "Mozilla/5.0 (X11) Firefox/147.0"\n'
        for number, (site, time) in enumerate(hits)
    ))  # fmt: skip


def send(run: Run, server: Receiver, *arguments: object) -> dict[str, object]:
    sites = [f"--site={host}={site}" for host, site in HOSTS.items()]
    done = run(
        "import", "--url", server.url, *sites, "--state-dir", "s", "--json", *arguments,
        LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser,
    )  # fmt: skip
    assert done.code == 0, done
    found: dict[str, object] = done.summary
    return found


def site_days(hits: list[tuple[int, datetime]]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for site, zone in ZONES.items():
        days = Counter(time.astimezone(ZoneInfo(zone)).date().isoformat() for one, time in hits if one == site)
        if days:
            found[str(site)] = {"timezone": zone, "tracked": days.total(), "days": dict(sorted(days.items()))}
    return found


def deleted(commands: list[str]) -> set[tuple[int, str]]:
    """Site and UTC date: a date that a command ends with is not deleted."""
    found = set()
    for line in commands:
        if match := re.fullmatch(r"\./console core:delete-logs-data --dates=(\S+),(\S+) --idsite=(\d+)", line):
            first, last = date.fromisoformat(match[1]), date.fromisoformat(match[2])
            found |= {(int(match[3]), (first + timedelta(n)).isoformat()) for n in range((last - first).days)}
    return found


def invalidated(commands: list[str]) -> set[tuple[int, str]]:
    """Site and date of its clock, of which both that a command names are meant."""
    found = set()
    for line in commands:
        if match := re.fullmatch(r"\./console core:invalidate-report-data --sites=(\S+)((?: --dates=\S+)+)", line):
            for dates in match[2].split():
                first, _, last = dates.removeprefix("--dates=").partition(",")
                begin, end = date.fromisoformat(first), date.fromisoformat(last or first)
                found |= {
                    (int(site), (begin + timedelta(n)).isoformat())
                    for site in match[1].split(",") for n in range((end - begin).days + 1)
                }  # fmt: skip
    return found


def test_the_commands_take_out_all_that_was_sent_and_no_other_day(run: Run, server: Receiver, tmp_path: Path) -> None:
    write(tmp_path / "a.log", HITS)
    assert send(run, server, "a.log")["sites"] == site_days(HITS)
    (job,) = json.loads(run("status", "--json", "--state-dir", "s").out)["jobs"]
    assert job["sites"] == site_days(HITS)
    assert "America/Los_Angeles" in run("status", "--state-dir", "s").out
    done = run("undo", "--json", "--state-dir", "s")
    assert (done.code, done.err) == (0, "")
    told = {site: {name: one[name] for name in ("timezone", "tracked", "days")}
            for site, one in done.summary["sites"].items()}  # fmt: skip
    assert told == site_days(HITS)
    gone = deleted(done.summary["commands"])
    assert gone == {(site, time.date().isoformat()) for site, time in HITS}
    with closing(sqlite3.connect(tmp_path / "server.sqlite3")) as database:
        visits = database.execute("SELECT idsite, last_action_time FROM visit").fetchall()
    assert len(visits) > 2 * 22
    assert [visit for visit in visits if (visit[0], visit[1][:10]) not in gone] == []
    minutes = (datetime.fromisoformat(f"{day}T00:00Z") + timedelta(minutes=at) for _, day in gone for at in (0, 1439))
    changed = {
        (site, moment.astimezone(ZoneInfo(zone)).date().isoformat())
        for moment in minutes for site, zone in ZONES.items()
    }  # fmt: skip
    assert invalidated(done.summary["commands"]) == changed, "of other visits on those days too"
    text = run("undo", "--state-dir", "s").out
    assert all(line in text for line in done.summary["commands"])
    assert "everything else" in text


def test_what_is_forgotten_is_sent_by_the_next_import_and_nothing_else(
    run: Run, server: Receiver, tmp_path: Path
) -> None:  # fmt: skip
    first, second, third = HITS[:20], HITS[200:230], HITS[230:235]
    write(tmp_path / "a.log", first)
    write(tmp_path / "b.log", second)
    send(run, server, "a.log", "b.log")
    write(tmp_path / "b.log", second + third)
    assert send(run, server, "a.log", "b.log")["tracked"] == 5
    assert run("undo", "--json", "--state-dir", "s", "--run", 2).summary["sites"].keys() == {"1", "2"}
    b_log = str(next(one["source"] for one in json.loads(run("status", "--json", "--state-dir", "s").out)["jobs"][0][
        "sources"] if one["source"].endswith("b.log")))  # fmt: skip
    kept = run("undo", "--json", "--state-dir", "s", "--run", 2, "--forget", "--yes")
    assert (kept.code, kept.summary["forgotten"], list(kept.summary["kept"])) == (1, [], [b_log])
    asked = run("undo", "--state-dir", "s", "--source", b_log, "--forget")
    assert asked.code == 2
    assert "--yes" in asked.err
    assert send(run, server, "a.log", "b.log")["tracked"] == 0, "nothing was forgotten yet"
    done = run("undo", "--json", "--state-dir", "s", "--source", b_log, "--forget", "--yes")
    assert (done.code, done.summary["forgotten"]) == (0, [b_log])
    assert sum(one["tracked"] for one in done.summary["sites"].values()) == 35
    assert send(run, server, "a.log", "b.log")["tracked"] == 35
    assert run("undo", "--state-dir", "s", "--forget", "--yes").code == 0
    assert run("undo", "--json", "--state-dir", "s").summary["sites"] == {}
    assert send(run, server, "a.log", "b.log")["tracked"] == 55


def test_what_was_sent_again_counts_twice(run: Run, server: Receiver, tmp_path: Path) -> None:
    write(tmp_path / "a.log", HITS[:20])
    send(run, server, "a.log")
    send(run, server, "--again", "a.log")
    told = run("undo", "--json", "--state-dir", "s").summary["sites"]
    assert {site: one["tracked"] for site, one in told.items()} == {"1": 20, "2": 20}


def test_a_ledger_without_days_is_told_of_and_not_guessed(run: Run, server: Receiver, tmp_path: Path) -> None:
    write(tmp_path / "a.log", HITS[:20])
    send(run, server, "a.log")
    (ledger,) = (tmp_path / "s" / "jobs").glob("*.sqlite3")
    with closing(sqlite3.connect(ledger)) as database:  # as the version before left it
        database.executescript("DROP TABLE sent; DROP TABLE zone; PRAGMA user_version = 2")
    done = run("undo", "--json", "--state-dir", "s")
    assert (done.code, done.summary["undated"], done.summary["commands"]) == (1, 20, [])
    assert "20 lines were tracked by an older version" in run("undo", "--state-dir", "s").out
    write(tmp_path / "a.log", HITS[:25])
    assert send(run, server, "a.log")["tracked"] == 5
    assert run("undo", "--json", "--state-dir", "s").summary["undated"] == 20


def test_into_the_embedded_receiver_no_console_is_named(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "a.log", HITS[:2])
    assert run("import", "--local", "--state-dir", "s", "a.log").code == 0
    done = run("undo", "--state-dir", "s")
    assert done.code == 0
    assert "console core" not in done.out
    assert f"mv {tmp_path / 's' / 'receiver.sqlite3'}" in done.out
