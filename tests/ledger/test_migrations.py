"""State that older versions wrote (`tests/data/ledgers`, by their commits) is brought up to date, and goes on."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from log_importer.ledger.database import proof
from log_importer.ledger.ledger import Ledger
from log_importer.ledger.view import view
from log_importer.model import Boundary, Chunk, Context, Outcome, Request, Unanswered
from log_importer.model.errors import StateError
from log_importer.receiver import Receiver
from log_importer.receiver.store import Store
from log_importer.settings import named_key
from log_importer.sources.state_folder import job_ledger
from tests.conftest import Run
from tests.data.ledgers.write import URL
from tests.faults.common import Keeper, keeping, local, log, marks, rows, says, send
from tests.faults.traced import needs_strace, traced
from tests.runs.test_destination import DATA, old_state

LEDGERS = ["f8969be", "327b751", "0715442", "473950d", "467f3a2"]
"""The first packed numbers otherwise, and with it the second has another comment in its schema."""
RECEIVERS = {"29b72a0": 1, "1552693": 2, "f8969be": 2, "467f3a2": 2}


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [*database.iterdump(), str(database.execute("PRAGMA user_version").fetchone())]


def is_copy(copy: Path, original: Path) -> bool:
    return copy.stat().st_mode & 0o777 == 0o600 and content(copy) == content(original)


def test_every_version_that_is_kept_is_tested() -> None:
    assert {path.name for path in DATA.iterdir() if path.is_dir()} - {"__pycache__"} == {*LEDGERS, *RECEIVERS}


def check_goes_on(run: Run, folder: Path, version: str, keeper: Keeper) -> None:
    """All that was not stored is stored once, and what was in doubt of it once more, and listed."""
    known = json.loads((DATA / version / "stored.json").read_text())
    done = send(run, URL, "a.log", http_proxy=keeper.url)
    assert done.code == 0, done
    doubted = {name for name in known["in_doubt"] if known["stored"][name] == 1}
    assert set(keeper.stored) == (marks(range(60)) - known["stored"].keys()) | doubted
    assert set(keeper.stored.values()) == {1}
    assert done.summary["maybe_twice"] == len(doubted)


@pytest.mark.parametrize("version", LEDGERS)
def test_ledgers_and_receiver_of_an_older_version_go_on(version: str, run: Run, tmp_path: Path) -> None:
    old_state(tmp_path, version)
    before = {path: path.read_bytes() for path in (tmp_path / "state" / "jobs").glob("*.sqlite3")}
    shown = json.loads(run("status", "--json", "--state-dir", "state").out)
    assert (len(shown["jobs"]), shown["errors"]) == (3, [])
    assert {path: path.read_bytes() for path in before} == before, "looked at, and left as it is"
    with keeping() as keeper:
        check_goes_on(run, tmp_path, version, keeper)
    done = local(run, "a.log")
    assert (done.code, done.summary["tracked"], done.summary["known_lines"]) == (0, 20, 40), done
    assert rows(tmp_path / "state" / "receiver.sqlite3") == dict.fromkeys(marks(range(60)), 1)
    assert is_copy(tmp_path / "state" / "receiver.sqlite3.v2", DATA / version / "receiver.sqlite3")


@pytest.mark.parametrize("version", LEDGERS)
def test_a_ledger_is_migrated_where_it_lies(version: str, run: Run, tmp_path: Path) -> None:
    """Of a job with a name, whose ledger has the same place in all versions."""
    known = old_state(tmp_path, version)
    jobs = tmp_path / "state" / "jobs"
    (last,) = (path for path in jobs.glob("*.sqlite3") if "enable-http-errors" in view(path).about["job"])
    path = job_ledger(tmp_path / "state", named_key("nightly", ""))
    original = last.rename(path)
    kept = content(original)
    for other in set(jobs.glob("*.sqlite3")) - {path}:
        other.unlink()
    with keeping() as keeper:
        done = send(run, URL, "--job", "nightly", "a.log", http_proxy=keeper.url)
        doubted = set(known["in_doubt"])
        assert (done.code, done.summary["maybe_twice"]) == (0, len(doubted))
        assert doubted < set(keeper.stored)
        assert set(keeper.stored.values()) == {1}
        assert send(run, URL, "--job", "nightly", "a.log", http_proxy=keeper.url).summary["known_lines"] == 60
        assert set(keeper.stored.values()) == {1}
    copy = path.with_name(f"{path.name}.v1")
    assert (content(copy), copy.stat().st_mode & 0o777) == (kept, 0o600)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (4,)
        assert database.execute("SELECT * FROM intent").fetchall() == []


@pytest.mark.parametrize("version", ["f8969be", "467f3a2"])
def test_what_was_in_doubt_is_found_by_its_batch(version: str, tmp_path: Path) -> None:
    known = old_state(tmp_path, version)
    found, lines = set(), 0
    for path in (tmp_path / "state" / "jobs").glob("*.sqlite3"):
        ledger = Ledger(path, {}, print)
        (record,) = map(ledger.sources.known, [1])
        assert record is not None
        ledger.read_as(0, record)
        for offset in ledger.doubts(0):
            batch = ledger.batch_in_doubt(Request(0, 1, offset, 0.0, 1, 1, 1, b"?"))
            assert batch is not None
            found.add((batch, ledger.unanswered[batch].began > 1.7e9, ledger.unanswered[batch].witnesses))
        assert ledger.batch_in_doubt(Request(0, 1, 10**9, 0.0, 1, 1, 1, b"?")) is None
        lines += len(ledger.doubts(0))
        assert bool(ledger.unanswered) == bool(ledger.doubts(0))
        ledger.close(0)
    assert found == {(3, True, ())}
    assert lines == len(known["in_doubt"])


@pytest.mark.parametrize(
    "inject", ["rename:signal=KILL:when=1", *(f"fdatasync:signal=KILL:when={n}" for n in (1, 2, 3))]
)
def test_killed_while_it_is_migrated_a_ledger_is_the_old_one_or_the_new_one(
    inject: str, run: Run, tmp_path: Path
) -> None:
    needs_strace()
    old_state(tmp_path, "467f3a2")
    jobs = tmp_path / "state" / "jobs"
    (first,) = (path for path in jobs.glob("*.sqlite3") if view(path).about["job"] == f"{URL}, site 1")
    path = first.rename(job_ledger(tmp_path / "state", named_key("nightly", "")))
    with keeping() as keeper:
        given = ("import", "--url", URL, "--idsite", 1, "--json", "--state-dir", "state", "--job", "nightly", "a.log")
        killed = traced(tmp_path, inject, *given, http_proxy=keeper.url, PYTHONDONTWRITEBYTECODE="1")
        assert killed.code < 0
        assert keeper.stored == {}
        assert view(path).sources[0].record.mark.line == 41
        done = send(run, URL, "--job", "nightly", "a.log", http_proxy=keeper.url)
        assert (done.summary["tracked"], done.summary["known_lines"]) == (20, 40), done
        assert keeper.stored == dict.fromkeys(marks(range(40, 60)), 1)


@pytest.mark.parametrize("version", RECEIVERS)
def test_a_receivers_database_goes_on(
    version: str, receive: Callable[[Path], Receiver], run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "receiver.sqlite3"
    shutil.copy(DATA / version / "receiver.sqlite3", path)
    one = receive(path)
    assert is_copy(path.with_name(f"{path.name}.v{RECEIVERS[version]}"), DATA / version / "receiver.sqlite3")
    (tmp_path / "a.log").write_bytes(log(range(40, 60)))
    assert send(run, one.url, "a.log").code == 0
    assert rows(path) == dict.fromkeys(marks(range(60)), 1)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (4,)
        left = "SELECT count(*) FROM visit WHERE user_agent NOT IN (SELECT user_agent FROM agent)"
        assert database.execute(left).fetchone() == (0,)


def test_an_order_that_came_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "receiver.sqlite3"
    shutil.copy(DATA / "1552693" / "receiver.sqlite3", path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE action SET order_id = idaction / 2 WHERE idaction < 6")
        database.commit()
    Store(path, ()).close()
    with closing(sqlite3.connect(path)) as database:
        kept = database.execute("SELECT order_id FROM action WHERE idaction < 6 ORDER BY idaction").fetchall()
    assert kept == [("0",), ("1",), (None,), ("2",), (None,)]


def test_what_is_of_no_known_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "receiver.sqlite3"
    shutil.copy(DATA / "29b72a0" / "receiver.sqlite3", path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE visit DROP COLUMN language")
    before = content(path)
    with pytest.raises(StateError, match=r"its tables are not those of version 1.*Restore it from a backup"):
        Store(path, ())
    assert content(path) == before
    assert list(tmp_path.glob("*.v1")) == []
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 5")
    with pytest.raises(StateError, match="from a newer log-importer"):
        Store(path, ())


def test_a_comment_makes_no_other_schema(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(20)))
    with keeping() as keeper:
        assert send(run, keeper.url, "a.log").code == 0
        (path,) = (tmp_path / "state" / "jobs").glob("*.sqlite3")
        with closing(sqlite3.connect(path)) as database:
            database.executescript(
                "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, '-- ', '-- otherwise: ');"
            )
            database.commit()
        done = send(run, keeper.url, "a.log")
        assert (done.code, done.summary["known_lines"]) == (0, 20), done
        with closing(sqlite3.connect(path)) as database:
            database.execute("ALTER TABLE run ADD COLUMN host TEXT")
        done = send(run, keeper.url, "a.log")
        assert done.code == 7
        says(done, "its tables are not those of a ledger", f"mv {path} {path}.damaged")


# Intents


def test_an_intent_is_kept_until_its_batch_is_settled(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite3", {}, print)
    record = ledger.sources.add("access.log", "combined")
    ledger.read_as(0, record)
    offsets = range(0, 80, 10)
    ledger.parsed(
        Chunk(0, b"x\n", Context("combined", "", 1, 0, 0.0), Boundary(80, 9, "", b"tail")), list(offsets), {}, {}
    )
    requests = [Request(0, offset // 10 + 1, offset, 0.0, 1, 1, 1, b"?url=\xff%d" % offset) for offset in offsets]
    settled, released, doubted, again = (
        ledger.intend(some, some) for some in (requests[:2], requests[2:4], requests[4:6], requests[4:6])
    )
    ledger.settle([Outcome(requests[:2], "tracked")], settled)
    ledger.release(released)
    without = ledger.intend(requests[6:7])
    ledger.close(1)
    ledger = Ledger(tmp_path / "ledger.sqlite3", {}, print)
    known = ledger.sources.known(1)
    assert known is not None
    ledger.read_as(3, known)
    assert set(ledger.unanswered) == {doubted, again, without}
    assert ledger.unanswered[again].witnesses == (b"?url=\xff40", b"?url=\xff50")
    assert ledger.unanswered[without] == Unanswered(ledger.unanswered[without].began, ())
    assert [ledger.batch_in_doubt(one._replace(source=3)) for one in requests] == [
        None, None, None, None, again, again, without, None,
    ]  # fmt: skip
    mine = [one._replace(source=3) for one in requests]
    batch = ledger.intend(mine[2:])
    ledger.settle([Outcome(mine[2:], "tracked")], batch)  # so the mark has passed all of them
    ledger.close(0)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as database:
        assert [database.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("batch", "intent")] == [
            (0,), (0,),
        ]  # fmt: skip


def test_a_hit_that_was_posted_again_tells_nothing_of_its_first_batch(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger(path, {}, print)
    ledger.read_as(0, ledger.sources.add("access.log", "combined"))
    offsets = [0, 10, 20, 30]
    ledger.parsed(Chunk(0, b"x\n", Context("combined", "", 1, 0, 0.0), Boundary(40, 5, "", b"tail")), offsets, {}, {})
    requests = [Request(0, offset // 10 + 1, offset, 0.0, 1, 1, 1, b"?%d" % offset) for offset in offsets]
    whole = ledger.intend(requests, requests)
    half = ledger.intend(requests[:2], requests[:2])
    ledger.settle([Outcome(requests[:2], "tracked")], half)
    ledger.close(1)
    ledger = Ledger(path, {}, print)
    assert {batch: one.witnesses for batch, one in ledger.unanswered.items()} == {whole: (b"?20", b"?30")}
    ledger.close(1)


def test_hits_of_an_older_ledger_whose_lines_are_not_known_tell_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger(path, {}, print)
    ledger.read_as(0, ledger.sources.add("standard input", "combined", stream=True))
    batch = ledger.intend([Request(0, 1, 0, 0.0, 1, 1, 1, b"?a")])
    ledger.settle([Outcome([Request(0, 1, 0, 0.0, 1, 1, 1, b"?a")], "in_doubt", "twice", batch=batch)])
    ledger.close(1)
    with closing(sqlite3.connect(path)) as database:
        row = (batch, 7.5, b'["?a"]')
        database.execute("UPDATE intent SET began = ?, witnesses = ?, proof = ?", (*row[1:], proof(*row)))
        database.execute("PRAGMA user_version = 3")
        database.commit()
    ledger = Ledger(path, {}, print)
    assert ledger.unanswered == {batch: Unanswered(7.5, ())}
    ledger.close(1)


def test_a_changed_intent_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger(path, {}, print)
    ledger.read_as(0, ledger.sources.add("standard input", "combined", stream=True))
    ledger.intend([Request(0, 1, 0, 0.0, 1, 1, 1, b"?")])
    ledger.close(1)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE intent SET began = began + 1")
        database.commit()
    with pytest.raises(StateError, match="an intent is not as it was written"):
        Ledger(path, {}, print)
