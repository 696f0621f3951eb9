"""Which processors this process runs on: its own threads on one, its workers on all."""

import ctypes
import os
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from functools import cache

Processors = Set[int]
"""By their numbers; none where the system does not tell, or lets nobody choose."""


@cache
def processors() -> Processors:
    """Those that this process may use, as it was begun."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def processor_count() -> int:
    """How many there are."""
    return len(processors()) or os.cpu_count() or 1


@contextmanager
def on_one() -> Iterator[None]:
    """Keeps this thread, and those that it starts, on the processor where it is.

    By the interpreter's lock one of them runs at a time. To hand that to a thread on another processor, which has
    nothing of what it needs at hand, takes a seventh of the time of an import in which there is much to send.
    """
    here = _current()
    if here not in processors():
        yield
        return
    run_on({here})
    try:
        yield
    finally:
        run_on(processors())


def run_on(some: Processors) -> None:
    """This thread, and those that it starts, run on these from here on; on any where there are none."""
    if some and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # they were taken from us meanwhile
            os.sched_setaffinity(0, some)


def _current() -> int:
    """The one that this thread is on: the system has put it where there was least to do."""
    try:
        return int(ctypes.CDLL(None).sched_getcpu())
    except (AttributeError, OSError):
        return -1
