"""What the receiver keeps: sites, visits and actions in one SQLite file that people can query.

Times are UTC text, `YYYY-MM-DD HH:MM:SS`. A token never lies here.
"""

import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from log_importer.errors import StateError

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE site (
    idsite   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    main_url TEXT NOT NULL
);
CREATE TABLE visit (
    idvisit           INTEGER PRIMARY KEY,
    idsite            INTEGER NOT NULL REFERENCES site,
    visitor           TEXT NOT NULL,    -- 16 hexadecimal digits: cid, uid or _id, else address and browser
    first_action_time TEXT NOT NULL,
    last_action_time  TEXT NOT NULL,
    actions           INTEGER NOT NULL,
    ip                TEXT NOT NULL,
    user_agent        TEXT NOT NULL,
    user_id           TEXT,
    language          TEXT,
    resolution        TEXT,
    country           TEXT,
    region            TEXT,
    city              TEXT,
    latitude          REAL,
    longitude         REAL,
    referrer          TEXT,
    custom_variables  TEXT              -- JSON, as sent in _cvar
);
CREATE INDEX visit_by_visitor ON visit (idsite, visitor, last_action_time);
CREATE TABLE action (
    idaction         INTEGER PRIMARY KEY,
    idvisit          INTEGER NOT NULL REFERENCES visit,
    idsite           INTEGER NOT NULL REFERENCES site,
    time             TEXT NOT NULL,
    type             TEXT NOT NULL,     -- view, download, outlink, search, event, goal
    url              TEXT,
    title            TEXT,
    referrer         TEXT,
    search           TEXT,
    search_category  TEXT,
    search_count     INTEGER,
    event_category   TEXT,
    event_action     TEXT,
    event_name       TEXT,
    event_value      REAL,
    idgoal           INTEGER,
    revenue          REAL,
    server_time      INTEGER,           -- milliseconds, pf_srv
    bandwidth        INTEGER,           -- bytes, bw_bytes
    custom_variables TEXT               -- JSON, as sent in cvar
);
CREATE INDEX action_by_visit ON action (idvisit);
CREATE INDEX action_by_time ON action (idsite, time);
"""


class Store:
    """The database, open for one writer."""

    def __init__(self, path: Path, main_url: str) -> None:
        """Opens `path`, making it with site 1 of `main_url` where it is not there yet. Raises `StateError`."""
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._create(main_url)
        except sqlite3.DatabaseError as error:
            raise StateError(
                f"{path}: the receiver's database cannot be used: {error}.", "Move it away to begin a new one."
            ) from None
        if version > SCHEMA_VERSION:
            raise StateError(f"{path}: the receiver's database is from a newer log-importer.", "Update log-importer.")
        path.chmod(0o600)

    def _create(self, main_url: str) -> None:
        with self.transaction():
            for statement in _SCHEMA.split(";\n"):
                self._db.execute(statement)
            self._db.execute("INSERT INTO meta VALUES ('id', ?)", (secrets.token_hex(16),))
            self._db.execute("INSERT INTO site VALUES (1, ?, ?)", (main_url.partition("://")[2], main_url))
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is stored inside stays, or none of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @property
    def id(self) -> str:
        """The random name of this database."""
        return str(self._db.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()[0])

    def site(self, idsite: int) -> tuple[int, str, str] | None:
        """(idsite, name, main URL), or `None` where there is none such."""
        row: tuple[int, str, str] | None = self._db.execute("SELECT * FROM site WHERE idsite = ?", (idsite,)).fetchone()
        return row

    def sites(self) -> list[tuple[int, str, str]]:
        """All sites."""
        return self._db.execute("SELECT * FROM site ORDER BY idsite").fetchall()

    def visit_between(self, idsite: int, visitor: str, first: str, last: str) -> tuple[int, str] | None:
        """The latest visit of `visitor` whose last action lies in the given times: its id and that time."""
        row: tuple[int, str] | None = self._db.execute(
            "SELECT idvisit, last_action_time FROM visit WHERE idsite = ? AND visitor = ?"
            " AND last_action_time BETWEEN ? AND ? ORDER BY last_action_time DESC LIMIT 1",
            (idsite, visitor, first, last),
        ).fetchone()
        return row

    def add_visit(self, values: Mapping[str, Any]) -> int:
        """A new visit; its id."""
        return self._insert("visit", values)

    def add_action(self, values: Mapping[str, Any]) -> None:
        """A new action, counted in its visit."""
        self._insert("action", values)
        self._db.execute(
            "UPDATE visit SET actions = actions + 1, last_action_time = max(last_action_time, ?) WHERE idvisit = ?",
            (values["time"], values["idvisit"]),
        )

    def _insert(self, table: str, values: Mapping[str, Any]) -> int:
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        cursor = self._db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values()))  # noqa: S608 - names are ours
        return int(cursor.lastrowid or 0)
