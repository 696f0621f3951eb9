"""A server that does not answer is tried for a while, and what its API refuses is said in its own words."""

import time
from collections.abc import Callable
from typing import TypeVar

from log_importer.errors import ServerRefused, ServerUnreachable
from log_importer.server import ApiRefused

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for which a server that does not answer is tried before the run."""
_LONGEST_PAUSE = 5.0
NEW_TOKEN = "Copy it again from Matomo, or make a new one there."  # noqa: S105 - what to do about one


class NoSuchSite(ServerRefused):
    """There is no such site, or the token may not even look at it."""


def patiently(call: Callable[[], T], patience: float, wait: Callable[[float], object]) -> T:
    """What `call` gives, tried for `patience` seconds; `wait` pauses for some, and ends it by returning true."""
    end = time.monotonic() + patience
    pause = 1.0
    while True:
        try:
            return call()
        except ServerUnreachable:
            left = end - time.monotonic()
            if left <= 0 or wait(min(pause, left)):
                raise
            pause = min(2 * pause, _LONGEST_PAUSE)


def said_by(error: ApiRefused) -> str:
    """What the API said, as a sentence to add; "" where it said nothing."""
    return f" It says: {error.message}" if error.message else ""
