"""Several servers' logs with the same visitors on all: each visitor's hits are sent in order, whatever happens."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOKENS, Done, Run, command, environment
from tests.fault_server import serve
from tests.faults.common import accounted, arguments, keeping, local, log, mark, marks, rows
from tests.faults.test_crash import importing, wait_for
from tests.faults.test_kills import ORPHANED, listed
from tests.faults.test_resources import limited
from tests.oracle import Oracle, lines
from tests.runs.commands.test_import import query

SERVERS, PARTS = 5, 4
MIDNIGHT = 1772323200  # 2026-03-01 00:00 UTC
TOKEN = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}


def hit(moment: float, visitor: int, path: str) -> bytes:
    """A line of a combined log; `moment` in seconds since 1970 UTC."""
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(moment))
    agent = f"Mozilla/5.0 (X11; Linux x86_64; rv:{140 + visitor % 7}.0) Gecko/20100101 Firefox/{140 + visitor % 7}.0"
    address = f"192.0.{visitor >> 8}.{visitor & 255}"
    return f'{address} - - [{stamp}] "GET {path} HTTP/1.1" 200 10 "-" "{agent}"\n'.encode()


def traffic(visits: int, chance: random.Random) -> list[tuple[int, float, int, bytes]]:
    """Moment, moment when it is written, server and line of each hit, of visitors who hop between servers."""
    found = []
    for visit in range(visits):
        moment, visitor = MIDNIGHT + chance.randrange(20 * 3600), visit % 3000
        for page in range(chance.randrange(5, 20)):
            moment += chance.randrange(1, 120)
            written = moment + chance.choice([0, 0, 0.5, chance.uniform(0, 25)])
            found.append((moment, written, chance.randrange(SERVERS), hit(moment, visitor, f"/v{visit}/p{page}")))
    return found


def write_servers(folder: Path, hits: list[tuple[int, float, int, bytes]], parts: int = PARTS) -> list[str]:
    """So many files a server, as it rotated them, each line where it was written; the two oldest compressed."""
    names = []
    for server in range(SERVERS):
        mine = sorted((written, text) for _, written, where, text in hits if where == server)
        for part in range(parts):
            data = b"".join(text for _, text in mine[len(mine) * part // parts : len(mine) * (part + 1) // parts])
            name = f"web{server}.log.{parts - part}"
            if part < 2:
                name, data = f"{name}.gz", gzip.compress(data, 1)
            (folder / name).write_bytes(data)
            names.append(name)
    return names


VISITS = "SELECT ip, first_action_time, last_action_time, actions, entry_url, exit_url FROM visit"
ACTIONS = "SELECT ip, first_action_time, time, url FROM action JOIN visit USING (idvisit)"


def stored(database: Path) -> tuple[list[Any], list[Any]]:
    """All visits and all actions, each with what tells it from another."""
    return sorted(query(database, VISITS)), sorted(query(database, ACTIONS))


@pytest.mark.timeout(240)
def test_twenty_files_of_five_servers_give_the_visits_of_one_file_in_time_order(run: Run, tmp_path: Path) -> None:
    """More of them than wait in lanes, so that order is not made there."""
    hits = traffic(3300, random.Random("merge"))
    names = write_servers(tmp_path, hits)
    (tmp_path / "sorted.log").write_bytes(b"".join(text for *_, text in sorted(hits)))
    one = run("import", "--local", "--json", "--state-dir", "one", "sorted.log", timeout=120)
    merged = run("import", "--local", "--json", "--state-dir", "merged", *names, timeout=120)
    for done in (one, merged):
        assert (done.code, done.summary["tracked"], done.summary["late"]) == (0, len(hits), 0), done
    visits, actions = stored(tmp_path / "one" / "receiver.sqlite3")
    assert len(visits) > 3000
    assert stored(tmp_path / "merged" / "receiver.sqlite3") == (visits, actions)
    again = run("import", "--local", "--json", "--state-dir", "merged", *names)
    assert (again.code, again.summary["lines"], again.summary["known_lines"]) == (0, 0, len(hits))


def test_what_is_out_of_order_by_more_than_the_disorder_is_sent_and_counted_late(run: Run, tmp_path: Path) -> None:
    moments = [*range(400), 100, *range(400, 800)]
    (tmp_path / "a.log").write_bytes(b"".join(hit(MIDNIGHT + at, 1, mark(n)) for n, at in enumerate(moments)))
    (tmp_path / "b.log").write_bytes(b"".join(hit(MIDNIGHT + at, 2, mark(1000 + at)) for at in range(0, 800, 10)))
    written = marks(range(801)) | marks(range(1000, 1800, 10))

    def late(*more: object) -> tuple[int, list[int]]:
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        done = local(run, *more, "a.log", "b.log")
        accounted(done, rows(tmp_path / "state" / "receiver.sqlite3"), written, 0, tracked=881)
        return done.summary["late"], [one["late"] for one in done.summary["sources"]]

    # One chunk holds all of either, and what is read at once can be put in order.
    assert late() == late("--disorder", 0) == (0, [0, 0])
    more = b"".join(hit(MIDNIGHT + at, 3, "/" + "x" * 2000 + str(at)) for at in range(800, 2000))
    (tmp_path / "a.log").write_bytes((tmp_path / "a.log").read_bytes() + more + hit(MIDNIGHT + 100, 1, mark(999)))
    done = run("import", "--local", "--state-dir", "other", "--json", "a.log", "b.log")
    assert (done.code, done.summary["tracked"], done.summary["late"]) == (0, 2082, 1)
    text = run("import", "--local", "--state-dir", "other", "--again", "a.log", "b.log").out
    assert "  late                   1  sent after later hits" in text


def within(folder: Path, files: int, *given: object) -> Done:
    """Runs the command with so many files open at once."""
    done = subprocess.run(
        command(*given), cwd=folder, env=environment(folder, TOKEN), capture_output=True, timeout=100, check=False,
        preexec_fn=partial(limited, files), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_more_overlapping_sources_than_may_be_open_are_a_sentence_and_nothing_is_sent(
    pack: Any, tmp_path: Path
) -> None:
    names = [f"{number:03}.log" for number in range(100)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(pack(log(range(number, 4000, 100))))
    with keeping() as keeper:
        for more in ([], ["--dry-run"]):
            done = within(tmp_path, 64, *arguments(keeper.url, *more, *names))
            assert (done.code, keeper.stored.total()) == (2, 0), done
            assert "100 of the sources overlap in time" in done.err
            assert done.err.count("\n") == 1
            assert "ulimit -n 196" in done.err
        done = within(tmp_path, 196, *arguments(keeper.url, *names))
        accounted(done, keeper.stored, marks(range(4000)), 0, tracked=4000)
    assert done.summary["late"] == 0


def test_compressed_files_that_follow_each_other_need_no_more_open_files_whenever_they_were_copied(
    tmp_path: Path,
) -> None:
    names = [f"{number:03}.log" for number in range(80)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(gzip.compress(log(range(number * 30, number * 30 + 30))))
    with keeping() as keeper:
        done = within(tmp_path, 64, *arguments(keeper.url, *names))
        accounted(done, keeper.stored, marks(range(2400)), 0, tracked=2400)


def test_sources_without_a_time_hold_up_nobody_and_a_pipe_comes_behind_them(run: Run, tmp_path: Path) -> None:
    for server in range(3):
        (tmp_path / f"web{server}.log").write_bytes(log(range(server, 3000, 3)))
    (tmp_path / "empty.log").touch()
    (tmp_path / "poem.log").write_bytes(b"no log at all\n" * 50)
    done = local(run, "poem.log", "empty.log", "-", "web*.log", stdin=log(range(3000, 3100)))
    found = rows(tmp_path / "state" / "receiver.sqlite3")
    accounted(done, found, marks(range(3100)), 1, tracked=3100, rejected=50)
    names = [one["source"] for one in done.summary["sources"]]
    assert (sorted(names[:3]), names[3:]) == (
        ["web0.log", "web1.log", "web2.log"], ["empty.log", "poem.log", "standard input"]
    )  # fmt: skip
    assert done.summary["late"] == 0


def test_copies_of_sources_that_are_read_side_by_side_count_once(run: Run, tmp_path: Path) -> None:
    """Two servers' logs, each there twice and once in part, and one that begins as another does and then differs."""
    for server in range(2):
        data = log(range(server, 24_000, 2), visitors=250)
        (tmp_path / f"web{server}.log").write_bytes(data)
        (tmp_path / f"web{server}.log.gz").write_bytes(gzip.compress(data, 1))
        (tmp_path / f"part{server}.log").write_bytes(data[: data.rfind(b"\n", 0, len(data) // 2) + 1])
    twin = log(range(0, 60, 2), visitors=250) + log(range(30_000, 31_000), visitors=250)
    (tmp_path / "twin.log").write_bytes(twin)
    done = local(run, "--workers", 2, "web*", "part*", "twin.log")
    found = rows(tmp_path / "state" / "receiver.sqlite3")
    shared = marks(range(0, 60, 2))
    assert found.keys() == marks(range(24_000)) | marks(range(30_000, 31_000))
    assert {one for one, times in found.items() if times > 1} == shared, "they are lines of two logs"
    assert (done.code, done.summary["late"]) == (0, 0)
    again = local(run, "web*", "twin.log")
    assert (again.code, again.summary["tracked"]) == (0, 0)


LINES, BATCH, VISITORS = 60_000, 500, 700
SMALL = ("--recorder-max-payload-size", BATCH)
NAMES = [f"{name}.log" for name in "abc"]


def write_numbered(folder: Path) -> None:
    """The oracle's lines, in turn on three servers; visitors hop between them. The end of one server's log is whole."""
    for place, name in enumerate(NAMES):
        (folder / name).write_bytes(lines(range(place, LINES, 3), VISITORS))


def unanswered(folder: Path) -> int:
    """How many lines the ledger lists as in flight."""
    done = subprocess.run(
        command("status", "--json", "--state-dir", "state"), cwd=folder, env=environment(folder), capture_output=True,
        check=True,
    )  # fmt: skip
    jobs = json.loads(done.stdout)["jobs"]
    return sum(len(source["unanswered"]) for job in jobs for source in job["sources"])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_merged_import_that_is_ended_goes_on_with_nothing_lost_and_all_in_order(
    number: signal.Signals, tmp_path: Path
) -> None:
    write_numbered(tmp_path)
    chance = random.Random(int(number))
    oracle = Oracle(seconds_per_hit=0.0001, visitors=VISITORS)
    in_flight = ended = 0
    with serve(oracle) as server:
        for _ in range(4):
            before = len(oracle.stored)
            with importing(tmp_path, server, *SMALL, "--grace", chance.choice([0.01, 20]), names=NAMES) as process:
                wait_for(lambda: len(oracle.stored) > before or process.poll() is not None, 60)  # noqa: B023
                time.sleep(chance.uniform(0, 0.5))
                process.send_signal(number)
                out, error = process.communicate(timeout=180)
            assert b"Traceback" not in ORPHANED.sub(b"", error), error
            ended += process.returncode == (-number if number is signal.SIGKILL else 128 + number)
            in_flight += unanswered(tmp_path)
        assert ended >= 2, "it was done too soon to say much"
        wait_for(lambda: oracle._posts == 0)
        with importing(tmp_path, server, *SMALL, names=NAMES) as process:
            out, error = process.communicate(timeout=120)
    summary = json.loads(out)
    assert (process.returncode, summary["late"]) == (0, 0), error
    assert oracle.out_of_order() == []
    assert len(oracle.repeated()) <= in_flight
    assert set(oracle.repeated().values()) <= {1}
    assert len(oracle.missing(range(LINES))) <= len(listed(tmp_path)[1]), "what was in doubt twice is held"


def test_a_signal_sends_of_what_waits_to_be_merged_all_that_nothing_unread_comes_before(tmp_path: Path) -> None:
    """One server has a tenth of the visits, so that a piece of its log goes far ahead of the others."""
    many, visitors = 150_000, 701  # who are seen by all of them
    shares = [range(0, many, 10), [n for n in range(many) if n % 10 > 5], [n for n in range(many) if 0 < n % 10 <= 5]]
    for name, share in zip(NAMES, shares, strict=True):
        (tmp_path / name).write_bytes(lines(share, visitors))
    oracle = Oracle(visitors=visitors)
    with serve(oracle) as server:
        with importing(tmp_path, server, *SMALL, "--max-rate", 5000, names=NAMES) as process:
            wait_for(lambda: bool(oracle.stored), 60)
            process.send_signal(signal.SIGTERM)
            out, error = process.communicate(timeout=180)
        summary = json.loads(out)
        read = [one["lines"] for one in summary["sources"]]
        assert (process.returncode, summary["tracked"] + summary["pending"]) == (143, sum(read)), error
        assert summary["tracked"] == len(oracle.stored) > min(read[1:]), "those up to where all were read"
        with importing(tmp_path, server, *SMALL, names=NAMES) as process:
            out, error = process.communicate(timeout=120)
    assert (process.returncode, oracle.missing(range(many)), oracle.repeated()) == (0, [], {}), error
    assert oracle.out_of_order() == []


def test_of_files_that_begin_in_the_same_second_the_one_written_last_is_read_last(run: Run, tmp_path: Path) -> None:
    """As after two rotations within a second."""
    for place, name in enumerate(("access.log.2", "access.log.1", "access.log")):
        (tmp_path / name).write_bytes(log(range(place * 3, place * 3 + 3)))
        os.utime(tmp_path / name, ns=(0, MIDNIGHT * 10**9 + place))
    done = local(run, "access.log*")
    assert [one["source"] for one in done.summary["sources"]] == ["access.log.2", "access.log.1", "access.log"]
