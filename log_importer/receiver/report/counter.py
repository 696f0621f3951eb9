"""Keeps the counts up to date in a thread: at once where somebody looks, else while the store is left alone."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from log_importer.model.errors import StateError
from log_importer.receiver.report.counting import behind, count_on, open_counts

_SLICE = 0.2
"""Seconds of counting between two looks at whether it is over."""
_QUIET = 1.0
"""Seconds without a change to the store before it counts as left alone."""


class Counter:
    """Counts once it is started: what somebody asks for at once, else when there is nothing else to do."""

    def __init__(self, store: Path, ready: Callable[[], object] = lambda: None) -> None:
        """`ready` is called when all was counted and nobody waited for it."""
        self._store = store
        self._ready = ready
        self._wanted = threading.Event()
        self._over = threading.Event()
        self._current = threading.Condition()
        self._rounds = 0
        self._thread = threading.Thread(target=self._run, name="counter", daemon=True)

    def start(self) -> None:
        """Begins, if it has not begun."""
        with self._current, suppress(RuntimeError):
            self._thread.start()

    def stop(self) -> None:
        """Ends after the step under way."""
        self._over.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()

    def catch_up(self, seconds: float) -> None:
        """Counts what came; returns once all is counted, or after so many seconds."""
        self.start()
        with self._current:
            rounds = self._rounds
            self._wanted.set()
            self._current.wait_for(lambda: self._rounds > rounds, seconds)

    def _run(self) -> None:
        # Who looks is told why by its own attempt to open the counts.
        with suppress(StateError), closing(open_counts(self._store)) as database:
            seen = -1
            while not self._over.is_set():
                wanted = self._wanted.wait(_QUIET)
                version = _version(database)
                if not wanted and version != seen:
                    seen = version
                    continue
                self._wanted.clear()
                with suppress(sqlite3.OperationalError):  # such as a full disk; the next time it may do
                    self._count(database, version, idle=not wanted)

    def _count(self, database: sqlite3.Connection, version: int, *, idle: bool) -> None:
        """Counts all there is; an `idle` one gives way when the store is no more of that version."""
        while not self._over.is_set() and count_on(database, _SLICE):
            if idle and not self._wanted.is_set() and version != _version(database):
                return
        if not behind(database):
            with self._current:
                self._rounds += 1
                self._current.notify_all()
            if idle:
                self._ready()


def _version(database: sqlite3.Connection) -> int:
    """Changes with every commit of others to the store."""
    return int(database.execute("PRAGMA store.data_version").fetchone()[0])
