"""`log-importer explain`: what becomes of each line, one JSON object a line."""

import sys
from typing import Any

import click

from log_importer.cli.lenient import Lenient
from log_importer.cli.option import flag
from log_importer.cli.options import CHANGING, CONFIG, READING, SELECTING, say


@click.command("explain", cls=Lenient)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@CONFIG
@SELECTING
@CHANGING
@READING
@flag("--pretty", "For people: a line's fate, and the parameters that would be sent, one below the other.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Say what becomes of each log line and why, one JSON object a line; nothing is sent.

    `tracked` means: would be tracked, since only a server says what it tracked.

    \b
    log-importer explain --pretty access.log | less -R
    """
    from log_importer.cli.config import settle
    from log_importer.model.errors import LogImporterError, worst
    from log_importer.model.visible import visible_json
    from log_importer.runs.commands.explain import explain
    from log_importer.runs.output.colours import painter
    from log_importer.runs.output.explained import for_people
    from log_importer.settings.arguments import make_settings

    settle(ctx, given, "idsite", "site")
    pretty = given.pop("pretty")
    settings = make_settings({**given, "local": True}, terminal=True)
    errors: list[LogImporterError] = []
    write, paint = sys.stdout.buffer.write, painter(sys.stdout)
    for item in explain(settings, say, errors):
        try:
            write(("\n".join(for_people(item, paint)).encode() if pretty else visible_json(item)) + b"\n")
        except BrokenPipeError:
            raise
        except OSError as failure:
            reason = (failure.strerror or "").lower()
            raise LogImporterError(f"Standard output cannot be written: {reason}.", "Look at its disk.") from None
    sys.stdout.flush()
    for error in errors:
        say(f"log-importer: {error}")
    return worst(error.exit_code for error in errors)
