"""The ledger by itself: what it keeps of batches and copies, as the next run finds it."""

from pathlib import Path

from log_importer.ledger.ledger import Ledger
from log_importer.model import BEGINNING, Boundary, Chunk, Context, Request


def opened(folder: Path) -> Ledger:
    return Ledger(folder / "ledger.sqlite3", {}, print)


def chunk(index: int, start: int, end: int) -> Chunk:
    """Lines of ten bytes each."""
    context = Context("combined", "", start // 10 + 1, start, 0.0)
    return Chunk(index, b"x" * 9 + b"\n", context, Boundary(end, end // 10 + 1, "", b"tail %d" % end))


def requests(index: int, offsets: range) -> list[Request]:
    return [Request(index, offset // 10 + 1, offset, 0.0, 0, 0, 1, b"?") for offset in offsets]


def test_all_of_a_batch_is_kept_whose_lines_came_from_two_files_that_are_one_source(tmp_path: Path) -> None:
    """A log, and then the copy that it was emptied into."""
    ledger = opened(tmp_path)
    record = ledger.sources.add("access.log", "combined")
    lines = [range(0, 50, 10), range(50, 80, 10)]
    for index, offsets in enumerate(lines):
        ledger.read_as(index, record)
        ledger.parsed(chunk(index, offsets.start, offsets.stop), list(offsets), {}, {})
    ledger.intend([one for index, offsets in enumerate(lines) for one in requests(index, offsets)])
    ledger.close(0)
    again = opened(tmp_path)
    known = again.sources.known(record.id)
    assert known is not None
    again.read_as(0, known)
    assert dict(again.doubts(0)) == dict.fromkeys(range(0, 80, 10), 1)
    again.close(0)


def test_the_end_of_a_copy_is_kept_and_is_no_place_to_go_on_from(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    record = ledger.sources.add("access.log", "combined")
    ledger.read_as(0, record)
    ledger.parsed(chunk(0, 0, 80), list(range(0, 80, 10)), {}, {})
    ledger.sources.keep_end(record, Boundary(50, 0, "", b"copy"))
    ledger.close(0)
    again = opened(tmp_path)
    known = again.sources.known(record.id)
    assert known is not None
    assert [one.offset for one in known.milestones] == [50, 80]
    assert [one.offset for one in known.boundaries] == [BEGINNING.offset, 80]
    assert list(known.undone) == list(range(0, 80, 10))
    again.close(0)
