"""Not more than so many hits a second, over all posting threads."""

import threading
import time


class Rate:
    """Hands out the moments at which posts may go."""

    def __init__(self, hits_a_second: float) -> None:
        """0 is no limit."""
        self._seconds = 1 / hits_a_second if hits_a_second else 0.0
        self._free = 0.0
        self._lock = threading.Lock()

    def pause(self, hits: int) -> float:
        """Seconds to wait before a post of so many hits, whose turn this now is."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._free)
            self._free = at + hits * self._seconds
            return at - now
