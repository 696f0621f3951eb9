"""`log-importer receive`: the embedded receiver, until it is stopped."""

from typing import Any

import click

from log_importer.cli.option import flag, option
from log_importer.cli.options import STATE


@click.command("receive")
@option("--host", metavar="ADDRESS", help="The address to listen on. [127.0.0.1]")
@option("--port", type=click.IntRange(0, 65535), metavar="N", help="The port to listen on; 0 for a free one. [8765]")
@flag("--open", "Show the report in the browser.")
@STATE
def command(**given: Any) -> int:
    """Run the embedded receiver: the Tracking API, single and bulk, on this machine.

    It answers as a Matomo does and stores what it is sent in a SQLite database. Its report is a page: /report.
    """
    from log_importer.receiver.embedded import receive

    return receive(given)
