"""`log-importer formats`: list, show, check and detect log formats."""

from pathlib import Path
from typing import Any

import click

from log_importer.cli.option import option
from log_importer.cli.options import READING, say

_FORMAT_FILES = option(
    "--format-file", "format_files", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
    help="A format file of your own, beside the others; may be given again.",
)  # fmt: skip


@click.group("formats")
def command() -> None:
    """List, show, check and detect log formats."""


@command.command("list")
@_FORMAT_FILES
def list_formats(format_files: tuple[Path, ...] | None) -> None:
    """All formats: name, driver, title, and the names that other tools use."""
    from log_importer.settings.format_files import load_formats

    for name, spec in sorted(load_formats(format_files or ()).items()):
        aliases = f" (also {', '.join(spec.aliases)})" if spec.aliases else ""
        click.echo(f"{name:<18}{spec.driver:<8}{spec.title}{aliases}")


@command.command("show")
@click.argument("name", required=False)
@option("--log-format", metavar="STRING", help="A server's own LogFormat, log_format, log-format or #Fields: line.")
@_FORMAT_FILES
def show(name: str | None, log_format: str | None, format_files: tuple[Path, ...] | None) -> None:
    """The format file of NAME or for a format STRING, to read or to copy and change."""
    from log_importer.model.errors import UsageError
    from log_importer.settings.format_choice import document_for
    from log_importer.settings.format_files import find_format, load_formats

    formats = load_formats(format_files or ())
    if (name is None) == (log_format is None):
        raise UsageError("Name a format, or give --log-format, and not both.")
    if log_format is not None:
        click.echo(document_for(log_format, formats), nl=False)
    elif name is not None:
        click.echo(Path(find_format(name, formats).origin).read_text("utf-8"), nl=False)


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
def check_files(files: tuple[Path, ...]) -> int:
    """Check format files: keys, samples, detection, and patterns that cannot be made slow."""
    from log_importer.parsing.check import check
    from log_importer.parsing.detect import Detector
    from log_importer.settings.format_files import load_file, load_formats

    formats = load_formats()
    failed = False
    for file in files:
        spec = load_file(file)
        problems = check(spec, Detector({**formats, spec.name: spec}.values()))
        for problem in problems:
            click.echo(problem, err=True)
        if not problems:
            click.echo(f"{file}: good. {len(spec.samples)} samples, {sum(len(s.hits) for s in spec.samples)} hits.")
        failed = failed or bool(problems)
    return 2 if failed else 0


@command.command("detect")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@READING
def detect_sources(**given: Any) -> int:
    """Say which format each SOURCE is in, or how near the nearest came."""
    from log_importer.model.errors import worst
    from log_importer.runs.reading.survey import look
    from log_importer.settings.arguments import make_settings

    inputs = look(make_settings({**given, "local": True}, terminal=True), say)
    for one in inputs.probes:
        click.echo(f"{one.source.name}: {one.format or 'no format fits'}")
        if one.damage:
            say(f"{one.source.name}: no line of it can be read: {one.damage}.")
    for error in inputs.errors:
        say(f"log-importer: {error}")
    return worst([*(error.exit_code for error in inputs.errors), *(1 for one in inputs.probes if not one.format)])
