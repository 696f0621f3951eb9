"""The job's ledger between runs: one object in the shared folder, fetched by the driver, put back when a run is done.

While a run goes on nothing in it changes: what a run does stands in its lanes' records. Once all of it is done, that is
entered here in one step, with the run's name, so that it is never entered twice.
"""

import contextlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from log_importer.ledger.database import VERSIONS
from log_importer.ledger.ledger import Ledger
from log_importer.model import Request
from log_importer.runs.cluster.account import SpanAccount
from log_importer.runs.cluster.portion import Portion
from log_importer.runs.cluster.progress import request_of
from log_importer.runs.cluster.survey import Found
from log_importer.runs.tally import SourceCounts, Tally
from log_importer.sources.shared_folder import Shared

LEDGER = "ledger.sqlite3"
_LAST = "last_run"


class Books:
    """The ledger as it was fetched."""

    def __init__(self, shared: Shared, path: Path, ledger: Ledger) -> None:
        self._shared = shared
        self._path = path
        self.ledger = ledger
        self._closed = False

    def close(self, exit_code: int = 1) -> None:
        """Ends the writing, once."""
        if not self._closed:
            self._closed = True
            self.ledger.close(exit_code)

    def has(self, run: str) -> bool:
        """Whether that run was entered already."""
        return bool(run) and self.ledger.about.get(_LAST) == run

    def enter(self, run: str, found: Found, tally: Tally, held: Iterable[Mapping[str, Any]]) -> None:
        """Enters what a run did, which is on disk once the ledger is put back. Raises `StateError`."""
        ledger = self.ledger
        by_source: dict[int, list[tuple[Request, Mapping[str, Any]]]] = defaultdict(list)
        for row in held:
            by_source[row["source"]].append((request_of(row), row))
        finished = {one.span.source for one in found.accounts if _is_finished(one, found.portions)}
        for index, one in enumerate(found.portions):
            record = ledger.sources.known(one.record) or ledger.sources.add(one.place, one.format, one.start)
            ledger.sources.adopt(record, one.place, one.disk, one.head_length, one.head)
            ledger.read_as(index, record)
            ledger.enter(index, found.ends.get(index, one.start), _rows(tally.sources[index]), by_source[index])
            ledger.finish(index, one.disk if index in finished else None, tally.sources[index].incomplete)
        ledger.remember(**{_LAST: run})

    def put_back(self, exit_code: int) -> None:
        """The ledger is closed, and takes the place of the one in the shared folder. Raises `StateError`."""
        self.close(exit_code)
        replace_ledger(self._shared, self._path)


def replace_ledger(shared: Shared, path: Path) -> None:
    """The ledger at `path` takes the place of the one in the folder; of an older version's a copy stays there."""
    old = shared.read(LEDGER)
    version = int.from_bytes(old[60:64], "big") if old is not None else VERSIONS.latest  # in SQLite's header
    if old is not None and version < VERSIONS.latest:
        shared.create(f"{LEDGER}.v{version}", old)
    shared.replace(LEDGER, path.read_bytes())


def _is_finished(account: SpanAccount, portions: Sequence[Portion]) -> bool:
    """Whether a source was read to the end of its file, and that is as it was when the run began."""
    disk, before = account.ending.disk, portions[account.span.source].disk
    if disk is None or not account.ending.whole:
        return False
    return (disk.size, disk.mtime_ns) == (before.size, before.mtime_ns)  # a machine may call its devices otherwise


def _rows(counts: SourceCounts) -> list[tuple[str, str, int]]:
    rows = [("tracked", "", counts.tracked), ("maybe_twice", "", counts.maybe_twice)]
    for bucket in ("skipped", "rejected", "refused"):
        rows += [(bucket, reason, lines) for reason, lines in getattr(counts, bucket).items()]
    return rows


@contextlib.contextmanager
def books(shared: Shared, about: Mapping[str, str], say: Callable[[str], None], patience: float) -> Iterator[Books]:
    """The job's ledger, fetched; a new one where there is none. Raises `StateError`."""
    with tempfile.TemporaryDirectory(prefix="log-importer-") as folder:
        path = Path(folder) / LEDGER
        if (data := shared.read(LEDGER)) is not None:
            path.write_bytes(data)
        found = Books(shared, path, Ledger(path, about, say, patience))
        try:
            yield found
        finally:
            found.close()
