"""`log-importer retry`: what was set aside or held in doubt, once more."""

from typing import Any

import click

from log_importer.cli.option import flag, option
from log_importer.cli.options import CONFIG, POSTING, SERVER, STATE


@click.command("retry")
@CONFIG
@SERVER
@STATE
@POSTING
@option("--shared-dir", metavar="DIR", help="Of imports on a cluster: the folder or URL of their progress.")
@flag("--json", "Print the summary as one JSON object.")
def command(**given: Any) -> int:
    """Send again what was set aside or held in doubt.

    The requests are kept in the ledger; their sources are not read again. --url or --job say which, where several
    servers or jobs have some.
    """
    from log_importer.runs.commands.retry import retry

    return retry(given)
