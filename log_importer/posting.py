"""The sender of a run or a retry: settings, server and journal put together."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence

from log_importer.delivery.dates import Dates
from log_importer.delivery.lanes import Lanes
from log_importer.delivery.pace import Pace
from log_importer.delivery.poster import Delivery, Journal, Post
from log_importer.delivery.rate import Rate
from log_importer.delivery.sender import Sender
from log_importer.interrupt import Interrupt
from log_importer.ledger.ledger import Ledger
from log_importer.model import Answer
from log_importer.server import Server, described
from log_importer.settings import Settings
from log_importer.tracking.bulk import MAX_BODY, body


def server_of(settings: Settings, url: str, token: str) -> Server:
    """The server at `url`, as the settings say to talk to it. Raises `UsageError`."""
    auth = (settings.auth_user, settings.auth_password) if settings.auth_user else None
    return Server(
        url, token, endpoint=settings.endpoint, api_url=settings.api_url, auth=auth, ca_file=settings.ca_file,
        verify=not settings.accept_invalid_ssl_certificate, request_timeout=settings.request_timeout,
        secrets=[settings.password] if settings.password else [],
    )  # fmt: skip


def start_sender(
    settings: Settings, server: Server, token: str, journal: Journal, ledger: Ledger, zones: Mapping[int, str],
    interrupt: Interrupt, say: Callable[[str], None],
) -> Sender:  # fmt: skip
    """A sender to `server` that writes down in `journal`; `zones` are the time zones of the sites."""

    def connect() -> Post:
        session = server.session()

        def post(queries: Sequence[bytes]) -> Answer:
            return session.post(body(queries, token))

        return post

    pace = Pace(settings.recorders, size=settings.recorder_max_payload_size, start=_settled_on(ledger))
    lanes = Lanes(lambda: pace.size, MAX_BODY)
    delivery = Delivery(
        journal, Dates(ledger.days, zones, ledger.begin_days), pace, say, settings.give_up_after,
        settings.retry_max_attempts, settings.retry_delay, lanes.shrink,
        rate=Rate(settings.max_rate), told=_told(server, say) if settings.debug else None,
        transactions=not settings.server_without_transactions,
    )  # fmt: skip
    return Sender(lanes, delivery, connect, interrupt.halt, interrupt.stop)


def _told(server: Server, say: Callable[[str], None]) -> Callable[[int, Answer], None]:
    counter = itertools.count(1)

    def told(hits: int, answer: Answer) -> None:
        said = described(answer) if answer.status else answer.error
        say(f"Post {next(counter):,}: {hits:,} hits to {server.tracker} in {answer.seconds:.2f} s, {said}.")

    return told


def _settled_on(ledger: Ledger) -> tuple[int, int] | None:
    """How many posts at once, and how many hits in each, the last run ended with."""
    found = re.fullmatch(r"([0-9]{1,3}) ([0-9]{1,6})", ledger.about.get("pace", ""))
    return (int(found[1]), int(found[2])) if found else None


def end_sender(sender: Sender, ledger: Ledger, interrupt: Interrupt) -> None:
    """Ends the threads, and keeps what was learnt of the server."""
    # After a signal and its grace, nobody waits for a server that may take minutes.
    sender.close(0.5 if interrupt.halt.is_set() else None)
    ledger.remember(pace=f"{sender.pace.at_once} {sender.pace.size}")
