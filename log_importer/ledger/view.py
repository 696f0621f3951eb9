"""A ledger looked at: what it knows, for `status` and to find what waits for a retry. A run may be writing to it."""

import contextlib
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from log_importer.ledger.database import POSTED, read_database, sent_of, unwritable, zones_of
from log_importer.ledger.load import HELD, Held, load, load_about, load_held
from log_importer.ledger.offsets import unpack
from log_importer.ledger.record import Record
from log_importer.model import BUCKETS


@dataclass(slots=True)
class SourceView:
    """One source, and what became of its lines over all runs."""

    record: Record
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Bucket -> reason -> lines: tracked, skipped, rejected, refused, maybe_twice."""
    unanswered: list[int] = field(default_factory=list)
    """Numbers of the lines that were posted and never answered, ascending."""
    held: list[Held] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """Lines that were read, over all runs."""
        return sum(map(self.total, BUCKETS)) if self.record.stream else self.record.end.line - 1

    @property
    def pending(self) -> int:
        """Lines that were read and not posted."""
        return 0 if self.record.stream else len(self.record.undone) - len(self.unanswered)

    def total(self, bucket: str) -> int:
        """Lines in a bucket of the promise."""
        if bucket == "pending":
            return self.pending
        if bucket in HELD:
            held = sum(one.bucket == bucket for one in self.held)
            return held + (len(self.unanswered) if bucket == "in_doubt" else 0)
        return self.counts[bucket].total()


class Sent(NamedTuple):
    """Lines of a source that a run had tracked on a date of a site."""

    run: int
    source: int  # number of its record; 0 where it is known no more
    name: str  # where the source lies, or lay
    site: int
    day: str  # by the site's clock, YYYY-MM-DD
    utc: str  # the date in UTC
    lines: int


@dataclass(slots=True)
class View:
    """A job's ledger."""

    path: Path
    about: dict[str, str]
    began: float | None  # the last run, seconds since 1970 UTC
    ended: float | None
    exit_code: int | None
    sources: list[SourceView]
    zones: dict[int, str]
    """Site -> its time zone, as Matomo writes it."""
    sent: list["Sent"]

    @property
    def url(self) -> str:
        """The server's address; "" is the embedded receiver."""
        return self.about.get("url", "")

    @property
    def days(self) -> dict[int, dict[str, int]]:
        """Site -> date by its clock -> lines tracked, both in order."""
        found: dict[int, dict[str, int]] = {}
        for one in sorted(self.sent, key=lambda one: (one.site, one.day)):
            days = found.setdefault(one.site, {})
            days[one.day] = days.get(one.day, 0) + one.lines
        return found

    def undated(self, source: SourceView) -> int:
        """Lines of a source that were tracked on days that are not known, as older versions did not keep them."""
        known = sum(one.lines for one in self.sent if one.source == source.record.id)
        return max(0, source.total("tracked") - known)

    @property
    def held(self) -> list[Held]:
        """All that waits for a retry."""
        return [held for source in self.sources for held in source.held]


def view(path: Path) -> View:
    """What the ledger at `path` knows. Raises `StateError`."""
    try:
        with contextlib.closing(read_database(path)) as database:
            database.execute("BEGIN")  # one moment of a ledger that a run may be writing to
            records = load(database, path)
            sources = {number: SourceView(record) for number, record in records.items()}
            _fill(database, sources, records)
            began, ended, exit_code = (
                database.execute("SELECT began, ended, exit_code FROM run ORDER BY id DESC LIMIT 1").fetchone()
                or (None,) * 3
            )
            about = load_about(database)
            zones = zones_of(database)
            sent = [Sent(*row) for row in sent_of(database)]
            sent = [one._replace(name=records[one.source].name) if one.source in records else one for one in sent]
    except (sqlite3.Error, ValueError) as error:
        raise unwritable(path, error) from None
    return View(path, about, began, ended, exit_code, list(sources.values()), zones, sent)


def _fill(database: sqlite3.Connection, sources: dict[int, SourceView], records: dict[int, Record]) -> None:
    for source, bucket, reason, lines in database.execute("SELECT source, bucket, reason, lines FROM count"):
        if source in sources:
            sources[source].counts[bucket][reason] += lines
    for held in load_held(database, records):
        sources[held.record.id].held.append(held)
    for source, offsets, numbers in database.execute(
        "SELECT source, offsets, numbers FROM batch WHERE state = ?", (POSTED,)
    ):
        if source in sources:
            doubts = sources[source].record.doubts
            places = zip(unpack(offsets), unpack(numbers), strict=True)
            sources[source].unanswered += [number for offset, number in places if offset in doubts]
    for one in sources.values():
        one.unanswered = sorted(set(one.unanswered))
