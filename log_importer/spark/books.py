"""The job's ledger between runs: one object in the shared folder, fetched by the driver, put back when a run is done.

While a run goes on nothing in it changes: what a run does stands in its lanes' records. Once all of it is done, that is
entered here in one step, with the run's name, so that it is never entered twice.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from log_importer.ledger.ledger import Ledger
from log_importer.model import Boundary, Disk
from log_importer.shared import Shared
from log_importer.spark.portion import Portion
from log_importer.spark.progress import request_of
from log_importer.tally import SourceCounts, Tally

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

    def enter(
        self, run: str, portions: Sequence[Portion], ends: Mapping[int, Boundary], finished: Mapping[int, Disk],
        tally: Tally, held: Sequence[Mapping[str, Any]], damages: Mapping[int, str],
    ) -> None:  # fmt: skip
        """Enters what a run did, and puts the ledger back. By the index of a portion: behind its last line, the file
        where that is all of it, and how it is incomplete.

        Raises `StateError`.
        """
        ledger = self.ledger
        for index, one in enumerate(portions):
            record = ledger.known(one.record) or ledger.add(one.place, one.format, one.start)
            ledger.adopt(record, one.place, one.disk, one.head_length, one.head)
            ledger.read_as(index, record)
            mine = [(request_of(row), row) for row in held if row["source"] == index]
            ledger.enter(index, ends.get(index, one.start), _rows(tally.sources[index]), mine)
            ledger.finish(index, finished.get(index), damages.get(index, ""))
        ledger.remember(**{_LAST: run})

    def put_back(self, exit_code: int) -> None:
        """The ledger is closed, and takes the place of the one in the shared folder. Raises `StateError`."""
        self.close(exit_code)
        self._shared.replace(LEDGER, self._path.read_bytes())


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
