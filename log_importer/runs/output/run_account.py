"""The account of a run into the embedded receiver, kept where its report finds it while the run goes on."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from log_importer.model import BUCKETS, Chunk, ChunkResult
from log_importer.model.visible import visible
from log_importer.receiver.report.runs import runs_folder, write_run
from log_importer.runs.output.run_report import Report
from log_importer.runs.output.samples import Samples
from log_importer.runs.tally import WITH_REASONS, Tally
from log_importer.translation.plan import Plan

_EVERY = 1.0
"""Seconds between two writings."""


class RunAccount:
    """Written once a second from a thread of its own, while it is held as a context manager."""

    def __init__(self, database: Path | None, idstore: str) -> None:
        """`database` is the receiver's, and `idstore` its id; `None` where the run is into a server."""
        self._folder = runs_folder(database) if database is not None else None
        self._idstore = idstore
        self._began = datetime.now(UTC)
        self._report: Report | None = None
        self._samples: Samples | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="account", daemon=True)

    def begin(self, report: Report, plan: Plan) -> Callable[[Chunk, ChunkResult], None]:
        """The run of `report` reads by `plan`; what it is to show each chunk to, and what became of it."""
        if self._folder is None:
            return _not_looked_at
        samples = self._samples = Samples(plan)
        self._report = report
        sources = report.tally.sources
        self._thread.start()
        return lambda chunk, result: samples.look(sources[chunk.source].source, chunk, result)

    def __enter__(self) -> "RunAccount":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._write(running=False)

    def _run(self) -> None:
        while not self._over.wait(_EVERY):
            self._write(running=True)

    def _write(self, *, running: bool) -> None:
        report = self._report
        if report is None or self._folder is None or (not running and not any(s.lines for s in report.tally.sources)):
            return  # a run that found nothing new does not hide the one that did
        name = self._began.strftime("%Y%m%dT%H%M%S.%f")
        document = {
            "id": name, "store": self._idstore, "began": self._began.isoformat(timespec="seconds"),
            "running": running, "seconds": round((datetime.now(UTC) - self._began).total_seconds(), 1),
            "exit_code": None if running else report.exit_code, "errors": [visible(str(e), 500) for e in report.errors],
            **account_of(report.tally), "samples": self._samples.found if self._samples else {},
        }  # fmt: skip
        with suppress(OSError):  # such as a full disk: the import matters more, and says so itself
            write_run(self._folder, name, document)


def account_of(tally: Tally) -> dict[str, Any]:
    """The counts of a run, as the report shows them."""
    with tally.steady():
        sources = tally.by_name()
        return {
            "lines": sum(counts.lines for counts in sources),
            "known_lines": sum(counts.known_lines for counts in sources),
            "buckets": {bucket: tally.total(bucket) for bucket in BUCKETS},
            "reasons": {bucket: _ordered(tally.reasons(bucket)) for bucket in WITH_REASONS},
            "bots": _ordered(_details(tally, "bot")),
            "ais": _ordered(tally.ais),
            "statuses": _ordered(_details(tally, "status-error")),
            "sources": [
                {
                    "source": visible(counts.source), "format": counts.format, "lines": counts.lines,
                    **{bucket: counts.count(bucket) for bucket in BUCKETS},
                    "troubled": {bucket: list(numbers) for bucket, numbers in counts.first_troubled.items()},
                    "incomplete": visible(counts.incomplete),
                }
                for counts in sources
            ],
        }  # fmt: skip


def _details(tally: Tally, reason: str) -> Counter[str]:
    return Counter({detail: lines for (one, detail), lines in tally.details.items() if one == reason})


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(((visible(name), n) for name, n in counts.items()), key=lambda item: (-item[1], item[0])))


def _not_looked_at(_chunk: Chunk, _result: ChunkResult) -> None:
    pass
