"""What is done, kept: every intent before its post, every receipt before the next, and what was parsed.

A hit is known by its source and the offset of its line, so batches, lanes and windows change nothing about what is
done. Safe for the posting threads.
"""

import sqlite3
import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from log_importer.batching import Requests
from log_importer.ledger.database import POSTED, SETTLED, into_meta, open_database, proof, unwritable
from log_importer.ledger.load import HELD, Held, load, load_about, load_held
from log_importer.ledger.offsets import pack, unpack
from log_importer.ledger.record import Record, Region
from log_importer.ledger.writer import Job, Writer, Written
from log_importer.model import BEGINNING, Boundary, Chunk, Disk, Outcome, Request

_READ_SINCE = """
    SELECT coalesce((SELECT max(began) FROM run WHERE exit_code IN (0, 1)), (SELECT min(began) FROM run))
"""
"""Of runs that died, one after another, none may have come to what was written before it."""
_GONE = b"deleted"
"""The hash of no beginning."""


class Ledger:
    """The ledger of one job, open for its one writer; the caller holds the job's lock."""

    def __init__(
        self, path: Path, about: Mapping[str, str], say: Callable[[str], None], patience: float = 900.0
    ) -> None:  # fmt: skip
        """`about` is written into a new ledger; a full disk is waited for `patience` seconds. Raises `StateError`."""
        self.path = path
        database = open_database(path, about)
        try:
            self._records = load(database, path)
            self.about = load_about(database)
            self.days = set(database.execute("SELECT site, day FROM day"))
            rows = database.execute("SELECT device, inode, size, mtime_ns, beginning, source FROM finished")
            self._finished = {Disk(*disk): source for *disk, source in rows}
            self._next_batch = 1 + (database.execute("SELECT max(id) FROM batch").fetchone()[0] or 0)
            self.read_since: float | None = database.execute(_READ_SINCE).fetchone()[0]
            """When the last run began that read all there was, else the first one, in seconds since 1970 UTC."""
            self._run = 1 + (database.execute("SELECT max(id) FROM run").fetchone()[0] or 0)
            database.execute("INSERT INTO run VALUES (?, ?, NULL, NULL)", (self._run, time.time()))
            self._held = load_held(database, self._records)
            kept = set(database.execute("SELECT source FROM batch UNION SELECT source FROM held"))
        except (ValueError, sqlite3.Error) as error:
            database.close()
            raise unwritable(path, error, "nothing was sent") from None
        except BaseException:
            database.close()
            raise
        self._heads: dict[int, dict[bytes, list[Record]]] = defaultdict(lambda: defaultdict(list))
        for record in self._records.values():
            if not record.stream:
                self._heads[record.head_length][record.head].append(record)
        self._next_source = max(self._records, default=0) + 1
        self._names: dict[tuple[int, int], str] = {}
        self._open: dict[int, Record] = {}
        self._parsed_to: dict[int, int] = {}  # the run's source -> offset behind the last chunk that was parsed
        self._ending: dict[int, tuple[int, Disk]] = {}  # what is finished once it is parsed up to there
        self._lock = threading.RLock()
        self._writer = Writer(database, path, say, patience)
        for record in list(self._records.values()):
            if record.stream and (record.id,) not in kept:
                self.forget(record)

    # Which source is it

    @property
    def names(self) -> set[str]:
        """Where the sources lay when last seen."""
        return {record.name for record in self._records.values()}

    def finished(self, disk: Disk) -> Record | None:
        """The source that the file holds no more of than is done, as it lay on disk then."""
        source = self._finished.get(disk)
        record = None if source is None else self._records.get(source)
        return None if record is None or record.undone else record

    def known(self, number: int) -> Record | None:
        """The source of that number."""
        return self._records.get(number)

    def candidates(self, head: bytes, fingerprint: Callable[[bytes], bytes]) -> list[Record]:
        """The sources that begin as `head` does, which is up to 1 KiB."""
        return [
            record
            for length, records in self._heads.items()
            if length <= len(head)
            for record in records.get(fingerprint(head[:length]), ())
        ]

    def add(self, name: str, form: str, done: Boundary = BEGINNING, *, stream: bool = False) -> Record:
        """A new source, known up to `done` or not at all; `adopt` says what it is known by."""
        record = Record(self._next_source, name, form, stream, mark=done)
        self._next_source += 1
        self._records[record.id] = record
        self._save(record)
        return record

    def adopt(self, record: Record, name: str, disk: Disk, head_length: int, head: bytes) -> None:
        """The source was found again: under another name, in another file, or longer than it was."""
        seen = (name, disk.device, disk.inode, head_length, head)
        if seen == (record.name, record.device, record.inode, record.head_length, record.head):
            return
        with self._lock:
            known = self._heads[record.head_length][record.head]
            if record in known:
                known.remove(record)
            record.name, record.device, record.inode, record.head_length, record.head = seen
            self._heads[head_length][head].append(record)
            self._save(record)

    def keep_end(self, record: Record, end: Boundary) -> None:
        """A copy of the source's beginning ends at `end`, whose line is 0: reading never goes on from there."""
        with self._lock:
            read = [one for one in (*record.passed, *record.regions) if one.hits]
            if any(end.offset in (one.start, one.after.offset) for one in read):
                return
            record.passed.append(Region(end.offset, end, 0))
            row = _chunk_row(record.id, end.offset, end, ())
            self._put(lambda rows: rows.execute(_INTO_CHUNK, row))

    def lie(self, names: Mapping[tuple[int, int], str]) -> None:
        """Device and inode -> the name that the file has now, where it was renamed."""
        if names == self._names:
            return
        self._names = dict(names)
        for record in list(self._records.values()):
            name = names.get((record.device, record.inode), record.name)
            disk = Disk(record.device, record.inode, 0, 0, b"")
            self.adopt(record, name, disk, record.head_length, record.head)

    def rewind(self, record: Record, to: Boundary) -> None:
        """What was parsed behind `to` is no longer there, as after a power cut."""
        with self._lock:
            record.regions = [region for region in record.regions if region.after.offset <= to.offset]
            record.passed = [region for region in record.passed if region.after.offset <= to.offset]
            record.undone = record.undone_before(to.offset)
            record.doubts = {offset: times for offset, times in record.doubts.items() if offset < to.offset}
            self._finished = {disk: source for disk, source in self._finished.items() if source != record.id}
            self._put(
                lambda rows: rows.execute("DELETE FROM chunk WHERE source = ? AND start >= ?", (record.id, to.offset)),
                lambda rows: rows.execute("DELETE FROM finished WHERE source = ?", (record.id,)),
                lambda rows: _shorten_batches(rows, record.id, to.offset),
            )

    def is_done(self, index: int, end: int) -> bool:
        """Whether all of the run's source `index` before offset `end`, and of earlier runs, is parsed and settled."""
        with self._lock:
            return self._parsed_to.get(index, 0) >= end and not self._open[index].regions

    def retire(self, index: int) -> None:
        """The file of the run's source `index` is deleted, and no other is to be known by its content."""
        with self._lock:
            record = self._open[index]
            self.adopt(record, record.name, Disk(0, 0, 0, 0, b""), 1, _GONE)

    def forget(self, record: Record) -> None:
        """Nothing of the source is known any more."""
        with self._lock:
            self._records.pop(record.id, None)
            known = self._heads[record.head_length][record.head]
            if record in known:
                known.remove(record)
            tables = ("chunk", "batch", "held", "count", "finished")
            self._put(lambda rows: [
                *(rows.execute(f"DELETE FROM {table} WHERE source = ?", (record.id,)) for table in tables),  # noqa: S608
                rows.execute("DELETE FROM source WHERE id = ?", (record.id,)),
            ])  # fmt: skip

    # What is done

    def read_as(self, index: int, record: Record) -> None:
        """Requests of the run's source `index` are `record`'s."""
        with self._lock:
            self._open[index] = record
            record.active = record.present = True

    def doubts(self, index: int) -> Mapping[int, int]:
        """Offsets of lines of the run's source `index` -> how often runs posted them that died before the receipt."""
        return self._open[index].doubts

    def parsed(
        self, chunk: Chunk, requests: Sequence[int], skipped: Mapping[str, int], rejected: Mapping[str, int]
    ) -> None:  # fmt: skip
        """A chunk was translated: `requests` are the offsets of the lines to be posted, all others are done."""
        with self._lock:
            self._parse(self._open[chunk.source], chunk, requests, skipped, rejected)
            self._parsed_to[chunk.source] = chunk.after.offset
            self._write_finished(chunk.source)

    def _parse(
        self, record: Record, chunk: Chunk, requests: Sequence[int], skipped: Mapping[str, int],
        rejected: Mapping[str, int],
    ) -> None:  # fmt: skip
        counts = [("skipped", reason, lines) for reason, lines in skipped.items()]
        counts += [("rejected", reason, lines) for reason, lines in rejected.items()]
        start, after = chunk.context.offset, chunk.after
        if record.stream:
            self._put(_counting(record.id, counts))
            return
        if chunk.context.wanted is not None:
            gone = sorted(set(chunk.context.wanted) - set(requests))
            moved = record.settle(gone)
            self._put(*self._done(record, gone), _counting(record.id, counts), *self._moving(record, moved))
            return
        if not requests and not chunk.data.endswith(b"\n"):
            return  # half a line, perhaps: once it has grown, it may be one
        record.regions.append(Region(start, after, len(requests), bool(requests)))
        row = _chunk_row(record.id, start, after, requests)
        self._put(
            lambda rows: rows.execute(_INTO_CHUNK, row),
            _counting(record.id, counts),
            *self._moving(record, record.advance()),
        )

    def intend(self, requests: Sequence[Request]) -> int:
        """Requests are about to be posted. Returns once that is on disk: the number of the batch."""
        with self._lock:
            batch = self._next_batch
            self._next_batch += 1
            rows = self._rows(batch, requests, POSTED)
            written = self._put(lambda database: database.executemany(_INTO_BATCH, rows))
        written.wait()
        return batch

    def release(self, batch: int) -> None:
        """The server said that it stored nothing of the batch."""
        self._put(lambda rows: rows.execute("DELETE FROM batch WHERE id = ?", (batch,)))

    def settle(self, outcomes: Iterable[Outcome], batch: int | None = None) -> None:
        """What became of all requests of `batch`, or of some that were not posted alone. Returns once it is on disk."""
        outcomes = [outcome for outcome in outcomes if outcome.requests]
        jobs: list[Job] = []
        with self._lock:
            if batch is not None:
                jobs.append(lambda rows: rows.execute(_SETTLED, (batch,)))
            for outcome in outcomes:
                jobs += self._settling(outcome, posted=batch is not None)
            written = self._put(*jobs)
        written.wait()

    def begin_days(self, days: Iterable[tuple[int, str]]) -> None:
        """Dates of sites that have been begun."""
        days = list(days)
        self.days.update(days)
        self._put(lambda rows: rows.executemany("INSERT OR IGNORE INTO day VALUES (?, ?)", days))

    def enter(
        self, index: int, end: Boundary, counts: Iterable[tuple[str, str, int]],
        held: Sequence[tuple[Request, Mapping[str, str]]],
    ) -> None:  # fmt: skip
        """Other machines did all of the run's source `index` up to `end`: how many lines of which bucket and reason.

        `held` are the requests that are kept, and with each the bucket, the reason and the server's answer.
        """
        with self._lock:
            record = self._open[index]
            before, record.mark = record.mark, end
            if end != before:
                record.passed.append(Region(before.offset, end, 0))
            rows = [_held(record.id, one, about["bucket"], about["reason"], about["answer"]) for one, about in held]
            self._put(
                _counting(record.id, counts), _holding(rows), *self._moving(record, moved=end != before),
            )  # fmt: skip
            self._parsed_to[index] = end.offset

    def finish(self, index: int, disk: Disk | None, incomplete: str, end: int = 0) -> None:
        """The source was read to its end; `disk` is the file where it is whole.

        `end` is the offset behind the last chunk that was read, which may not be parsed yet: who dies before that must
        not find the file finished.
        """
        with self._lock:
            record = self._open[index]
            record.incomplete = incomplete
            self._save(record)
            if disk is None or incomplete:
                return
            self._ending[index] = (end, disk)
            self._write_finished(index)

    def _write_finished(self, index: int) -> None:
        end, disk = self._ending.get(index, (0, None))
        if disk is None or self._parsed_to.get(index, 0) < end:
            return
        del self._ending[index]
        record = self._open[index]
        self._finished[disk] = record.id
        row = (*disk, record.id)
        self._put(lambda rows: rows.execute("INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?, ?, ?)", row))

    def remember(self, **about: str) -> None:
        """Keeps what else is worth knowing at the next run, by its name."""
        self.about.update(about)
        self._put(lambda rows: into_meta(rows, about))

    # What is held

    def held(self) -> list[Held]:
        """The requests that wait for a retry, oldest first."""
        return self._held

    def place(self, request: Request) -> tuple[int, int]:
        """What a request is known by over all runs: the number of its source's record, the offset of its line."""
        return self._open[request.source].id, request.offset

    def retry(self, requests: Iterable[Request], bucket: str) -> Written:
        """Held requests are about to be posted, so in doubt; or they were not stored, and go back to their bucket."""
        rows = [(bucket, self._open[request.source].id, request.offset) for request in requests]
        return self._put(
            lambda database: database.executemany("UPDATE held SET bucket = ? WHERE source = ? AND offset = ?", rows)
        )

    def retried(self, outcomes: Iterable[Outcome]) -> None:
        """What became of held requests that were posted. Returns once it is on disk."""
        jobs: list[Job] = []
        for outcome in outcomes:
            for request in outcome.requests:
                source = self._open[request.source].id
                if outcome.bucket in HELD:
                    jobs.append(_holding([_kept(source, request, outcome)]))
                    continue
                place = (source, request.offset)
                twice = int(outcome.maybe_twice(request) and request.doubts < 2)  # else it was counted before
                counts = [(outcome.bucket, outcome.reason, 1), ("maybe_twice", "", twice)]
                jobs += [_dropping_held(place), _counting(source, counts)]
        self._put(*jobs).wait()

    def close(self, exit_code: int) -> None:
        """The run is over. Raises `StateError` where that cannot be written."""
        row = (time.time(), exit_code, self._run)
        try:
            self._put(lambda rows: rows.execute("UPDATE run SET ended = ?, exit_code = ? WHERE id = ?", row))
        finally:
            self._writer.close()

    def _put(self, *jobs: Job) -> Written:
        def all_of_them(database: sqlite3.Connection) -> None:
            for job in jobs:
                job(database)

        return self._writer.put(all_of_them)

    def _save(self, record: Record) -> None:
        row = (
            record.id, record.name, record.format, record.stream, record.device, record.inode, record.head_length,
            record.head, *record.mark, record.incomplete, _proof(record),
        )  # fmt: skip
        marks = ", ".join("?" * len(row))
        self._put(lambda rows: rows.execute(f"INSERT OR REPLACE INTO source VALUES ({marks})", row))  # noqa: S608

    def _rows(self, batch: int, requests: Sequence[Request], state: int) -> list[tuple[object, ...]]:
        rows = []
        for record, mine in self._by_record(requests):
            # In a source the lines' numbers rise with their offsets, so that each may be sorted alone.
            numbers, offsets = mine.lines()
            rows.append(_batch_row(batch, record.id, state, offsets, numbers))
        return rows

    def _by_record(self, some: Sequence[Request]) -> Iterable[tuple[Record, Requests]]:
        """The requests of each source; several files of a run may have been the same, one after the other."""
        requests = Requests.of(some)
        records = {self._open[index].id for index in requests.sources}
        if len(records) == 1:
            return [(self._records[number], requests) for number in records]
        found: dict[int, list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            found[self._open[request.source].id].append(place)
        return [(self._records[number], requests.pick(array("i", mine))) for number, mine in found.items()]

    def _settling(self, outcome: Outcome, *, posted: bool) -> list[Job]:
        jobs: list[Job] = []
        if not posted:
            batch = self._next_batch
            self._next_batch += 1
            rows = self._rows(batch, outcome.requests, SETTLED)
            jobs.append(lambda database: database.executemany(_INTO_BATCH, rows))
        for record, requests in self._by_record(outcome.requests):
            doubted = [request for request in requests if request.doubts] if requests.doubted else []
            twice = sum(map(outcome.maybe_twice, doubted))
            counts = [("maybe_twice", "", twice)]
            if outcome.bucket in HELD:
                held = [_kept(record.id, request, outcome) for request in requests]
                jobs.append(_holding(held))
            else:
                counts.append((outcome.bucket, outcome.reason, len(requests)))
            jobs.append(_counting(record.id, counts))
            if not record.stream:
                moved = record.settle(requests.lines()[1])
                jobs += self._moving(record, moved)
            else:
                jobs.append(_dropping_done(record.id))
        return jobs

    def _done(self, record: Record, offsets: Sequence[int]) -> list[Job]:
        if not offsets:
            return []
        row = _batch_row(self._next_batch, record.id, SETTLED, offsets, ())
        self._next_batch += 1
        return [lambda rows: rows.execute(_INTO_BATCH, row)]

    def _moving(self, record: Record, moved: bool) -> list[Job]:
        if not moved:
            return []
        place, checksum, mark = record.mark.offset, _proof(record), (*record.mark,)
        passed = [_chunk_row(record.id, one.start, one.after, ()) for one in record.passed if one.start < place]
        return [
            lambda rows: rows.execute(
                "UPDATE source SET offset = ?, line = ?, header = ?, tail = ?, proof = ? WHERE id = ?",
                (*mark, checksum, record.id),
            ),
            lambda rows: rows.execute("DELETE FROM chunk WHERE source = ? AND start < ?", (record.id, place)),
            lambda rows: rows.executemany(_INTO_CHUNK, passed),
            lambda rows: rows.execute("DELETE FROM batch WHERE source = ? AND last < ?", (record.id, place)),
        ]


_INTO_CHUNK = "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INTO_BATCH = "INSERT OR REPLACE INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)"
_SETTLED = f"UPDATE batch SET state = {SETTLED} WHERE id = ?"  # noqa: S608 - our number


def _dropping_held(place: tuple[int, int]) -> Job:
    return lambda rows: rows.execute("DELETE FROM held WHERE source = ? AND offset = ?", place)


def _shorten_batches(rows: sqlite3.Connection, source: int, end: int) -> None:
    """Lines from offset `end` on were never posted, as far as the ledger knows."""
    found = rows.execute("SELECT id, state, offsets, numbers FROM batch WHERE source = ? AND last >= ?", (source, end))
    for batch, state, offsets, numbers in found.fetchall():
        kept = [offset for offset in unpack(offsets) if offset < end]
        if kept:
            rows.execute(_INTO_BATCH, _batch_row(batch, source, state, kept, unpack(numbers)[: len(kept)]))
        else:
            rows.execute("DELETE FROM batch WHERE id = ? AND source = ?", (batch, source))


def _batch_row(
    batch: int, source: int, state: int, offsets: Sequence[int], numbers: Sequence[int]
) -> tuple[object, ...]:  # fmt: skip
    last = offsets[-1]
    return (batch, source, last, state, pack(offsets), pack(numbers), proof(batch, source, last))


def _chunk_row(source: int, start: int, after: Boundary, requests: Sequence[int]) -> tuple[object, ...]:
    return (source, start, *after, pack(requests), proof(source, start, *after))


def _proof(record: Record) -> int:
    return proof(record.id, int(record.stream), record.head, record.head_length, *record.mark)


def _counting(source: int, counts: Iterable[tuple[str, str, int]]) -> Job:
    rows = [(source, bucket, reason, lines) for bucket, reason, lines in counts if lines]
    return lambda database: database.executemany(
        "INSERT INTO count VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET lines = lines + excluded.lines", rows
    )


def _dropping_done(source: int) -> Job:
    return lambda rows: rows.execute("DELETE FROM batch WHERE source = ? AND state = ?", (source, SETTLED))


def _kept(source: int, request: Request, outcome: Outcome) -> tuple[object, ...]:
    again = request._replace(doubts=request.doubts + _unanswered(outcome))
    return _held(source, again, outcome.bucket, outcome.reason, outcome.answer)


def _held(source: int, request: Request, bucket: str, reason: str, answer: str) -> tuple[object, ...]:
    row = (
        request.offset, request.number, reason, answer, request.site, float(request.time),
        f"{request.visitor:x}", request.agent, request.query, request.doubts,
    )  # fmt: skip
    return (source, bucket, *row, proof(source, *row))


def _unanswered(outcome: Outcome) -> bool:
    return outcome.posted and outcome.bucket == "in_doubt"


def _holding(held: Sequence[tuple[object, ...]]) -> Job:
    return lambda rows: rows.executemany(
        "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", held
    )  # fmt: skip
