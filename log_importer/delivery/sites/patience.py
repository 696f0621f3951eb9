"""A server that does not answer is tried for a while, and what its API refuses is said in its own words."""

import time
from collections.abc import Callable
from typing import TypeVar

from log_importer.delivery.server import ApiRefused
from log_importer.model.errors import ServerRefused, ServerUnreachable

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for which a server that does not answer is tried before the run."""
_LONGEST_PAUSE = 5.0
NEW_TOKEN = "Copy it again from Matomo, or make a new one there."  # noqa: S105 - what to do about one


class NoSuchSite(ServerRefused):
    """There is no such site, or the token may not even look at it."""


Wait = Callable[[float, ServerUnreachable], object]
"""Pauses for some seconds, told why; ends the trying by returning true."""


def pause(seconds: float, _why: ServerUnreachable) -> None:
    """Says nothing meanwhile."""
    time.sleep(seconds)


def telling(say: Callable[[str], None], patience: float) -> Wait:
    """Pauses, and says at once that the server is away: half a minute of silence looks like a fault of ours."""

    def wait(seconds: float, why: ServerUnreachable) -> None:
        say(f"{why.what} It is tried again for up to {patience:g} s.")
        time.sleep(seconds)

    return wait


def patiently(call: Callable[[], T], patience: float, wait: Wait) -> T:
    """What `call` gives, tried for `patience` seconds. Raises what it raises, and `ServerUnreachable` at the end."""
    end = time.monotonic() + patience
    longest = 1.0
    while True:
        try:
            return call()
        except ServerUnreachable as why:
            left = end - time.monotonic()
            if left <= 0 or wait(min(longest, left), why):
                raise
            longest = min(2 * longest, _LONGEST_PAUSE)


def said_by(error: ApiRefused) -> str:
    """What the API said, as a sentence to add; "" where it said nothing."""
    return f" It says: {error.message}" if error.message else ""
