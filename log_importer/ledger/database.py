"""The ledger's file: the versions of its schema, how it is made in one step, and how it is known to be whole."""

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import orjson

from log_importer.ledger.versions import Versions, copies, cure, is_whole, sync, version_of
from log_importer.model.errors import StateError

POSTED, SETTLED = 0x55, 0xAA
"""States of a batch: without a receipt yet, and with one; no flipped bit makes one of the other."""

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, proof INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE run (
    id        INTEGER PRIMARY KEY,
    began     REAL NOT NULL,             -- seconds since 1970 UTC
    ended     REAL,                      -- NULL: under way, or it died
    exit_code INTEGER
);
CREATE TABLE source (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,           -- where it lay when last seen
    format      TEXT NOT NULL,
    stream      INTEGER NOT NULL,        -- 1: standard input, which cannot be read again
    device      INTEGER NOT NULL,
    inode       INTEGER NOT NULL,
    head_length INTEGER NOT NULL,        -- of its decompressed beginning, at most 1 KiB
    head        BLOB NOT NULL,           -- hash of that
    offset      INTEGER NOT NULL,        -- the low-water mark: all lines before it are done
    line        INTEGER NOT NULL,        -- number of the line that begins there
    header      TEXT NOT NULL,           -- the #Fields: line in force there
    tail        BLOB NOT NULL,           -- hash of up to 256 bytes before it
    incomplete  TEXT NOT NULL,           -- how, half a sentence
    proof       INTEGER NOT NULL
);
CREATE TABLE finished (                  -- files that hold no more than is done, as they lie on disk
    device    INTEGER NOT NULL,
    inode     INTEGER NOT NULL,
    size      INTEGER NOT NULL,
    mtime_ns  INTEGER NOT NULL,
    beginning BLOB NOT NULL,
    source    INTEGER NOT NULL,
    PRIMARY KEY (device, inode)
) WITHOUT ROWID;
CREATE TABLE chunk (                     -- parsed: behind the mark done, but for requests that no batch has
    source   INTEGER NOT NULL,
    start    INTEGER NOT NULL,
    offset   INTEGER NOT NULL,           -- where it ends
    line     INTEGER NOT NULL,
    header   TEXT NOT NULL,
    tail     BLOB NOT NULL,
    requests BLOB NOT NULL,              -- offsets of the lines that are requests
    proof    INTEGER NOT NULL,
    PRIMARY KEY (source, start)
) WITHOUT ROWID;
CREATE TABLE batch (                     -- lines that were posted
    id      INTEGER NOT NULL,
    source  INTEGER NOT NULL,
    last    INTEGER NOT NULL,            -- the greatest of the offsets
    state   INTEGER NOT NULL,            -- POSTED or SETTLED
    offsets BLOB NOT NULL,
    numbers BLOB NOT NULL,               -- of the lines
    proof   INTEGER NOT NULL,
    PRIMARY KEY (id, source)
) WITHOUT ROWID;
CREATE INDEX batch_by_source ON batch (source, last);
CREATE TABLE held (                      -- requests that wait for `retry`
    source  INTEGER NOT NULL,
    bucket  TEXT NOT NULL,               -- in_doubt or set_aside
    offset  INTEGER NOT NULL,
    line    INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    answer  TEXT NOT NULL,               -- what the server said
    site    INTEGER NOT NULL,
    time    REAL NOT NULL,
    visitor TEXT NOT NULL,               -- hexadecimal: SQLite has no number so large
    agent   INTEGER NOT NULL,
    query   BLOB NOT NULL,               -- the tracking request, without the token
    doubts  INTEGER NOT NULL,            -- how often it was posted without a receipt
    proof   INTEGER NOT NULL,
    PRIMARY KEY (source, offset)
) WITHOUT ROWID;
CREATE TABLE count (
    source INTEGER NOT NULL,
    bucket TEXT NOT NULL,                -- tracked, skipped, rejected, refused, maybe_twice
    reason TEXT NOT NULL,
    lines  INTEGER NOT NULL,
    PRIMARY KEY (source, bucket, reason)
) WITHOUT ROWID;
CREATE TABLE day (                       -- dates that were begun on a site
    site INTEGER NOT NULL,
    day  TEXT NOT NULL,                  -- by the site's clock
    PRIMARY KEY (site, day)
) WITHOUT ROWID;
"""


_INTENT = """
CREATE TABLE intent (                    -- batches that were posted and are not settled, or in which some is held
    batch     INTEGER PRIMARY KEY,
    began     REAL NOT NULL,             -- when it was posted, seconds since 1970 UTC
    witnesses BLOB NOT NULL,             -- of some of its hits, JSON: [source, offset, query, a character a byte]
    proof     INTEGER NOT NULL
)
"""


def _add_intents(database: sqlite3.Connection) -> None:
    """Version 2. Of a batch that was posted before, no more is known than when the last run began."""
    database.execute(_INTENT)
    database.execute("ALTER TABLE held ADD COLUMN batch INTEGER NOT NULL DEFAULT 0")  # in which it was last in doubt
    database.execute("CREATE INDEX held_by_batch ON held (batch)")
    began = database.execute("SELECT max(began) FROM run").fetchone()[0] or 0.0
    posted = database.execute("SELECT DISTINCT id FROM batch WHERE state = ?", (POSTED,)).fetchall()
    database.executemany(
        "INSERT INTO intent VALUES (?, ?, ?, ?)", [intent_row(batch, began, ()) for (batch,) in posted]
    )


_SENT = """
CREATE TABLE sent (                      -- what was tracked
    run    INTEGER NOT NULL,
    source INTEGER NOT NULL,             -- 0: one that is known no more
    name   TEXT NOT NULL,                -- where that lay, "" of one that is known
    site   INTEGER NOT NULL,
    day    TEXT NOT NULL,                -- by the site's clock
    utc    TEXT NOT NULL,                -- the date in UTC
    lines  INTEGER NOT NULL,
    PRIMARY KEY (run, source, name, site, day, utc)
) WITHOUT ROWID
"""
_ZONE = """
CREATE TABLE zone (                      -- the time zones of sites, as Matomo writes them
    site INTEGER PRIMARY KEY,
    name TEXT NOT NULL
)
"""


def _add_sent(database: sqlite3.Connection) -> None:
    """Version 3. On which days lines were tracked before is not known: `count` has more of them than `sent`."""
    database.execute(_SENT)
    database.execute(_ZONE)


def _place_witnesses(database: sqlite3.Connection) -> None:
    """Version 4. Of which lines the hits were was not kept, so nobody can tell whether they were posted once more."""
    intents = database.execute("SELECT batch, began FROM intent").fetchall()
    emptied = [intent_row(batch, began, ()) for batch, began in intents]
    database.executemany("INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?)", emptied)


VERSIONS = Versions(_FIRST, _add_intents, _add_sent, _place_witnesses)
_WITH_SENT = 3


def sent_of(database: sqlite3.Connection) -> list[tuple[int, int, str, int, str, str, int]]:
    """The rows of the table `sent`; none of a ledger that is looked at and has no such table yet."""
    if version_of(database) < _WITH_SENT:
        return []
    return database.execute("SELECT run, source, name, site, day, utc, lines FROM sent").fetchall()


def zones_of(database: sqlite3.Connection) -> dict[int, str]:
    """The time zones of sites; none of a ledger that is looked at and has no such table yet."""
    if version_of(database) < _WITH_SENT:
        return {}
    return dict(database.execute("SELECT site, name FROM zone"))


def intent_row(batch: int, began: float, witnesses: Sequence[tuple[int, int, bytes]]) -> tuple[object, ...]:
    """A batch that is posted, since when, and some of its hits: source, offset and query."""
    hits = [(source, offset, query.decode("latin-1")) for source, offset, query in witnesses]
    row = (batch, began, orjson.dumps(hits))
    return (*row, proof(*row))


def proof(*values: object) -> int:
    """A checksum over a row's values, so that a flipped bit in a number is noticed too."""
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"))


def to_column(name: str) -> str | bytes:
    """A name as SQLite takes it: as text, or, where its bytes are no UTF-8, as those."""
    return name if name.isascii() or _is_text(name) else os.fsencode(name)


def from_column(name: str | bytes) -> str:
    """What `to_column` was given."""
    return name if isinstance(name, str) else os.fsdecode(name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def held_proof(source: int, row: Sequence[object], batch: int) -> int:
    """The checksum of a held request. Those of version 1 know of no batch."""
    return proof(source, *row, *([batch] if batch else []))


def into_meta(database: sqlite3.Connection, about: Mapping[str, str]) -> None:
    """Writes what else is worth knowing, by its name."""
    rows = [(key, column, proof(key, column)) for key, column in ((key, to_column(about[key])) for key in about)]
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", rows)


def damaged(path: Path, how: str, so: str = "nothing was sent") -> StateError:
    """The error for a ledger that cannot be relied on. Only what SQLite itself cannot read is worth no second look."""
    kept = copies(path)
    backup = f"from {kept[-1]} or a backup" if kept else "from a backup"
    away = f"mv {path} {path}.damaged" if is_whole(path) else f"rm {path}"
    return StateError(
        f"{path}: the ledger is damaged: {how}; {so}.",
        f"Restore it {backup}; or, to begin anew and count again what was imported before: {away}",
    )


def unwritable(path: Path, error: Exception, so: str = "nothing was sent") -> StateError:
    """The error for a ledger that is damaged, or that the machine does not let us use: what SQLite said tells."""
    if isinstance(error, MemoryError):
        return StateError(f"{path}: there is no memory left to use the ledger; {so}.", "Give it more memory.")
    remedy = cure(error)
    if remedy is not None:
        return StateError(f"{path}: the ledger cannot be written: {error}; {so}.", remedy)
    if not isinstance(error, sqlite3.Error | ValueError):
        return StateError(f"This is a fault in log-importer: {error!r}; {so}.", "Please report it.")
    return damaged(path, str(error), so)


def unusable(path: Path, error: OSError) -> StateError:
    """The error for a ledger that the system does not give us, or has no room for."""
    return StateError(
        f"{path}: the ledger cannot be used: {(error.strerror or '').lower()}; nothing was sent.",
        "Look at the state folder's rights, and at the room there.",
    )


def open_database(path: Path, about: Mapping[str, str]) -> sqlite3.Connection:
    """The ledger at `path`, made with `about` in its table `meta` where there is none yet. Raises `StateError`.

    A ledger is made under another name and then renamed, so that one that is empty or half made is damage.
    """
    if path.is_symlink():
        raise StateError(f"{path}: the ledger is a symbolic link.", "Name the folder itself with --state-dir.")
    try:
        if not path.exists():
            make_database(path, about)
        elif path.stat().st_size == 0:
            raise damaged(path, "it is empty")
        return _open(path)
    except (sqlite3.Error, ValueError) as error:  # sqlite3 cannot tell of every fault in UTF-8
        raise unwritable(path, error) from None
    except OSError as error:
        raise unusable(path, error) from None


def read_database(path: Path) -> sqlite3.Connection:
    """The ledger at `path`, to look at only; a run may be writing to it. Raises `StateError`."""
    try:
        if path.stat().st_size == 0:
            raise damaged(path, "it is empty")
        # Not read-only: what a killed run left has to be recovered before it can be read.
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        database.execute("PRAGMA query_only = ON")
        return _checked(path, database)
    except (sqlite3.Error, ValueError) as error:  # sqlite3 cannot tell of every fault in UTF-8
        raise unwritable(path, error) from None
    except OSError as error:
        raise unusable(path, error) from None


def make_database(
    path: Path, about: Mapping[str, str], fill: Callable[[sqlite3.Connection], object] = lambda _: None
) -> None:
    """A new ledger with `about` in its table `meta` and what `fill` writes, there at once or not at all.

    Raises `OSError` and `sqlite3.Error`.
    """
    new = path.with_suffix(".new")
    for leftover in (new, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        leftover.unlink(missing_ok=True)  # a log of changes without its database would be played into ours
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as database:
        database.executescript("PRAGMA synchronous = FULL; BEGIN;")
        VERSIONS.create(database)
        into_meta(database, about)
        fill(database)
        database.execute("COMMIT")
    new.replace(path)
    sync(path.parent)


def _open(path: Path) -> sqlite3.Connection:
    database = _checked(path, sqlite3.connect(path, check_same_thread=False, isolation_level=None))
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
    try:
        VERSIONS.migrate(database, path)
    except sqlite3.Error as error:  # it was whole a moment ago
        raise unwritable(path, error, "nothing was sent") from None
    return database


def _checked(path: Path, database: sqlite3.Connection) -> sqlite3.Connection:
    version = version_of(database)
    if version > VERSIONS.latest:
        raise StateError(
            f"{path}: the ledger is from a newer log-importer (version {version}, this one knows {VERSIONS.latest}); "
            "nothing was sent.", "Update log-importer.",
        )  # fmt: skip
    if version < 1:
        raise damaged(path, "it is no ledger")
    if not VERSIONS.fits(database):
        raise damaged(path, "its tables are not those of a ledger")
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, str(found))
    return database
