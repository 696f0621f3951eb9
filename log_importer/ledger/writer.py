"""One thread that writes: all that waits is committed together, and then all who waited for it go on."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from log_importer.ledger.database import unwritable
from log_importer.model.errors import StateError

Job = Callable[[sqlite3.Connection], object]

_PAUSE = 1.0
_OF_THE_DISK = tuple(f"SQLITE_{name}" for name in ("FULL", "IOERR", "BUSY", "LOCKED", "CANTOPEN"))
"""Errors that may go away by themselves, or with a file removed."""


class Written:
    """Becomes durable some time."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._done = threading.Event()
        self._error: StateError | None = None

    def settle(self, error: StateError | None) -> None:
        """It is on disk, or will never be."""
        self._error = error
        self._done.set()

    def wait(self) -> None:
        """Returns when it is on disk; raises `StateError` when it will not be."""
        self._done.wait()
        if self._error is not None:
            raise self._error


class Writer:
    """Commits jobs in the order in which they came."""

    def __init__(self, database: sqlite3.Connection, path: Path, say: Callable[[str], None], patience: float) -> None:
        """`patience`: seconds for which a full disk is waited for."""
        self._database = database
        self._path = path
        self._say = say
        self._patience = patience
        self._changed = threading.Condition()
        self._waiting: list[Written] = []
        self._closing = False
        self._error: StateError | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> Written:
        """Has `job` done; it may be done twice, the first time rolled back. Raises `StateError` once writing failed."""
        written = Written(job)
        with self._changed:
            if self._error is not None:
                raise self._error
            self._waiting.append(written)
            self._changed.notify_all()
        return written

    def close(self) -> None:
        """Writes what waits, and closes the database."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._database.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                group, self._waiting = self._waiting, []
                if not group:
                    return
            error = self._error or self._commit(group)
            if error is not None:
                with self._changed:
                    self._error = error
            for written in group:
                written.settle(error)

    def _commit(self, group: Sequence[Written]) -> StateError | None:
        end = time.monotonic() + self._patience
        while True:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                for written in group:
                    written.job(self._database)
                self._database.execute("COMMIT")
            except Exception as error:  # whatever it is, nobody must wait for ever
                with contextlib.suppress(sqlite3.Error):
                    self._database.rollback()
                # What was answered meanwhile would be in doubt if we ended here, so a disk gets time to be cleared.
                passing = getattr(error, "sqlite_errorname", "").startswith(_OF_THE_DISK)
                if not passing or time.monotonic() >= end or self._closing:
                    return unwritable(self._path, error, "sending has stopped")
                self._say(f"{self._path}: the ledger cannot be written: {error}; sending waits until it can be.")
                time.sleep(_PAUSE)
            else:
                return None
