"""One `import` from settings to exit code: the job opened, the run, the summary."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from log_importer.model.errors import LogImporterError
from log_importer.native.heap import keep_memory
from log_importer.receiver.embedded import receiver_database
from log_importer.runs.commands.dry_run import dry_run
from log_importer.runs.commands.preview import go_on, previewing
from log_importer.runs.job import open_job
from log_importer.runs.output.ending import show
from log_importer.runs.output.metrics import watch_of, write_metrics
from log_importer.runs.output.progress import Progress, speaker
from log_importer.runs.output.run_account import RunAccount
from log_importer.runs.output.run_report import Report
from log_importer.runs.output.summary import destination
from log_importer.runs.pipeline import run_import
from log_importer.runs.reading.spooling import reading, spooling
from log_importer.runs.workers.pools import early_workers
from log_importer.settings import Settings
from log_importer.settings.arguments import make_settings
from log_importer.sources.state_folder import job_ledger, open_state

if TYPE_CHECKING:
    from log_importer.receiver import Receiver


def main_job(given: Mapping[str, Any], *, token_in_arguments: bool, terminal: bool) -> int:
    """Imports what the options `given` say and prints the summary; the exit code. Raises `LogImporterError`."""
    keep_memory()
    settings = make_settings(given, terminal=terminal)
    with early_workers(settings):
        return _job(settings, token_in_arguments=token_in_arguments)


def _job(settings: Settings, *, token_in_arguments: bool) -> int:
    state = open_state(settings.state_dir)
    database = receiver_database(state)
    progress = Progress(settings.progress, settings.show_progress_delay, dry=settings.dry_run)
    say = speaker(progress)
    if token_in_arguments:
        say(
            "The token is on the command line, where ps shows it; LOG_IMPORTER_TOKEN_AUTH or --token-auth-file hide it."
        )
    if settings.spark:
        from log_importer.runs.cluster.driver import import_on_cluster  # needs libraries of its own

        report = import_on_cluster(settings, say)
        progress.close()
        title = f"Import on {settings.spark} into {destination(report.server, settings.site_title, str(database))}"
        return show(report, title, settings.shared_dir, say, json=settings.json)
    if settings.dry_run:
        report = dry_run(settings, say, progress)
        report.look_at_counts()
        progress.close()
        title = f"Dry run for {destination(settings.address, settings.site_title, str(database))}"
        return show(report, f"{title}: nothing was sent", state, say, json=settings.json)
    with previewing(state, say, wanted=settings.preview) as receiver:
        report = _run(settings, state, say, progress, receiver)
        progress.close()
        title = f"Import into {destination(report.server, settings.site_title, str(database))}"
        code = show(report, title, state, say, json=settings.json, look_at=database if settings.local else None)
        if receiver is not None and report.tally.sources and not report.interrupted:
            go_on(receiver, say)
    return code


def _run(
    settings: Settings, state: Path, say: Callable[[str], None], progress: Progress, receiver: "Receiver | None"
) -> Report:
    """The run, between taking the job's lock and giving it back."""
    database = receiver_database(state) if settings.local else None
    with spooling(settings, say) as spool:
        with (
            reading(spool, settings, say),
            open_job(settings, job_ledger(state, settings.job_key), say, receiver) as job,
            RunAccount(database, job.ledger.about.get("receiver", "")) as account,
        ):
            report = job.report = run_import(
                settings, job.url, job.token, job.ledger, say, progress, watch_of(settings, say), spool, account.begin
            )
            report.look_at_counts()
            if held := len(job.ledger.held()):
                say(f"Lines of earlier runs that are held: {held:,}; log-importer status lists, retry sends them.")
        if spool is not None and report.interrupted:
            spool.stop(settings.grace)
    if settings.metrics_file is not None:
        try:
            write_metrics(settings.metrics_file, report, time.time())
        except LogImporterError as error:
            report.errors.append(error)
    return report
