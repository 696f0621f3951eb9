"""Deadlines for all posts of the process, kept by one thread: a timer for each would cost more than a quick post."""

import threading
import time
from collections.abc import Callable, Hashable
from math import inf


class Deadlines:
    """Calls back when the time has come; the thread starts with the first deadline and ends with the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._wakes = inf
        self._thread: threading.Thread | None = None

    def set(self, key: Hashable, seconds: float, late: Callable[[], None]) -> None:
        """Calls `late` in `seconds`; replaces an earlier deadline of `key`. `late` must be quick and raise nothing."""
        at = time.monotonic() + seconds
        with self._changed:
            self._due[key] = at, late
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif at < self._wakes:
                self._changed.notify()

    def drop(self, key: Hashable) -> None:
        """Forgets the deadline of `key`."""
        with self._changed:
            self._due.pop(key, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for key in [key for key, (at, _) in self._due.items() if at <= now]:
                    self._due.pop(key)[1]()
                # One that was dropped only wakes us for nothing.
                self._wakes = min((at for at, _ in self._due.values()), default=inf)
                self._changed.wait(None if self._wakes == inf else self._wakes - now)
