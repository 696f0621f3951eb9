"""The sender of a run or a retry: settings, server and journal put together."""

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from log_importer.delivery.context import Delivery, Journal, Post
from log_importer.delivery.dates import Dates, Day
from log_importer.delivery.doubts import Doubts, Earlier
from log_importer.delivery.dropped import make_drops
from log_importer.delivery.inquiry import Inquiry
from log_importer.delivery.lanes import LANES, WINDOW, Lanes
from log_importer.delivery.outage import Outage
from log_importer.delivery.pace import Pace
from log_importer.delivery.rate import Rate
from log_importer.delivery.sender import Sender
from log_importer.delivery.server import Server, described
from log_importer.model import Answer
from log_importer.receiver.agents import describe
from log_importer.settings import Settings
from log_importer.tracking.bulk import MAX_BODY, body
from log_importer.translation.bot_rules import judges


def server_of(settings: Settings, url: str, token: str) -> Server:
    """The server at `url`, as the settings say to talk to it. Raises `UsageError`."""
    auth = (settings.auth_user, settings.auth_password) if settings.auth_user else None
    return Server(
        url, token, endpoint=settings.endpoint, api_url=settings.api_url, auth=auth, ca_file=settings.ca_file,
        verify=not settings.accept_invalid_ssl_certificate, request_timeout=settings.request_timeout,
        secrets=[settings.password] if settings.password else [],
    )  # fmt: skip


_ASKING = 30.0
"""Seconds in which a question has to be answered."""
_OTHERS = 2.0
"""Seconds for which a machine that has begun a date gives way to others that may be beginning it too."""


class Interrupts(Protocol):
    """What ends a run: on `halt` nobody waits to hand in more, on `stop` nobody waits at all."""

    @property
    def halt(self) -> threading.Event: ...
    @property
    def stop(self) -> threading.Event: ...


class Memory(Protocol):
    """What is known of the server from earlier runs, and kept for later ones."""

    @property
    def days(self) -> set[Day]: ...
    @property
    def about(self) -> Mapping[str, str]: ...
    def begin_days(self, days: Iterable[Day]) -> None: ...
    def remember(self, **about: str) -> None: ...


def start_sender(
    settings: Settings,
    server: Server,
    token: str,
    journal: Journal,
    memory: Memory,
    zones: Mapping[int, str],
    interrupts: Interrupts,
    say: Callable[[str], None],
    lanes: int = LANES,
    window: int = WINDOW,
    earlier: Earlier | None = None,
    *,
    retrying: bool = False,
) -> Sender:
    """A sender to `server` that writes down in `journal`; `zones` are the time zones of the sites.

    `lanes` may have a post each under way, and `window` hits wait in them together.
    `earlier` knows the batches of earlier runs that were never answered. `retrying`: what was in doubt twice is sent
    again, and however many requests are set aside in a row, the others are sent.
    """

    def connect() -> Post:
        session = server.session()

        def post(queries: Sequence[bytes]) -> Answer:
            return session.post(body(queries, token))

        return post

    pace = Pace(settings.recorders, lanes, settings.recorder_max_payload_size, _settled_on(memory))
    queues = Lanes(lambda: pace.size, MAX_BODY, lanes, window)
    abort = threading.Event()
    others = partial(abort.wait, _OTHERS) if settings.shard.shares > 1 else lambda: None
    delivery = Delivery(
        journal, Dates(memory.days, zones, memory.begin_days, others), pace, say,
        Outage(abort, settings.give_up_after, settings.retry_max_attempts, settings.retry_delay, say), queues.shrink,
        rate=Rate(settings.max_rate), told=_told(server, say) if settings.debug else None,
        transactions=not settings.server_without_transactions, abort=abort, retrying=retrying,
    )  # fmt: skip
    if not settings.server_without_transactions:
        inquiry, known = Inquiry(server.asking(_ASKING), zones, _browser_and_system), judges()
        drops = make_drops(server.asking(_ASKING), known.is_bot, known.search_engine)
        delivery.doubts = Doubts(
            inquiry, drops, settings.request_timeout, memory.about, memory.remember, earlier, abort, say
        )  # fmt: skip
        delivery.asks = settings.in_doubt == "ask" and _answers(inquiry, zones, say)
    return Sender(queues, delivery, connect, interrupts.halt, interrupts.stop)


def _browser_and_system(user_agent: str) -> tuple[str, str]:
    known = describe(user_agent)
    return known.browser, known.os


def _answers(inquiry: Inquiry, sites: Iterable[int], say: Callable[[str], None]) -> bool:
    """Whether the server tells of these sites which visits it has; said where it does not."""
    refused = [why for site in sorted(sites) if (why := inquiry.possible(site, time.time()))]
    if refused:
        say(f"{refused[0]} So what is in doubt is sent once more.")
    return not refused


def _told(server: Server, say: Callable[[str], None]) -> Callable[[int, Answer], None]:
    counter = itertools.count(1)

    def told(hits: int, answer: Answer) -> None:
        said = described(answer) if answer.status else answer.error
        say(f"Post {next(counter):,}: {hits:,} hits to {server.tracker} in {answer.seconds:.2f} s, {said}.")

    return told


def _settled_on(memory: Memory) -> tuple[int, int] | None:
    """How many posts at once, and how many hits in each, the last run ended with."""
    found = re.fullmatch(r"([0-9]{1,3}) ([0-9]{1,6})", memory.about.get("pace", ""))
    return (int(found[1]), int(found[2])) if found else None


def end_sender(sender: Sender, memory: Memory, interrupts: Interrupts) -> None:
    """Ends the threads, and keeps what was learnt of the server."""
    # After a signal and its grace, nobody waits for a server that may take minutes.
    sender.close(0.5 if interrupts.halt.is_set() else None)
    memory.remember(pace=f"{sender.pace.at_once} {sender.pace.size}")
