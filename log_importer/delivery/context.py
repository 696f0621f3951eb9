"""What the posting threads of a run share: where they write down, and what they know of the server."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from log_importer.delivery.dates import Dates
from log_importer.delivery.doubts import Doubts
from log_importer.delivery.outage import Outage
from log_importer.delivery.pace import Pace
from log_importer.delivery.rate import Rate
from log_importer.model import Answer, Outcome, Request

Post = Callable[[Sequence[bytes]], Answer]
"""Posts encoded tracking requests together."""


class Journal(Protocol):
    """Where it is written down what is posted and what became of it."""

    def intend(self, requests: Sequence[Request], witnesses: Sequence[Request] = ()) -> int:
        """Requests are about to be posted; returns once that is durable: the number of the batch.

        `witnesses` are some of them, by which the server can be asked later whether it has the batch.
        """
        ...

    def release(self, batch: int) -> None:
        """Nothing of the batch was stored."""
        ...

    def doubt(self, requests: Sequence[Request]) -> None:
        """Requests were posted, and whether they are stored nobody knows."""
        ...

    def settle(self, outcomes: Iterable[Outcome], batch: int | None = None) -> None:
        """What became of all requests of `batch`, or of some of a batch; returns once it is durable."""
        ...


class Slot(Protocol):
    """A posting thread's right to have a post under way, of as many as the pace allows."""

    def take(self) -> None:
        """Waits for it, where it was given back. Raises `Aborted`."""
        ...

    def give_back(self) -> None:
        """Lets another thread post."""
        ...


@dataclass(slots=True)
class Delivery:
    """What the posting threads of a run share."""

    journal: Journal
    dates: Dates
    pace: Pace
    say: Callable[[str], None]  # one sentence for people, once each
    outage: Outage
    shrink: Callable[[int], None] = lambda _: None  # a body of that many bytes was too large
    rate: Rate = field(default_factory=lambda: Rate(0))
    told: Callable[[int, Answer], None] | None = None  # of every post: how many requests, and the answer
    transactions: bool = True  # the server stores a batch whole or not at all
    doubts: Doubts | None = None  # who knows how the server is asked what it has; None: it would prove nothing
    asks: bool = False  # what is in doubt is settled by asking, in this run; else only a retry asks
    retrying: bool = False  # what was held or set aside is sent because the user said so, all of it
    abort: threading.Event = field(default_factory=threading.Event)  # ends all pauses
    tracked_sites: set[int] = field(default_factory=set)  # sites with a request tracked in this run
    lock: threading.Lock = field(default_factory=threading.Lock)  # of `pace` and `aside_in_a_row`
    aside_in_a_row: int = 0  # requests set aside since something was stored
