"""`log-importer verify`: whether the server holds what was tracked."""

from typing import Any

import click

from log_importer.cli.option import flag
from log_importer.cli.options import CONFIG, SERVER, STATE


@click.command("verify")
@CONFIG
@SERVER
@STATE
@flag("--json", "Print one JSON object.")
def command(**given: Any) -> int:
    """Compare what was tracked, by site and day, with what the server holds.

    The server is asked for its visits (Live.getLastVisitsDetails), of at most 60 days of a site.
    """
    from log_importer.runs.commands.verify import verify

    return verify(given)
