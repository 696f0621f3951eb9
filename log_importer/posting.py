"""The sender of a run or a retry: settings, server and journal put together."""

from collections.abc import Callable, Mapping, Sequence

from log_importer.delivery.dates import Dates
from log_importer.delivery.lanes import Lanes
from log_importer.delivery.pace import Pace
from log_importer.delivery.poster import Delivery, Journal, Post
from log_importer.delivery.sender import Sender
from log_importer.interrupt import Interrupt
from log_importer.ledger.ledger import Ledger
from log_importer.model import Answer
from log_importer.server import Server
from log_importer.settings import Settings
from log_importer.tracking.bulk import MAX_BODY, body


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

    pace = Pace(settings.recorders, size=settings.recorder_max_payload_size)
    delivery = Delivery(
        journal, Dates(ledger.days, zones, ledger.begin_days), pace, say, settings.give_up_after, settings.retry_delay,
        transactions=not settings.server_without_transactions,
    )  # fmt: skip
    return Sender(
        Lanes(settings.recorder_max_payload_size, MAX_BODY), delivery, connect, interrupt.halt, interrupt.stop
    )
