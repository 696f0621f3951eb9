"""`--metrics-file`: the run's counts for Prometheus, as its node exporter reads them from a folder of text files."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from log_importer.model import BUCKETS
from log_importer.model.errors import LogImporterError
from log_importer.runs.output.run_report import Report
from log_importer.settings import Settings

_READABLE = 0o644
"""By the node exporter, which runs as another user."""


_EVERY = 15.0
"""Seconds between two writings while a run goes on; Prometheus asks about as often."""


def watch_of(settings: Settings, say: Callable[[str], None]) -> Callable[[Report], None]:
    """What writes the metrics of a run that goes on, now and then."""
    last = time.monotonic()

    def watch(report: Report) -> None:
        nonlocal last
        if settings.metrics_file is not None and time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            try:
                write_metrics(settings.metrics_file, report, time.time(), running=True)
            except LogImporterError as error:
                say(f"{error.what} The import goes on.")  # it may be written the next time

    return watch


def write_metrics(path: Path, report: Report, now: float, *, running: bool = False) -> None:
    """Replaces the file at once; `now` in seconds since 1970 UTC. Raises `LogImporterError`."""
    # Only who is watched pays for it.
    from prometheus_client import CollectorRegistry, Gauge, generate_latest, write_to_textfile

    registry = CollectorRegistry()
    tally = report.tally

    def gauge(name: str, text: str, label: str = "") -> Gauge:
        return Gauge(f"log_importer_{name}", text, [label] if label else [], registry=registry)

    gauge("running", "1 while a run goes on, 0 once it has ended.").set(running)
    gauge("last_run_timestamp_seconds", "When the last run ended, or was last seen to go on.").set(now)
    gauge("last_run_duration_seconds", "How long the last run took, or takes as yet.").set(report.seconds)
    if not running:
        gauge("last_run_exit_code", "The exit code of the last run; 0 is all well.").set(report.exit_code)
    lines = gauge("last_run_lines", "Lines that the last run read, by what became of them.", "bucket")
    for bucket in BUCKETS:
        lines.labels(bucket).set(tally.total(bucket))
    skipped = gauge("last_run_skipped_lines", "Lines that the last run skipped, by reason.", "reason")
    for reason, count in tally.reasons("skipped").items():
        skipped.labels(reason).set(count)
    tracked = gauge("last_run_tracked", "Hits that the server tracked in the last run, by site.", "site")
    for site, days in tally.sites().items():
        tracked.labels(str(site)).set(sum(days.values()))
    twice = gauge("last_run_maybe_twice", "Hits that the server may have stored twice.")
    twice.set(sum(counts.maybe_twice for counts in tally.sources))
    if tally.newest:
        gauge("newest_hit_timestamp_seconds", "The time of the newest hit tracked.").set(tally.newest)
        gauge("lag_seconds", "How old that hit was then.").set(max(0.0, now - tally.newest))
    try:
        if path.exists() and not path.is_file():  # a device or a pipe, which is no file to be replaced
            path.write_bytes(generate_latest(registry))
            return
        write_to_textfile(str(path), registry)
        os.chmod(path, _READABLE)  # noqa: PTH101 - the path is the user's, and may be a link
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise LogImporterError(
            f"{path}: --metrics-file cannot be written: {reason}.", "The import itself is done."
        ) from None
