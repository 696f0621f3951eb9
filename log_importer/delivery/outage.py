"""What all posting threads of a run know of a server in trouble: since when, and whether one of them probes for all."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from log_importer.model.errors import ServerRefused, ServerUnreachable

LONGEST_PAUSE = 60.0
"""Seconds between two attempts at most, unless the server names a longer time."""


class Aborted(Exception):
    """The run is ending; what was to be posted stays pending."""


class Health(Enum):
    """What a ping tells, which stores nothing."""

    TRACKING = auto()  # the server counts it
    AWAY = auto()  # no answer, or that of a proxy whose tracker is away
    REFUSING = auto()  # an answer that will not change: the token, the rights, the web server's rules


@dataclass(frozen=True, slots=True)
class Probe:
    """A ping that was answered, or not."""

    health: Health
    reason: str = ""
    retry_after: float | None = None  # seconds


class Outage:
    """Keeps posts back while the server is away, and ends the run when that takes too long."""

    def __init__(
        self,
        abort: threading.Event,
        give_up_after: float,
        most_attempts: int,
        first_pause: float,
        say: Callable[[str], None],
    ) -> None:
        """`give_up_after` in seconds, from the first failure after the last thing stored; `abort` ends all pauses.

        `most_attempts` of one batch or one probe; 0: as many as there is time for. `first_pause` in seconds, doubled
        each time.
        """
        self._abort = abort
        self._give_up_after = give_up_after
        self._most_attempts = most_attempts
        self._first_pause = first_pause
        self._say = say
        self._over = threading.Condition()
        self._probing = False
        self._failing_since: float | None = None
        self.stored_at = 0.0
        """When something was last stored, by the monotonic clock."""

    def stored(self) -> None:
        """The server has stored something."""
        self._failing_since, self.stored_at = None, time.monotonic()

    def gate(self) -> None:
        """Waits while another thread probes. Raises `Aborted`."""
        with self._over:
            while self._probing and not self._abort.is_set():
                self._over.wait(0.5)
        if self._abort.is_set():
            raise Aborted

    def pause(self, attempt: int, reason: str, retry_after: float | None, at_least: float = 0.0) -> None:
        """Waits after attempt number `attempt`, from 0, has failed: longer each time, never in step with others.

        Raises `ServerUnreachable` when it has been too long, and `Aborted`.
        """
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        longest = min(LONGEST_PAUSE, self._first_pause * 2 ** min(attempt, 16))
        pause = random.uniform(0, longest)  # noqa: S311 - no secret hangs on it
        pause = max(pause + at_least, retry_after or 0.0)
        if now + pause - self._failing_since > max(self._give_up_after, 2 * at_least):
            raise ServerUnreachable(reason, "What was tracked stays tracked; the next run goes on from there.")
        if self._abort.wait(pause):
            raise Aborted

    def pause_shortly(self) -> None:
        """Waits a moment, between attempts at a request that is suspected. Raises `Aborted`."""
        if self._abort.wait(random.uniform(0, 0.3 * self._first_pause)):  # noqa: S311 - no secret hangs on it
            raise Aborted

    def count(self, attempts: int, reason: str) -> None:
        """Raises `ServerUnreachable` where the user allows no more than these `attempts`."""
        if attempts == self._most_attempts:
            raise ServerUnreachable(reason, "It was tried as often as --retry-max-attempts allows.")

    def wait(self, probe: Callable[[], Probe], found: Probe) -> None:
        """Returns once the server tracks again; `found` is what a probe told just now.

        The first thread that comes probes, all others wait for it. Raises `ServerRefused`, `ServerUnreachable`,
        `Aborted`.
        """
        with self._over:
            if self._probing:
                first = False
            else:
                first = self._probing = True
        if not first:
            return self.gate()
        began = time.monotonic()
        self._say(f"{found.reason} The server is away; nothing is sent until it answers.")
        try:
            attempt = 0
            while found.health is not Health.TRACKING:
                if found.health is Health.REFUSING:
                    raise ServerRefused(found.reason)
                self.count(attempt + 1, found.reason)
                self.pause(attempt, found.reason, found.retry_after)
                found, attempt = probe(), attempt + 1
            self._say(f"The server answers again, after {time.monotonic() - began:.0f} s.")
        except BaseException:
            self._abort.set()  # before the others are let go
            raise
        finally:
            with self._over:
                self._probing = False
                self._over.notify_all()
        return None
