"""`log-importer doctor`: everything that an answer rests on, proved."""

from typing import Any

import click

from log_importer.cli.help import Sectioned
from log_importer.cli.option import FILE, flag, option
from log_importer.cli.options import CONFIG, SERVER, SITES


@click.command("doctor", cls=Sectioned)
@CONFIG
@SERVER
@SITES
@option("--state-dir", type=FILE, metavar="DIR", help="Where state lies.")
@option(
    "--format-file",
    "format_files",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="A format file of your own, beside the others; may be given again.",
)
@flag("--json", "Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Prove everything that an answer rests on, on this machine; what a report of a fault begins with.

    One line for each check: ok, warning or fault, and what to do. No network is used, unless --url names a server:
    then also what an import asks it before the first batch, which stores nothing.

    \b
    log-importer doctor
    log-importer doctor --url https://matomo.example.org --idsite 1
    """
    from log_importer.cli.config import settle
    from log_importer.runs.commands.doctor import doctor

    settle(ctx, given, "url", "local")
    settle(ctx, given, "idsite", "site")
    return doctor(given)
