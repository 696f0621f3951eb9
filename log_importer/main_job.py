"""One `import` from settings to exit code: lock, receiver where none is named, run, summary."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from log_importer.bot_rules import judges
from log_importer.pipeline import run_import
from log_importer.progress import Progress
from log_importer.settings import Settings, make_settings
from log_importer.state import JobLock, default_state_dir, open_state
from log_importer.summary import as_json, as_text, destination
from log_importer.visible import visible

RECEIVER_DATABASE = "receiver.sqlite3"
_PORT = 8765


def main_job(given: Mapping[str, Any], *, token_in_arguments: bool, terminal: bool) -> int:
    """Imports what the options `given` say and prints the summary; the exit code. Raises `LogImporterError`."""
    settings = make_settings(given, terminal=terminal)
    state = open_state(settings.state_dir)
    database = state / RECEIVER_DATABASE
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
    from log_importer.receiver import Receiver  # only a local import pays for it

    verdicts = judges()
    with Receiver(state / RECEIVER_DATABASE, is_bot=verdicts.is_bot, search_engine=verdicts.search_engine) as receiver:
        yield receiver.url, receiver.token


def receive(given: Mapping[str, Any]) -> int:
    """Runs the embedded receiver until it is stopped."""
    from log_importer.receiver import Receiver

    verdicts = judges()
    state = open_state(Path(given["state_dir"] or default_state_dir()))
    receiver = Receiver(
        state / RECEIVER_DATABASE, is_bot=verdicts.is_bot, search_engine=verdicts.search_engine,
        host=given["host"] or "127.0.0.1", port=_PORT if given["port"] is None else given["port"],
    )  # fmt: skip
    sys.stdout.write(
        f"The Tracking API is at {receiver.url}/matomo.php, its data in {state / RECEIVER_DATABASE}.\n"
        f"Its token, until it stops: {receiver.token}\nStop it with Ctrl-C.\n"
    )
    sys.stdout.flush()
    # The server stops on these in good order and then raises them again; being stopped is how it ends well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    try:
        receiver.run()
    finally:
        receiver.close()
    return 0
