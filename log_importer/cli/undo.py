"""`log-importer undo`: what was sent by mistake."""

from pathlib import Path
from typing import Any

import click

from log_importer.cli.option import flag, option


@click.command("undo")
@option("--state-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where state lies.")
@option("--job", metavar="NAME", help="The job, where there are several.")
@option("--run", type=click.IntRange(min=1), metavar="NUMBER", help="Only what this run sent; without it, all runs.")
@option("--source", metavar="NAME", help="Only what was sent of this source.")
@flag("--forget", "Have the ledger forget it too, so that the next import sends it again.")
@flag("--yes", "Do not ask.")
@flag("--json", "Print one JSON object.")
def command(**given: Any) -> int:
    """Say on which days of which sites what was sent, and which commands of the server take it out again.

    The commands are printed and never run. They take out everything else on those days too.
    """
    from log_importer.runs.commands.undo import undo

    return undo(given)
