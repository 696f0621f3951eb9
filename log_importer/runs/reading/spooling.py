"""Standard input written to a spool for the length of a run, the turn to read what lies there, and its end."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from log_importer.ledger.ledger import Ledger
from log_importer.runs.interrupt import Interrupt, Stopped
from log_importer.settings import Settings
from log_importer.sources.spool import Spool


@contextlib.contextmanager
def spooling(settings: Settings, say: Callable[[str], None]) -> Iterator[Spool | None]:
    """The spool that standard input is written to, begun; `None` where none is wanted.

    After a signal it goes on until whoever writes has ended, or the grace has: a web server that is restarted gives the
    next process a pipe of its own, and writes into this one for a while.
    """
    if settings.spool is None:
        yield None
        return
    with Spool(settings.spool, settings.spool_size, say) as spool:
        spool.start()
        try:
            yield spool
        except Stopped:
            spool.stop(settings.grace)
            raise


@contextlib.contextmanager
def reading(spool: Spool | None, settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    """The turn to read the spool; what comes is written there while another run has it. Raises `JobLocked`."""
    if spool is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        with Interrupt(say, settings.grace) as interrupt, contextlib.suppress(KeyboardInterrupt):
            stack.enter_context(spool.turn.reading(settings.job_key, interrupt.halt.wait))
        if interrupt.exit_code:
            raise Stopped(interrupt.exit_code - 128)
        yield


class Spent:
    """The segments of a spool that were read; each is deleted once every line of it is done."""

    def __init__(self, spool: Spool, ledger: Ledger) -> None:
        self._spool = spool
        self._ledger = ledger
        self._segments: list[tuple[Path, int, int]] = []

    def add(self, path: Path, index: int, end: int) -> None:
        """A segment was read as the run's source `index`; `end` is the offset behind its last chunk."""
        self._segments.append((path, index, end))

    def remove(self) -> None:
        """Deletes those that are done. Raises `StateError`."""
        for path, index, end in list(self._segments):
            if self._ledger.is_done(index, end):
                self._spool.remove(path)
                self._ledger.retire(index)
                self._segments.remove((path, index, end))
