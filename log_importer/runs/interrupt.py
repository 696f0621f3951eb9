"""Signals: the first asks the run to end in good order, the second not to wait even for that.

Before anything is read there is nothing to bring in order, so the first one ends it.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

_AT_ONCE = 0.9
"""Seconds after a second signal until the process ends."""
_NO_MORE = b"\0"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def hold() -> None:
    """Has signals wait for the next `Interrupt`, also those of this process's first moments.

    For whoever reads a pipe: ended in the signal's own way, it would take with it what lies there. A web server that
    is restarted twice within a second sends one so soon.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


class Stopped(KeyboardInterrupt):
    """A signal ends a run that has not begun."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


class Interrupt:
    """While held as a context manager, `halt` is set by the first signal and `stop` by a second.

    A handler runs in the midst of whatever the main thread does, where that may hold the very lock that an event
    needs. So it does no more than write to a pipe, and a thread reads it and does the rest.

    Before `begin` a signal raises `Stopped`, but only in `wait_for` and in `begin` itself: anywhere else it could
    strike where a library holds a lock that the way out wants too, or be lost in a finalizer.
    """

    def __init__(self, say: Callable[[str], None], grace: float) -> None:
        self.halt = threading.Event()
        self.stop = threading.Event()
        self._over = threading.Event()
        self.exit_code = 0
        """128 and the signal's number; 0 where none came."""
        self._say = say
        self._grace = grace
        self._begun = False
        self._woken = threading.Event()
        self._before: dict[int, Any] = {}
        self._held: set[int] = set()

    def begin(self) -> None:
        """From now on lines are read and sent. Raises `Stopped` where a signal came before."""
        self._begun = True
        if self.halt.is_set():
            raise Stopped(self.exit_code - 128)

    def wait_for(self, function: Callable[[], T]) -> T:
        """What `function` gives, run in a thread of its own, so that a signal strikes only the waiting for it."""
        self._woken.clear()
        outcome: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(function())
            except BaseException as error:
                failure.append(error)
            self._woken.set()

        threading.Thread(target=run, name="check", daemon=True).start()
        if not self.halt.is_set():
            self._woken.wait()
        if self.halt.is_set():
            raise Stopped(self.exit_code - 128)
        if failure:
            raise failure[0]
        return outcome[0]

    def __enter__(self) -> "Interrupt":
        self._reading, self._writing = os.pipe()
        self._thread = threading.Thread(target=self._take, name="signals", daemon=True)
        self._thread.start()
        for number in _SIGNALS:
            # What was ignored stays so: nohup asks for it, and a shell for what runs in the background.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        self._held = signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS) & set(_SIGNALS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if not self.halt.is_set():  # else the next one ends the process, as was said
            signal.pthread_sigmask(signal.SIG_BLOCK, self._held)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.write(self._writing, _NO_MORE)
        self._thread.join(_AT_ONCE)
        os.close(self._writing)

    def _end(self) -> None:
        """Whatever the process is doing: what it has written down is as good as after a kill."""
        if not self._over.wait(_AT_ONCE):
            os._exit(self.exit_code)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        os.write(self._writing, bytes([number]))

    def _take(self) -> None:
        while (byte := os.read(self._reading, 1)) != _NO_MORE:
            self._signal(byte[0])
        os.close(self._reading)

    def _signal(self, number: int) -> None:
        if self.halt.is_set():
            if not self.stop.is_set():
                self.stop.set()
                threading.Thread(target=self._end, name="end", daemon=True).start()
            return
        self.exit_code = 128 + number
        self.halt.set()
        self._woken.set()
        if not self._begun:
            return
        name = signal.Signals(number).name
        self._say(f"{name}: no more is read; what was read is sent for up to {self._grace:g} s. Again to stop at once.")
