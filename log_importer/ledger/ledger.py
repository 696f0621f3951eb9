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

from log_importer.ledger import rows
from log_importer.ledger.database import POSTED, SETTLED, open_database, unwritable, zones_of
from log_importer.ledger.load import HELD, READ_SINCE, Held, load, load_about, load_held, load_unanswered
from log_importer.ledger.record import Record, Region
from log_importer.ledger.sources import Sources
from log_importer.ledger.writer import Job, Writer, Written
from log_importer.model import Boundary, Chunk, Disk, Outcome, Request, Unanswered
from log_importer.model.rows import Requests
from log_importer.model.zones import QUARTER, by_date


class Ledger:
    """The ledger of one job, open for its one writer; the caller holds the job's lock."""

    def __init__(
        self, path: Path, about: Mapping[str, str], say: Callable[[str], None], patience: float = 900.0
    ) -> None:
        """`about` is written into a new ledger; a full disk is waited for `patience` seconds. Raises `StateError`."""
        self.path = path
        database = open_database(path, about)
        try:
            records = load(database, path)
            self.about = load_about(database)
            self.zones: Mapping[int, str] = zones_of(database)
            """Site -> its time zone; a run puts its own here, to which it adds."""
            self._zones = dict(self.zones)  # those that are written down
            self.days = set(database.execute("SELECT site, day FROM day"))
            files = database.execute("SELECT device, inode, size, mtime_ns, beginning, source FROM finished")
            finished = {Disk(*disk): source for *disk, source in files}
            numbers = (
                "SELECT max(coalesce((SELECT max(id) FROM batch), 0), coalesce((SELECT max(batch) FROM intent), 0))"
            )
            self._next_batch: int = 1 + database.execute(numbers).fetchone()[0]
            self.read_since: float | None = database.execute(READ_SINCE).fetchone()[0]
            """When the last run began that read all there was, else the first one, in seconds since 1970 UTC."""
            self._run = 1 + (database.execute("SELECT max(id) FROM run").fetchone()[0] or 0)
            database.execute("INSERT INTO run VALUES (?, ?, NULL, NULL)", (self._run, time.time()))
            self._held = load_held(database, records)
            unanswered, self._doubted_in = load_unanswered(database, records)
            kept = {source for (source,) in database.execute("SELECT source FROM batch UNION SELECT source FROM held")}
        except (ValueError, sqlite3.Error) as error:
            database.close()
            raise unwritable(path, error) from None
        except BaseException:
            database.close()
            raise
        self.unanswered: dict[int, Unanswered] = unanswered
        """The batches in doubt of earlier runs, by their numbers."""
        self._open: dict[int, Record] = {}
        self._parsed_to: dict[int, int] = {}  # the run's source -> offset behind the last chunk that was parsed
        self._ending: dict[int, tuple[int, Disk]] = {}  # what is finished once it is parsed up to there
        self._lock = threading.RLock()
        self._writer = Writer(database, path, say, patience)
        self.sources = Sources(records, finished, self._put, self._lock)
        """All that are known, and which of them a file is."""
        self.sources.forget_streams(kept)

    # What is done

    def read_as(self, index: int, record: Record) -> None:
        """Requests of the run's source `index` are `record`'s."""
        with self._lock:
            self._open[index] = record
            record.active = record.present = True

    def is_done(self, index: int, end: int) -> bool:
        """Whether all of the run's source `index` before offset `end`, and of earlier runs, is parsed and settled."""
        with self._lock:
            return self._parsed_to.get(index, 0) >= end and not self._open[index].regions

    def retire(self, index: int) -> None:
        """The file of the run's source `index` is deleted, and no other is to be known by its content."""
        with self._lock:
            self.sources.delete(self._open[index])

    def doubts(self, index: int) -> Mapping[int, int]:
        """Offsets of lines of the run's source `index` -> how often runs posted them that died before the receipt."""
        return self._open[index].doubts

    def parsed(
        self, chunk: Chunk, requests: Sequence[int], skipped: Mapping[str, int], rejected: Mapping[str, int]
    ) -> None:
        """A chunk was translated: `requests` are the offsets of the lines to be posted, all others are done."""
        with self._lock:
            self._parse(self._open[chunk.source], chunk, requests, skipped, rejected)
            self._parsed_to[chunk.source] = chunk.after.offset
            self._write_finished(chunk.source)

    def _parse(
        self,
        record: Record,
        chunk: Chunk,
        requests: Sequence[int],
        skipped: Mapping[str, int],
        rejected: Mapping[str, int],
    ) -> None:
        counts = [("skipped", reason, lines) for reason, lines in skipped.items()]
        counts += [("rejected", reason, lines) for reason, lines in rejected.items()]
        start, after = chunk.context.offset, chunk.after
        if record.stream:
            self._put(rows.counts(record.id, counts))
            return
        if chunk.context.wanted is not None:
            gone = sorted(set(chunk.context.wanted) - set(requests))
            moved = record.settle(gone)
            self._put(*self._done(record, gone), rows.counts(record.id, counts), *_moving(record, moved))
            return
        if not requests and not chunk.data.endswith(b"\n"):
            return  # half a line, perhaps: once it has grown, it may be one
        record.regions.append(Region(start, after, len(requests), bool(requests)))
        chunk_done = rows.chunk(record.id, start, after, requests)
        self._put(chunk_done, rows.counts(record.id, counts), *_moving(record, record.advance()))

    def batch_in_doubt(self, request: Request) -> int | None:
        """The last batch of earlier runs in which a request, of this run's source, is in doubt."""
        return self._doubted_in.get(self.place(request))

    def intend(self, requests: Sequence[Request], witnesses: Sequence[Request] = ()) -> int:
        """Requests are about to be posted. Returns once that is on disk: the number of the batch.

        `witnesses` are some of them, by which the server can be asked later whether it has the batch.
        """
        with self._lock:
            batch = self._next_batch
            self._next_batch += 1
            posted = rows.batches(self._rows(batch, requests, POSTED))
            written = self._put(posted, self._intent(batch, witnesses))
        written.wait()
        return batch

    def release(self, batch: int) -> None:
        """The server said that it stored nothing of the batch."""
        self._put(rows.released(batch))

    def settle(self, outcomes: Iterable[Outcome], batch: int | None = None) -> None:
        """What became of all requests of `batch`, or of some that were not posted alone. Returns once it is on disk."""
        outcomes = [outcome for outcome in outcomes if outcome.requests]
        jobs: list[Job] = []
        with self._lock:
            if batch is not None:
                jobs.append(rows.settled(batch, held=any(outcome.bucket == "in_doubt" for outcome in outcomes)))
            for outcome in outcomes:
                jobs += self._settling(outcome, batch)
            written = self._put(*jobs)
        written.wait()

    def begin_days(self, days: Iterable[tuple[int, str]]) -> None:
        """Dates of sites that have been begun."""
        days = list(days)
        self.days.update(days)
        self._put(rows.days(days))

    def enter(
        self,
        index: int,
        end: Boundary,
        counts: Iterable[tuple[str, str, int]],
        held: Sequence[tuple[Request, Mapping[str, str]]],
    ) -> None:
        """Other machines did all of the run's source `index` up to `end`: how many lines of which bucket and reason.

        `held` are the requests that are kept, and with each the bucket, the reason and the server's answer.
        """
        with self._lock:
            record = self._open[index]
            before, record.mark = record.mark, end
            if end != before:
                record.passed.append(Region(before.offset, end, 0))
            waiting = [
                rows.held_row(record.id, one, about["bucket"], about["reason"], about["answer"]) for one, about in held
            ]
            self._put(rows.counts(record.id, counts), rows.held(waiting), *_moving(record, moved=end != before))
            self._parsed_to[index] = end.offset

    def finish(self, index: int, disk: Disk | None, incomplete: str, end: int = 0) -> None:
        """The source was read to its end; `disk` is the file where it is whole.

        `end` is the offset behind the last chunk that was read, which may not be parsed yet: who dies before that must
        not find the file finished.
        """
        with self._lock:
            record = self._open[index]
            record.incomplete = incomplete
            self._put(rows.source(record))
            if disk is None or incomplete:
                return
            self._ending[index] = (end, disk)
            self._write_finished(index)

    def _write_finished(self, index: int) -> None:
        end, disk = self._ending.get(index, (0, None))
        if disk is None or self._parsed_to.get(index, 0) < end:
            return
        del self._ending[index]
        self.sources.finish(disk, self._open[index])

    def remember(self, **about: str) -> None:
        """Keeps what else is worth knowing at the next run, by its name."""
        self.about.update(about)
        self._put(rows.meta(about))

    # What is held

    def held(self) -> list[Held]:
        """The requests that wait for a retry, oldest first."""
        return self._held

    def place(self, request: Request) -> tuple[int, int]:
        """What a request is known by over all runs: the number of its source's record, the offset of its line."""
        return self._open[request.source].id, request.offset

    def intend_again(self, some: Sequence[Held], witnesses: Sequence[Request]) -> tuple[int, list[Held]]:
        """Held requests are about to be posted, so in doubt. Returns once that is on disk: the number of the batch, and
        how they are held until they are settled.
        """
        with self._lock:
            batch = self._next_batch
            self._next_batch += 1
            doubted = [
                one._replace(
                    bucket="in_doubt", batch=batch, request=one.request._replace(doubts=one.request.doubts + 1)
                )
                for one in some
            ]
            written = self._put(rows.held(list(map(_held_row, doubted))), self._intent(batch, witnesses))
        written.wait()
        return batch, doubted

    def _intent(self, batch: int, witnesses: Sequence[Request]) -> Job:
        return rows.intent(batch, time.time(), [(*self.place(one), one.query) for one in witnesses])

    def release_again(self, batch: int, some: Sequence[Held]) -> None:
        """The server said that it stored nothing of a batch of held requests: they are held as before."""
        self._put(rows.held(list(map(_held_row, some))), rows.released(batch))

    def retried(self, outcomes: Iterable[Outcome], batch: int) -> None:
        """What became of held requests that were posted in `batch`; 0: not just now. Returns once it is on disk."""
        jobs: list[Job] = []
        gone = list[tuple[int, int]]()
        for outcome in outcomes:
            for request in outcome.requests:
                source = self._open[request.source].id
                if outcome.bucket in HELD:
                    number = batch if outcome.bucket == "in_doubt" else 0
                    jobs.append(rows.held([rows.kept_row(source, request, outcome, number)]))
                    continue
                gone.append((source, request.offset))
                twice = int(outcome.maybe_twice(request) and request.doubts < 2)  # else it was counted before
                jobs.append(rows.counts(source, [(outcome.bucket, outcome.reason, 1), ("maybe_twice", "", twice)]))
                if outcome.bucket == "tracked":
                    jobs += self._sent(source, Requests.of([request]))
        self._put(*jobs, rows.not_held(gone)).wait()

    def close(self, exit_code: int) -> None:
        """The run is over. Raises `StateError` where that cannot be written."""
        try:
            self._put(rows.ended(self._run, time.time(), exit_code))
        finally:
            self._writer.close()

    def _put(self, *jobs: Job) -> Written:
        def all_of_them(database: sqlite3.Connection) -> None:
            for job in jobs:
                job(database)

        return self._writer.put(all_of_them)

    def _rows(self, batch: int, requests: Sequence[Request], state: int) -> list[rows.Row]:
        found = []
        for record, mine in self._by_record(requests):
            # In a source the lines' numbers rise with their offsets, so that each may be sorted alone.
            numbers, offsets = mine.lines()
            found.append(rows.batch_row(batch, record.id, state, offsets, numbers))
        return found

    def _by_record(self, some: Sequence[Request]) -> Iterable[tuple[Record, Requests]]:
        """The requests of each source; several files of a run may have been the same, one after the other."""
        requests = Requests.of(some)
        records = {record.id: record for record in map(self._open.__getitem__, requests.sources)}
        if len(records) == 1:
            return [(record, requests) for record in records.values()]
        found: dict[int, list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            found[self._open[request.source].id].append(place)
        return [(records[number], requests.pick(array("i", mine))) for number, mine in found.items()]

    def _settling(self, outcome: Outcome, batch: int | None) -> list[Job]:
        jobs: list[Job] = []
        if batch is None:
            jobs.append(rows.batches(self._rows(self._next_batch, outcome.requests, SETTLED)))
            self._next_batch += 1
        for record, requests in self._by_record(outcome.requests):
            doubted = [request for request in requests if request.doubts] if requests.doubted else []
            twice = sum(map(outcome.maybe_twice, doubted))
            counts = [("maybe_twice", "", twice)]
            if outcome.bucket in HELD:
                in_doubt = outcome.bucket == "in_doubt"
                posted = (outcome.batch or batch or 0) if in_doubt else 0
                held = [
                    rows.kept_row(
                        record.id, request, outcome,
                        posted or (self._doubted_in.get((record.id, request.offset), 0) if in_doubt else 0),
                    )
                    for request in requests
                ]  # fmt: skip
                jobs.append(rows.held(held))
            else:
                counts.append((outcome.bucket, outcome.reason, len(requests)))
                if outcome.bucket == "tracked":
                    jobs += self._sent(record.id, requests)
            jobs.append(rows.counts(record.id, counts))
            if not record.stream:
                moved = record.settle(requests.lines()[1])
                jobs += _moving(record, moved)
            else:
                jobs.append(rows.no_settled(record.id))
        return jobs

    def _sent(self, source: int, requests: Requests) -> list[Job]:
        """Requests of a source were tracked, on dates of their sites."""
        quarters = requests.spans(QUARTER)
        dates = by_date(quarters, self.zones)
        jobs = [rows.sent((self._run, source, "", *date, lines) for date, lines in dates.items())]
        zones = {site: self.zones.get(site, "UTC") for site, _ in quarters}
        if not zones.items() <= self._zones.items():
            self._zones |= zones
            jobs.append(rows.zones(zones))
        return jobs

    def _done(self, record: Record, offsets: Sequence[int]) -> list[Job]:
        if not offsets:
            return []
        row = rows.batch_row(self._next_batch, record.id, SETTLED, offsets, ())
        self._next_batch += 1
        return [rows.batches([row])]


def _held_row(held: Held) -> rows.Row:
    return rows.held_row(held.record.id, held.request, held.bucket, held.reason, held.answer, held.batch)


def _moving(record: Record, moved: bool) -> list[Job]:
    return [rows.mark(record)] if moved else []
