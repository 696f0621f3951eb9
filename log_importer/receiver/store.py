"""What the receiver keeps: sites, visits and actions in one SQLite file that people can query.

Times are UTC text, `YYYY-MM-DD HH:MM:SS`. A token never lies here.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from log_importer.ledger.versions import Versions, copies, cure, version_of
from log_importer.model.errors import StateError
from log_importer.model.zones import zone_of
from log_importer.receiver.settings import SiteSetup

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE site (
    idsite   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    main_url TEXT NOT NULL,
    goals    TEXT NOT NULL DEFAULT '[]'  -- JSON list of the numbers of its goals
);
CREATE TABLE visit (
    idvisit                   INTEGER PRIMARY KEY,
    idsite                    INTEGER NOT NULL REFERENCES site,
    visitor                   TEXT NOT NULL,     -- 16 hexadecimal digits: cid, uid, _id, or drawn by chance
    fingerprint               TEXT NOT NULL,     -- of address, browser and day
    first_action_time         TEXT NOT NULL,
    last_action_time          TEXT NOT NULL,
    actions                   INTEGER NOT NULL,  -- views, downloads, outlinks, searches and events; no conversions
    searches                  INTEGER NOT NULL,
    events                    INTEGER NOT NULL,
    goal_converted            INTEGER NOT NULL,  -- 1 where a goal or an order was
    visit_number              INTEGER NOT NULL,  -- of this visitor, from 1
    returned_as               TEXT,              -- visitor or customer, where one came back
    seconds_since_first_visit INTEGER,
    seconds_since_last_visit  INTEGER,
    ip                        TEXT NOT NULL,
    user_agent                TEXT NOT NULL,
    user_id                   TEXT,
    language                  TEXT,
    country                   TEXT NOT NULL,     -- two letters, xx where unknown
    region                    TEXT,
    city                      TEXT,
    latitude                  REAL,
    longitude                 REAL,
    resolution                TEXT NOT NULL,
    local_time                TEXT,
    referrer_type             TEXT NOT NULL,     -- direct, search, social, website, campaign
    referrer_name             TEXT,
    referrer_url              TEXT,
    referrer_keyword          TEXT,
    entry_url                 TEXT,
    exit_url                  TEXT,
    custom_variables          TEXT               -- JSON: slot -> [name, value]
);
CREATE INDEX visit_by_visitor ON visit (idsite, visitor, last_action_time);
CREATE INDEX visit_by_fingerprint ON visit (idsite, fingerprint, last_action_time);
CREATE TABLE action (
    idaction         INTEGER PRIMARY KEY,
    idvisit          INTEGER NOT NULL REFERENCES visit,
    idsite           INTEGER NOT NULL REFERENCES site,
    time             TEXT NOT NULL,
    type             TEXT NOT NULL,              -- view, download, outlink, search, event, goal, order
    url              TEXT,
    title            TEXT,
    referrer_url     TEXT,                       -- as sent with this action
    search_keyword   TEXT,
    search_category  TEXT,
    search_count     INTEGER,
    event_category   TEXT,
    event_action     TEXT,
    event_name       TEXT,
    event_value      REAL,
    idgoal           INTEGER,
    revenue          REAL,
    order_id         TEXT,
    generation_ms    INTEGER,                    -- pf_srv
    network_ms       INTEGER,                    -- pf_net
    transfer_ms      INTEGER,                    -- pf_tfr
    bandwidth        INTEGER,                    -- bytes, bw_bytes
    custom_variables TEXT                        -- JSON: slot -> [name, value]
);
CREATE INDEX action_by_visit ON action (idvisit);
CREATE INDEX action_by_time ON action (idsite, time);
"""
_AGENTS = (
    """
CREATE TABLE agent (                             -- one row a user agent: visit JOIN agent USING (user_agent)
    user_agent      TEXT PRIMARY KEY,
    browser         TEXT,                        -- Matomo's short code, CH for Chrome; UNK unknown; NULL not yet named
    browser_version TEXT,
    os              TEXT,                        -- short code, such as WIN; BOT; UNK
    os_version      TEXT,
    device_type     TEXT                         -- desktop, smartphone, tablet, ...
) WITHOUT ROWID
""",
    "CREATE INDEX agent_unnamed ON agent (user_agent) WHERE browser IS NULL",
    """
CREATE TRIGGER agent_of_visit AFTER INSERT ON visit BEGIN
    INSERT OR IGNORE INTO agent (user_agent) VALUES (new.user_agent); END;
""",
    "INSERT OR IGNORE INTO agent (user_agent) SELECT user_agent FROM visit",
)


def _add_agents(database: sqlite3.Connection) -> None:
    """Version 2."""
    for statement in _AGENTS:
        database.execute(statement)


def _add_orders(database: sqlite3.Connection) -> None:
    """Version 3: an order counts once a site, and of those that came again the first keeps its number."""
    database.execute(
        "UPDATE action SET order_id = NULL WHERE order_id IS NOT NULL AND EXISTS (SELECT 1 FROM action AS first WHERE "
        "first.idsite = action.idsite AND first.order_id = action.order_id AND first.idaction < action.idaction)"
    )
    database.execute(
        "CREATE UNIQUE INDEX IF NOT EXISTS action_by_order ON action (idsite, order_id) WHERE order_id IS NOT NULL"
    )


def _add_lookups(database: sqlite3.Connection) -> None:
    """Version 4: visits are found by address and by user."""
    database.execute("CREATE INDEX IF NOT EXISTS visit_by_ip ON visit (idsite, ip)")
    database.execute("CREATE INDEX IF NOT EXISTS visit_by_user ON visit (idsite, user_id) WHERE user_id IS NOT NULL")


VERSIONS = Versions(_FIRST, _add_agents, _add_orders, _add_lookups)


_ZONE = "timezone of site "


class Store:
    """The database, open for one writer."""

    def __init__(self, path: Path, sites: Sequence[SiteSetup]) -> None:
        """Opens `path`, making it with `sites` where it is not there yet. Raises `StateError`."""
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")
            version = version_of(self._db)
            if version > VERSIONS.latest:
                raise StateError(
                    f"{path}: the receiver's database is from a newer log-importer.", "Update log-importer."
                )
            if version == 0:
                self._create(sites)
            VERSIONS.migrate(self._db, path)
        except (sqlite3.DatabaseError, ValueError, OSError) as error:
            kept = copies(path)
            restore = f"Restore it from {kept[-1] if kept else 'a backup'}, or move it away to begin a new one."
            hint = cure(error) or restore
            raise StateError(f"{path}: the receiver's database cannot be used: {error}.", hint) from None
        path.chmod(0o600)
        self._zones = {
            row["key"].removeprefix(_ZONE): zone_of(row["value"])
            for row in self.rows("SELECT * FROM meta WHERE key LIKE ?", [f"{_ZONE}%"])
        }
        self._inserts: dict[str, str] = {}

    def _create(self, sites: Sequence[SiteSetup]) -> None:
        with self.transaction():
            VERSIONS.create(self._db)
            self._db.execute("INSERT INTO meta VALUES ('id', ?)", (secrets.token_hex(16),))
            for site in sites:
                name, goals = site.main_url.partition("://")[2], json.dumps(sorted(site.goals))
                self._db.execute("INSERT INTO site VALUES (?, ?, ?, ?)", (site.idsite, name, site.main_url, goals))
                self._db.execute("INSERT INTO meta VALUES (?, ?)", (f"{_ZONE}{site.idsite}", site.timezone))

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

    def site(self, idsite: int) -> sqlite3.Row | None:
        """The row of a site, or `None` where there is none such."""
        row: sqlite3.Row | None = self._db.execute("SELECT * FROM site WHERE idsite = ?", (idsite,)).fetchone()
        return row

    def sites(self) -> list[sqlite3.Row]:
        """The rows of all sites."""
        return self._db.execute("SELECT * FROM site ORDER BY idsite").fetchall()

    def timezone(self, idsite: int) -> str:
        """The name of a site's time zone."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (f"{_ZONE}{idsite}",)).fetchone()
        return str(row[0]) if row else "UTC"

    def zone(self, idsite: int) -> tzinfo:
        """A site's time zone."""
        return self._zones.get(str(idsite), UTC)

    def rows(self, sql: str, values: Sequence[object]) -> list[sqlite3.Row]:
        """What a question in SQL finds."""
        return self._db.execute(sql, values).fetchall()

    def add_site(self, name: str, main_url: str) -> int:
        """A new site; its number."""
        row = self._db.execute("INSERT INTO site (name, main_url) VALUES (?, ?)", (name, main_url))
        return int(row.lastrowid or 0)

    def last_visit(self, idsite: int, column: str, value: str, until: str) -> sqlite3.Row | None:
        """The latest visit with that `visitor` or `fingerprint` whose last action is before `until`."""
        row: sqlite3.Row | None = self._db.execute(
            f"SELECT * FROM visit WHERE idsite = ? AND {column} = ? AND last_action_time < ?"  # noqa: S608 - our names
            " ORDER BY last_action_time DESC, idvisit DESC LIMIT 1",
            (idsite, value, until),
        ).fetchone()
        return row

    def converted(self, idvisit: int, idgoal: int) -> bool:
        """Whether the visit has that conversion already."""
        sql = "SELECT 1 FROM action WHERE idvisit = ? AND idgoal = ? AND type = 'goal'"
        return self._db.execute(sql, (idvisit, idgoal)).fetchone() is not None

    def ordered(self, idsite: int, order_id: str) -> bool:
        """Whether the site has that order already."""
        sql = "SELECT 1 FROM action WHERE idsite = ? AND order_id = ?"
        return self._db.execute(sql, (idsite, order_id)).fetchone() is not None

    def add(self, table: str, values: Mapping[str, Any]) -> int:
        """A new row of `visit` or `action`; its id."""
        sql = self._inserts.get(table)
        if sql is None:
            columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
            sql = self._inserts[table] = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - our names
        return int(self._db.execute(sql, dict(values)).lastrowid or 0)

    def change_visit(self, idvisit: int, values: Mapping[str, Any]) -> None:
        """Sets columns of a visit."""
        columns = ", ".join(f"{name} = :{name}" for name in values)
        sql = f"UPDATE visit SET {columns} WHERE idvisit = :idvisit"  # noqa: S608 - our names
        self._db.execute(sql, {**values, "idvisit": idvisit})
