"""A file is finished once all of it is parsed, and not when it is only read."""

from array import array
from pathlib import Path

import pytest

from log_importer.ledger.ledger import Ledger
from log_importer.model import Boundary, Chunk, Context, Disk

DISK = Disk(1, 2, 200, 3, b"beginning")
CHUNKS = [(0, 100), (100, 200)]


def after(parsed: int, path: Path) -> bool:
    """Whether a file of two chunks is finished for the next run, where one died once `parsed` of them were."""

    def parse(ledger: Ledger, start: int, end: int) -> None:
        context = Context("combined", "", 1, start, 0.0)
        ledger.parsed(Chunk(0, b"x\n", context, Boundary(end, 2, "", b"tail")), [], {}, {})

    ledger = Ledger(path, {}, print)
    record = ledger.sources.add("a.log", "combined")
    ledger.read_as(0, record)
    ledger.sources.adopt(record, "a.log", DISK, 10, b"head")
    for chunk in CHUNKS[: parsed and 1]:
        parse(ledger, *chunk)
    ledger.finish(0, DISK, "", 200)
    for chunk in CHUNKS[1:parsed]:
        parse(ledger, *chunk)
    ledger.close(0)
    again = Ledger(path, {}, print)
    found = again.sources.finished(DISK)
    again.close(0)
    assert record.undone == array("Q")
    return found is not None


@pytest.mark.parametrize(("parsed", "finished"), [(0, False), (1, False), (2, True)])
def test_a_run_that_died_before_all_was_parsed_did_not_finish_the_file(
    parsed: int, finished: bool, tmp_path: Path
) -> None:
    assert after(parsed, tmp_path / "ledger.sqlite3") == finished
