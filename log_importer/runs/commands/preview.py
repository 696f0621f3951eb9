"""`import --preview`: the embedded receiver with its report, before, while and after an import."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from log_importer.model.errors import UsageError
from log_importer.receiver.embedded import PORT, open_receiver
from log_importer.runs.interrupt import Interrupt

if TYPE_CHECKING:
    from log_importer.receiver import Receiver


@contextmanager
def previewing(state: Path, say: Callable[[str], None], *, wanted: bool) -> Iterator["Receiver | None"]:
    """The receiver, told of and serving; `None` where nobody wants it. Raises `StateError`."""
    if not wanted:
        yield None
        return
    try:
        receiver = open_receiver(state, port=PORT)
    except UsageError:  # another preview goes on
        receiver = open_receiver(state)
    with receiver:
        say(f"The report is at {receiver.report}.")
        yield receiver


def go_on(receiver: "Receiver", say: Callable[[str], None]) -> None:
    """Serves the report until a signal comes, which is how it ends well."""
    with Interrupt(say, 0) as interrupt:
        receiver.use_leisure()
        say(f"The import is over; the report stays at {receiver.report} until Ctrl-C.")
        interrupt.halt.wait()
