"""The embedded receiver with its database in the state folder: for the length of an import, or until it is stopped."""

import signal
import sys
import threading
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from log_importer.sources.state_folder import open_state
from log_importer.translation.bot_rules import judges

if TYPE_CHECKING:
    from log_importer.receiver import Receiver

PORT = 8765
"""Of `receive`, and of a preview if it is free."""


def receiver_database(state: Path) -> Path:
    """Where the receiver keeps what it gets."""
    return state / "receiver.sqlite3"


def open_receiver(state: Path, host: str = "127.0.0.1", port: int = 0) -> "Receiver":
    """The receiver on the state folder's database. Raises `UsageError` and `StateError`."""
    from log_importer.receiver import Receiver  # only who receives pays for it

    verdicts = judges()
    return Receiver(
        receiver_database(state), is_bot=verdicts.is_bot, search_engine=verdicts.search_engine, host=host, port=port
    )


def receive(given: Mapping[str, Any]) -> int:
    """Runs the embedded receiver until it is stopped."""
    state = open_state(given["state_dir"])
    receiver = open_receiver(state, given["host"] or "127.0.0.1", PORT if given["port"] is None else given["port"])
    sys.stdout.write(
        f"The Tracking API is at {receiver.url}/matomo.php, its data in {receiver_database(state)}.\n"
        f"Its token, until it stops: {receiver.token}\nThe report is at {receiver.report}.\nStop it with Ctrl-C.\n"
    )
    sys.stdout.flush()
    if given["open"]:
        threading.Thread(target=_open, args=(receiver.report,), name="browser", daemon=True).start()
    # The server stops on these in good order and then raises them again; being stopped is how it ends well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    try:
        receiver.run()
    finally:
        receiver.close()
    return 0


def _open(address: str) -> None:
    """Has the user's browser show the page; it may come before the receiver answers, for which it waits."""
    if not webbrowser.open(address):
        sys.stderr.write("log-importer: There is no browser to be opened here.\n")
        sys.stderr.flush()
