"""Memory that is handed back to the system comes anew as empty pages, which cost more than what is done in them."""

import ctypes
from contextlib import suppress

# Of GNU's malloc.h; another C library has its own ways, and no such function.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGEST = 8 << 20
"""Bytes; chunks and batches, which come and go all the time, are smaller."""


def keep_memory() -> None:
    """Has this process keep what it frees for the next that is as large; comes before there are other threads.

    All threads share what was freed: only one of them allocates at a time, since they hold the interpreter's lock.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
