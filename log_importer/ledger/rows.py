"""What changes in a ledger, as jobs for its writer: the rows, and a checksum with each that is read again."""

from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection

from log_importer.ledger.database import SETTLED, held_proof, intent_row, into_meta, proof, to_column
from log_importer.ledger.offsets import pack, unpack
from log_importer.ledger.record import Record
from log_importer.ledger.writer import Job
from log_importer.model import Boundary, Disk, Outcome, Request

Row = tuple[object, ...]

_INTO_CHUNK = "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INTO_BATCH = "INSERT OR REPLACE INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)"
_NO_ORPHANS = """
    DELETE FROM intent WHERE NOT EXISTS (SELECT 1 FROM batch WHERE batch.id = intent.batch)
    AND NOT EXISTS (SELECT 1 FROM held WHERE held.batch = intent.batch)
"""
_SENT_OF = "FROM sent WHERE source = ?"
_OF_SOURCE = ("chunk", "batch", "held", "count", "finished")

# Sources


def source(record: Record) -> Job:
    """A source, new or changed."""
    row = (
        record.id, to_column(record.name), record.format, record.stream, record.device, record.inode,
        record.head_length, record.head, *record.mark, record.incomplete, _proof(record),
    )  # fmt: skip
    marks = ", ".join("?" * len(row))
    return lambda rows: rows.execute(f"INSERT OR REPLACE INTO source VALUES ({marks})", row)  # noqa: S608


def no_source(number: int) -> Job:
    """Nothing of a source is known any more, but when what was sent."""

    def write(rows: Connection) -> None:
        name = "(SELECT source.name FROM source WHERE source.id = sent.source)"
        moved = f"SELECT run, 0, {name}, site, day, utc, lines {_SENT_OF}"
        sent(rows.execute(moved, (number,)).fetchall())(rows)
        rows.execute(f"DELETE {_SENT_OF}", (number,))
        for table in _OF_SOURCE:
            rows.execute(f"DELETE FROM {table} WHERE source = ?", (number,))  # noqa: S608 - our names
        rows.execute("DELETE FROM source WHERE id = ?", (number,))
        rows.execute(_NO_ORPHANS)

    return write


def mark(record: Record) -> Job:
    """The mark of a source has moved: what lies before it needs no rows, but for where reading may go on."""
    place, row = record.mark.offset, (*record.mark, _proof(record), record.id)
    passed = [_chunk_row(record.id, one.start, one.after) for one in record.passed if one.start < place]

    def write(rows: Connection) -> None:
        rows.execute("UPDATE source SET offset = ?, line = ?, header = ?, tail = ?, proof = ? WHERE id = ?", row)
        rows.execute("DELETE FROM chunk WHERE source = ? AND start < ?", (record.id, place))
        rows.executemany(_INTO_CHUNK, passed)
        rows.execute("DELETE FROM batch WHERE source = ? AND last < ?", (record.id, place))
        rows.execute(_NO_ORPHANS)

    return write


def finished(disk: Disk, number: int) -> Job:
    """A file, as it lies on disk, holds no more of a source than is done."""
    row = (*disk, number)
    return lambda rows: rows.execute("INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?, ?, ?)", row)


def rewound(number: int, end: int) -> Job:
    """A source has nothing from offset `end` on: lines there were never posted, as far as the ledger knows."""

    def write(rows: Connection) -> None:
        rows.execute("DELETE FROM chunk WHERE source = ? AND start >= ?", (number, end))
        rows.execute("DELETE FROM finished WHERE source = ?", (number,))
        behind = "SELECT id, state, offsets, numbers FROM batch WHERE source = ? AND last >= ?"
        for one, state, offsets, numbers in rows.execute(behind, (number, end)).fetchall():
            kept = [offset for offset in unpack(offsets) if offset < end]
            if kept:
                rows.execute(_INTO_BATCH, batch_row(one, number, state, kept, unpack(numbers)[: len(kept)]))
            else:
                rows.execute("DELETE FROM batch WHERE id = ? AND source = ?", (one, number))
        rows.execute(_NO_ORPHANS)

    return write


def chunk(number: int, start: int, after: Boundary, requests: Sequence[int] = ()) -> Job:
    """What was parsed of a source, from offset `start`; `requests` are the offsets of the lines to be posted."""
    row = _chunk_row(number, start, after, requests)
    return lambda rows: rows.execute(_INTO_CHUNK, row)


def counts(number: int, lines: Iterable[tuple[str, str, int]]) -> Job:
    """Bucket, reason and how many lines of a source."""
    added = [(number, *one) for one in lines if one[2]]
    return lambda rows: rows.executemany(
        "INSERT INTO count VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET lines = lines + excluded.lines", added
    )


def sent(some: Iterable[Row]) -> Job:
    """Run, source, "" or its name, site, its date, the date in UTC, and how many lines were tracked."""
    added = list(some)
    return lambda rows: rows.executemany(
        "INSERT INTO sent VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET lines = lines + excluded.lines", added
    )


def not_sent(number: int) -> Job:
    """What was sent of a source counts no more."""
    return lambda rows: rows.execute(f"DELETE {_SENT_OF}", (number,))


# Batches


def batch_row(number: int, source: int, state: int, offsets: Sequence[int], numbers: Sequence[int]) -> Row:
    """Lines of one source in a batch, in line order."""
    last = offsets[-1]
    return (number, source, last, state, pack(offsets), pack(numbers), proof(number, source, last))


def batches(some: Sequence[Row]) -> Job:
    """Rows of batches."""
    return lambda rows: rows.executemany(_INTO_BATCH, some)


def intent(number: int, began: float, witnesses: Sequence[tuple[int, int, bytes]]) -> Job:
    """A batch is about to be posted; some of its requests (source, offset, query) tell later if the server has it."""
    row = intent_row(number, began, witnesses)
    return lambda rows: rows.execute("INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?)", row)


def settled(number: int, *, held: bool = False) -> Job:
    """All of a batch is settled; where some is `held`, the server can still be asked for it."""

    def write(rows: Connection) -> None:
        rows.execute("UPDATE batch SET state = ? WHERE id = ?", (SETTLED, number))
        if not held:
            rows.execute("DELETE FROM intent WHERE batch = ?", (number,))

    return write


def released(number: int) -> Job:
    """Nothing of a batch was stored."""

    def write(rows: Connection) -> None:
        rows.execute("DELETE FROM batch WHERE id = ?", (number,))
        rows.execute("DELETE FROM intent WHERE batch = ?", (number,))

    return write


def no_settled(source: int) -> Job:
    """What is settled of a source that is never read again."""
    return lambda rows: rows.execute("DELETE FROM batch WHERE source = ? AND state = ?", (source, SETTLED))


# Requests that are held


def kept_row(source: int, request: Request, outcome: Outcome, batch: int) -> Row:
    """A request that an outcome leaves to be sent another time; `batch` is the one in which it is in doubt."""
    unanswered = outcome.posted and outcome.bucket == "in_doubt"
    again = request._replace(doubts=request.doubts + unanswered)
    return held_row(source, again, outcome.bucket, outcome.reason, outcome.answer, batch)


def held_row(source: int, request: Request, bucket: str, reason: str, answer: str, batch: int = 0) -> Row:
    """A request that waits for a retry, and why."""
    row = (
        request.offset, request.number, reason, answer, request.site, float(request.time),
        f"{request.visitor:x}", request.agent, request.query, request.doubts,
    )  # fmt: skip
    return (source, bucket, *row, held_proof(source, row, batch), batch)


def held(some: Sequence[Row]) -> Job:
    """Rows of requests that are held."""
    marks = ", ".join("?" * 14)
    return lambda rows: rows.executemany(f"INSERT OR REPLACE INTO held VALUES ({marks})", some)  # noqa: S608


def not_held(places: Sequence[tuple[int, int]]) -> Job:
    """The requests of these sources and offsets are held no longer."""

    def write(rows: Connection) -> None:
        rows.executemany("DELETE FROM held WHERE source = ? AND offset = ?", places)
        rows.execute(_NO_ORPHANS)

    return write


# Runs and the server


def ended(run: int, now: float, exit_code: int) -> Job:
    """A run is over."""
    return lambda rows: rows.execute("UPDATE run SET ended = ?, exit_code = ? WHERE id = ?", (now, exit_code, run))


def days(some: Sequence[tuple[int, str]]) -> Job:
    """Dates of sites that have been begun."""
    return lambda rows: rows.executemany("INSERT OR IGNORE INTO day VALUES (?, ?)", some)


def zones(some: Mapping[int, str]) -> Job:
    """The time zones of sites."""
    added = list(some.items())
    return lambda rows: rows.executemany("INSERT OR REPLACE INTO zone VALUES (?, ?)", added)


def meta(about: Mapping[str, str]) -> Job:
    """What else is worth knowing, by its name."""
    return lambda rows: into_meta(rows, about)


def _chunk_row(number: int, start: int, after: Boundary, requests: Sequence[int] = ()) -> Row:
    return (number, start, *after, pack(requests), proof(number, start, *after))


def _proof(record: Record) -> int:
    return proof(record.id, int(record.stream), record.head, record.head_length, *record.mark)
