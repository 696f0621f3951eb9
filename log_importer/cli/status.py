"""`log-importer status`: what the ledgers know."""

from pathlib import Path
from typing import Any

import click

from log_importer.cli.option import flag, option


@click.command("status")
@option("--state-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where state lies.")
@option("--job", metavar="NAME", help="Only the job of this name.")
@option("--shared-dir", metavar="DIR", help="Of imports on a cluster: the folder or URL of their progress.")
@flag("--json", "Print one JSON object.")
def command(**given: Any) -> int:
    """Say what has been imported, by job and source; what is pending, in doubt or set aside; where the state lies.

    It may be asked while an import runs.
    """
    from log_importer.runs.commands.status import status

    return status(given)
