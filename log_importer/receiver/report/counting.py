"""Counts of what the store holds, by site, day and label, kept in a database of their own beside it.

To group a million rows takes seconds, to add up their counts a few milliseconds. The receiver writes nothing of this:
whoever wants to know carries the counts on from the last action that they hold. They can be thrown away at any time.
"""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from log_importer.ledger.versions import cure
from log_importer.model.errors import StateError
from log_importer.receiver.report.counting_sql import FOLD, FRESH_ACTIONS, FRESH_VISITS, SCHEMA, VISITORS

_VERSION = 2
ACTIONS_AT_ONCE = 20_000
"""So many take half a second, for which nobody else can count."""
_PATIENCE = 30.0
"""Seconds to wait for another process that counts."""


def counts_database(store: Path) -> Path:
    """Where the counts of the store at `store` lie."""
    return store.with_name(f"{store.stem}-report{store.suffix}")


def open_counts(store: Path) -> sqlite3.Connection:
    """The counts, with the store attached as `store`; made anew where they are of another store or an older kind.

    Raises `StateError`.
    """
    path = counts_database(store)
    try:
        database = _open(path, store)
        if not _fits(database):
            _begin(database)
            path.chmod(0o600)
    except (sqlite3.Error, OSError) as error:
        raise StateError(
            f"{path}: the report's counts cannot be used: {error}.", cure(error) or "Delete the file."
        ) from None
    return database


def _begin(database: sqlite3.Connection) -> None:
    """Counts nothing as yet. Others may open the same file at the same time, and one of them comes first."""
    database.execute("BEGIN EXCLUSIVE")
    with database:
        if _fits(database):
            return
        tables = database.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            database.execute(f'DROP TABLE main."{name}"')
        for statement in SCHEMA.split(";\n"):
            database.execute(statement)
        sql = "INSERT INTO known SELECT value, 0, 0, ? FROM store.meta WHERE key = 'id'"
        database.execute(sql, (_VERSION,))


def _open(path: Path, store: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False)
    _to_wal(database)
    database.execute("PRAGMA synchronous = OFF")  # what a power cut takes is counted again
    database.execute("PRAGMA temp_store = MEMORY")
    database.execute("PRAGMA cache_size = -65536")
    database.execute("ATTACH ? AS store", (os.fsencode(store),))
    return database


def _to_wal(database: sqlite3.Connection) -> None:
    """SQLite does not wait where another connection is just changing the same: it says at once that it is locked."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _fits(database: sqlite3.Connection) -> bool:
    if not database.execute("SELECT 1 FROM main.sqlite_master WHERE name = 'known'").fetchone():
        return False
    sql = "SELECT 1 FROM known JOIN store.meta ON key = 'id' AND meta.value = known.store WHERE version = ?"
    return database.execute(sql, (_VERSION,)).fetchone() is not None


def count_on(database: sqlite3.Connection, seconds: float, at_once: int = ACTIONS_AT_ONCE) -> int:
    """Counts what came since, for so many seconds at most; how many actions are still to be counted.

    `at_once` actions are counted in one transaction.
    """
    until = time.monotonic() + seconds
    while (left := _step(database, at_once)) and time.monotonic() < until:
        pass
    return left


def count_all(store: Path) -> None:
    """Counts all that the store holds. Raises `StateError`."""
    with closing(open_counts(store)) as database:
        count_on(database, float("inf"))


def behind(database: sqlite3.Connection) -> int:
    """How many actions are still to be counted; 1 where there is but a visit without any."""
    sql = """SELECT (SELECT coalesce(max(idaction), 0) FROM store.action) - action,
        (SELECT coalesce(max(idvisit), 0) FROM store.visit) > visit FROM known"""
    actions, visits = database.execute(sql).fetchone()
    return int(actions or visits)


def _step(database: sqlite3.Connection, at_once: int) -> int:
    """Counts some thousand actions and the visits that they are of; how many actions are left."""
    if not behind(database):
        return 0
    database.execute("BEGIN IMMEDIATE")
    with database:
        first, visits = database.execute("SELECT action, visit FROM known").fetchone()
        last = database.execute(
            "SELECT max(idaction) FROM (SELECT idaction FROM store.action WHERE idaction > ? ORDER BY 1 LIMIT ?)",
            (first, at_once),
        ).fetchone()[0]
        bounds = {"first": first, "last": first if last is None else last, "visits": visits}
        for statement in (*FRESH_ACTIONS, *FRESH_VISITS, *VISITORS, *FOLD):
            database.execute(statement, bounds)
        return behind(database)
