"""`log-importer import`: the main job."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from log_importer.cli.lenient import Lenient
from log_importer.cli.option import option
from log_importer.cli.options import (
    AGAIN,
    CHANGING,
    CONFIG,
    FOLLOWING,
    MACHINES,
    POSTING,
    READING,
    SELECTING,
    SERVER,
    STATE,
    TELLING,
)


@click.command("import", cls=Lenient)
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@CONFIG
@SERVER
@SELECTING
@CHANGING
@READING
@STATE
@POSTING
@FOLLOWING
@AGAIN
@MACHINES
@TELLING
@option("--workers", type=click.IntRange(0, 256), metavar="N", help="Worker processes; 0 for none. [as processors]")
@option("--php-binary", hidden=True)
@option("--enable-testmode", is_flag=True, flag_value=True, hidden=True)
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Import access logs into a Matomo server.

    SOURCE is a file, plain or compressed, a pattern or a directory, here or at s3://, gs://, az:// or https://;
    or it is - for standard input.

    \b
    log-importer import --url https://matomo.example.org --idsite 1 /var/log/nginx/access.log*
    log-importer import --url https://matomo.example.org --idsite 1 --follow /var/log/nginx/access.log
    zcat old.log.gz | log-importer import --local -
    """
    if given["spool"] and not given["dry_run"]:
        from log_importer.runs.interrupt import hold

        hold()
    from log_importer.cli.config import settle, shown
    from log_importer.model.errors import UsageError
    from log_importer.runs.commands.import_ import main_job

    for name in ("php_binary", "enable_testmode"):
        if given.pop(name):
            option_name = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{option_name} needs Matomo's own folder and PHP, and log-importer neither.", "Leave it out."
            )
    if given.pop("show_settings"):
        from log_importer.model.visible import visible

        for line in shown(ctx):
            click.echo(visible(line, 2000))
        return 0
    if not given["sources"]:
        raise click.UsageError("Missing argument 'SOURCE...'.")
    if given.pop("dump_log_regex"):
        from log_importer.runs.commands.patterns import print_patterns

        return print_patterns(given)
    _print_into(given.pop("output"))
    settle(ctx, given, "url", "local")
    settle(ctx, given, "url", "preview")
    settle(ctx, given, "idsite", "site")
    in_arguments = ctx.get_parameter_source("token_auth") is click.core.ParameterSource.COMMANDLINE
    terminal = any(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr) if stream is not None)
    return main_job(given, token_in_arguments=in_arguments, terminal=terminal)


def _print_into(file: Path | None) -> None:
    """Whatever is printed from now on, by whom it may be, stands at the end of `file`."""
    from log_importer.model.errors import UsageError

    if file is None:
        return
    try:
        number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"--output: {file} cannot be written: {(error.strerror or '').lower()}.") from None
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(number, stream.fileno())
