"""One `import` from settings to exit code: lock, receiver where none is named, run, summary."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from log_importer.pipeline import run_import
from log_importer.progress import Progress
from log_importer.receive import open_receiver, receiver_database
from log_importer.settings import Settings, make_settings
from log_importer.state import JobLock, open_state
from log_importer.summary import as_json, as_text, destination
from log_importer.visible import visible


def main_job(given: Mapping[str, Any], *, token_in_arguments: bool, terminal: bool) -> int:
    """Imports what the options `given` say and prints the summary; the exit code. Raises `LogImporterError`."""
    settings = make_settings(given, terminal=terminal)
    state = open_state(settings.state_dir)
    database = receiver_database(state)
    progress = Progress(bar=settings.progress)
    said = set[str]()

    def say(sentence: str) -> None:
        if sentence not in said:  # a server that is away says the same at every attempt
            said.add(sentence)
            progress.say(f"log-importer: {visible(sentence, 2000)}")

    if token_in_arguments:
        say(
            "The token is on the command line, where ps shows it; LOG_IMPORTER_TOKEN_AUTH or --token-auth-file hide it."
        )
    with JobLock(state, settings.job_key), _server(settings, state) as (url, token):
        report = run_import(settings, url, token, say, progress)
    progress.close()
    for error in report.errors:
        say(str(error))
    if settings.json:
        text = orjson.dumps(as_json(report, str(state)), option=orjson.OPT_INDENT_2).decode()
    elif not report.tally.sources and report.errors:
        return report.exit_code  # the errors have said it all
    else:
        where = destination(report.server, str(settings.idsite), str(database))
        lines = list(as_text(report, where, str(state), console=not settings.local))
        if settings.local:
            lines.append(f"To look at it: sqlite3 {database}")
        text = "\n".join(lines)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read our output has left; the import is done
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        say(f"The summary cannot be written: {(error.strerror or '').lower()}. The import itself is done.")
    return report.exit_code


@contextlib.contextmanager
def _server(settings: Settings, state: Path) -> Iterator[tuple[str, str]]:
    """URL and token of the server; the embedded receiver's, for the run, where none is named."""
    if settings.url:
        yield settings.url, settings.token
        return
    with open_receiver(state) as receiver:
        yield receiver.url, receiver.token
