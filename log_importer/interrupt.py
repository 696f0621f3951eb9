"""Signals: the first asks the run to end in good order, the second not to wait even for that.

Before anything is read there is nothing to bring in order, so the first one ends it.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal ends a run that has not begun."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


class Interrupt:
    """While held as a context manager, `halt` is set by the first signal and `stop` by a second.

    Before `begin` a signal raises `Stopped`; later that could strike anywhere, and be lost in a finalizer.
    """

    def __init__(self, say: Callable[[str], None], grace: float) -> None:
        self.halt = threading.Event()
        self.stop = threading.Event()
        self.exit_code = 0
        """128 and the signal's number; 0 where none came."""
        self._say = say
        self._grace = grace
        self._begun = False
        self._before: dict[int, Any] = {}

    def begin(self) -> None:
        """From now on lines are read and sent."""
        self._begun = True

    def __enter__(self) -> "Interrupt":
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.halt.is_set():
            self.stop.set()
            if not self._begun:
                raise Stopped(number)
            return
        self.exit_code = 128 + number
        self.halt.set()
        if not self._begun:
            raise Stopped(number)
        name = signal.Signals(number).name
        self._say(f"{name}: no more is read; what was read is sent for up to {self._grace:g} s. Again to stop at once.")
