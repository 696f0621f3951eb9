"""`log-importer report`: the embedded receiver's data as one HTML file."""

from pathlib import Path
from typing import Any

import click

from log_importer.cli.option import option
from log_importer.cli.options import STATE

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("report")
@option(
    "--report-file", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="The file to write.",
)  # fmt: skip
@option("--idsite", type=click.IntRange(1), metavar="ID", help="Only this site.")
@option("--first-day", type=_DAY, metavar="DAY", help="From this day on: 2026-03-01.")
@option("--last-day", type=_DAY, metavar="DAY", help="Up to this day.")
@STATE
def command(**given: Any) -> int:
    """Write the report of what was imported into the embedded receiver as one HTML file.

    It needs nothing beside it and asks for nothing. It holds some of the log's lines, with their addresses.

    \b
    log-importer report -o report.html
    """
    from log_importer.runs.commands.report import write_report

    return write_report(given)
