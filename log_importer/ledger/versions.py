"""SQLite files that carry a version: their structure, and how an older one is brought up to date in numbered steps.

A structure is compared by what it is (tables, columns, keys, indexes, triggers), never by the text that made it, whose
comments change nothing.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

Step = Callable[[sqlite3.Connection], object]
"""Changes a database from one version to the next, in a transaction that is open."""
Structure = list[tuple[object, ...]]


class Versions:
    """All versions of a schema."""

    def __init__(self, first: str, *steps: Step) -> None:
        """`first` makes version 1, and each of `steps` the next one of the one before."""
        self._first = first
        self._steps = steps
        self.latest = 1 + len(steps)

    def create(self, database: sqlite3.Connection) -> None:
        """Makes the latest version in an empty database, in the transaction that is open."""
        self._create(database, self.latest)

    def fits(self, database: sqlite3.Connection) -> bool:
        """Whether a database has the structure of the version that it says it is of."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
            self._create(model, version_of(database))
            return structure(database) == structure(model)

    def migrate(self, database: sqlite3.Connection, path: Path) -> None:
        """Brings a database up to date; before anything changes, a copy lies beside it: `NAME.v1` of version 1.

        Raises `ValueError` where it is none of its version, `OSError` and `sqlite3.Error`; then nothing has changed.
        """
        if version_of(database) == self.latest:
            return
        database.execute("BEGIN IMMEDIATE")  # nobody else changes anything between the copy and the steps
        copy: Path | None = None
        try:
            version = version_of(database)
            if version < self.latest:
                copy = _copy(path, path.with_name(f"{path.name}.v{version}"))
                for step in self._steps[version - 1 :]:
                    step(database)
                database.execute(f"PRAGMA user_version = {self.latest}")
                if not self.fits(database):
                    raise ValueError(f"its tables are not those of version {version}")
            database.execute("COMMIT")
        except BaseException:
            database.rollback()
            if copy is not None:
                copy.unlink(missing_ok=True)  # nothing has changed
            raise

    def _create(self, database: sqlite3.Connection, version: int) -> None:
        statement = ""
        for part in self._first.split(";"):  # a trigger has some of its own
            statement += f"{part};"
            if sqlite3.complete_statement(statement):
                database.execute(statement)
                statement = ""
        for step in self._steps[: version - 1]:
            step(database)
        database.execute(f"PRAGMA user_version = {version}")


def version_of(database: sqlite3.Connection) -> int:
    """The version that a database says it is of; 0 of a new one."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def structure(database: sqlite3.Connection) -> Structure:
    """What tables, columns, keys, indexes and triggers a database has."""
    found: Structure = []
    made = database.execute("SELECT type, name, tbl_name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name")
    for kind, name, table in made.fetchall():
        found.append((kind, name, table))
        for pragma in _PRAGMAS.get(kind, ()):
            # Where an index comes in the list of its table is chance.
            rows = [row[1:] if pragma == "index_list" else row for row in _pragma(database, pragma, name)]
            found.append((pragma, *sorted(rows, key=repr)))
    return found


_PRAGMAS = {"table": ("table_info", "foreign_key_list", "index_list"), "index": ("index_xinfo",)}


def _pragma(database: sqlite3.Connection, pragma: str, name: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in database.execute(f"SELECT * FROM pragma_{pragma}(?)", (name,))]  # noqa: S608


def _copy(path: Path, to: Path) -> Path:
    """Makes a copy of a database that only its owner can read, on disk when it is there."""
    new = to.with_name(f"{to.name}.new")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(new)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, also where the other one has a log of changes
    sync(new)
    new.replace(to)
    sync(to.parent)
    return to


def sync(path: Path) -> None:
    """Brings a file, or the entries of a folder, to the disk. Raises `OSError`."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def is_whole(path: Path) -> bool:
    """Whether SQLite itself finds nothing wrong with a database file."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return path.stat().st_size > 0 and database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.Error as error:
        return cure(error) is not None
    except ValueError:  # what is wrong stands in words that are no UTF-8 any more
        return False
    except OSError:
        return True


def cure(error: Exception) -> str | None:
    """What to do about an error that is none of the database, but of the machine; `None` where it may be damage."""
    if isinstance(error, UnicodeEncodeError):
        return "Please report it: a text was to be written that is none."
    if isinstance(error, OSError):
        return _CURES["SQLITE_FULL" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "SQLITE_CANTOPEN"]
    name = getattr(error, "sqlite_errorname", "")
    return next((sentence for kind, sentence in _CURES.items() if name.startswith(kind)), None)


_CURES = {
    "SQLITE_FULL": "Make room on its disk, and run it again.",
    "SQLITE_IOERR": "Look at the disk or mount that it lies on, and at the room there, and run it again.",
    "SQLITE_BUSY": "Another process has locked it: wait until that one ends, and run it again.",
    "SQLITE_LOCKED": "Another process has locked it: wait until that one ends, and run it again.",
    "SQLITE_PROTOCOL": "Another process has locked it: wait until that one ends, and run it again.",
    "SQLITE_READONLY": "Look at its rights and its folder's, and whether its disk is mounted read-only.",
    "SQLITE_CANTOPEN": "Look at its rights and its folder's, at the room there, and at the limit of open files.",
    "SQLITE_PERM": "Look at its rights and its folder's.",
    "SQLITE_AUTH": "Look at its rights and its folder's.",
    "SQLITE_NOMEM": "Give it more memory, and run it again.",
    "SQLITE_TOOBIG": "Please report it: a value is too large.",
}
"""How the name of SQLite's error begins -> what to do."""


def copies(path: Path) -> Sequence[Path]:
    """The copies that were kept of older versions of a database, the latest last."""
    return sorted(path.parent.glob(f"{path.name}.v[0-9]"))
