"""Several ledgers of one destination -> one, in which a line is done that is done in any of them.

- A source of one ledger is that of another where both begin alike, as far as both know, and no place is known at which
  they differ. Of several that fit, the same file, or the one that ends alike, is taken.
- The mark is the furthest of all, since before it all is done in one ledger. Behind it a line is left to do where
  every ledger that has read it left it undone; it was posted without a receipt as often as all of them say together.
- A held request stays held unless another ledger has the line done, though that may have skipped it by its own
  selection: what is done is not looked at again. Held by two, it is kept once.
- Counts are added up, as the server has counted; dates are united. What was read last counts since the earliest time
  that one of them gives, so that rotated files are looked at once more rather than missed.
"""

import sqlite3
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from log_importer.ledger import rows
from log_importer.ledger.database import (
    POSTED,
    SETTLED,
    damaged,
    make_database,
    read_database,
    sent_of,
    unusable,
    unwritable,
    zones_of,
)
from log_importer.ledger.load import READ_SINCE, Held, load, load_about, load_held
from log_importer.ledger.offsets import unpack
from log_importer.ledger.record import Record
from log_importer.ledger.versions import version_of
from log_importer.model import Boundary, Disk


@dataclass(slots=True)
class _Old:
    """A ledger that is united with others."""

    database: sqlite3.Connection
    about: Mapping[str, str]
    records: dict[int, Record]
    held: list[Held]
    requests: dict[int, list[int]]  # source -> offsets of the lines that are requests, behind the mark, ascending
    last: float  # when its last run began, seconds since 1970 UTC
    ids: dict[int, int] = field(default_factory=dict)  # number of a source -> its number in the union


@dataclass(slots=True)
class _Group:
    """One source, as several ledgers know it."""

    members: dict[int, Record] = field(default_factory=dict)  # by the place of the ledger
    undone: dict[int, frozenset[int]] = field(default_factory=dict)  # what each has left to do
    held: dict[int, set[int]] = field(default_factory=dict)  # and what it holds, by the offsets of the lines
    left: list[int] = field(default_factory=list)  # of the union, ascending

    def add(self, place: int, record: Record, held: Sequence[Held]) -> None:
        """The ledger at `place` knows the source as `record`."""
        self.members[place] = record
        self.undone[place] = frozenset(record.undone)
        self.held[place] = {one.request.offset for one in held if one.record is record}

    def is_left(self, offset: int) -> bool:
        """Whether every ledger that has read the line left it undone."""
        return all(offset in self.undone[place] for place in self._having_read(offset))

    def is_held(self, offset: int) -> bool:
        """Whether no ledger has the line done, of which one holds it."""
        return all(offset in self.undone[place] | self.held[place] for place in self._having_read(offset))

    def _having_read(self, offset: int) -> list[int]:
        return [place for place, record in self.members.items() if offset < record.end.offset]


def unite(path: Path, about: Mapping[str, str], old: Sequence[Path], earliest: Sequence[str] = ()) -> None:
    """Makes the ledger `path` of the ledgers `old`, which stay as they are; nobody may write to them meanwhile.

    Of each name in `earliest` the smallest number is taken that one of them remembers by it. Raises `StateError`.
    """
    with ExitStack() as stack:
        ledgers = sorted((_read(stack, one) for one in old), key=lambda one: one.last)
        kept = dict(about)
        for name in earliest:
            if found := [one.about[name] for one in ledgers if name in one.about]:
                kept[name] = min(found, key=float)
        try:
            make_database(path, kept, lambda new: _fill(new, ledgers))
        except sqlite3.Error as error:
            raise unwritable(path, error, "nothing was sent") from None
        except OSError as error:
            raise unusable(path, error) from None
        except ValueError as error:  # the numbers of lines, which are read now
            raise damaged(old[0], str(error)) from None


def _read(stack: ExitStack, path: Path) -> _Old:
    database = stack.enter_context(closing(read_database(path)))
    try:
        records = load(database, path)
        requests: dict[int, list[int]] = defaultdict(list)
        for source, start, packed in database.execute("SELECT source, start, requests FROM chunk ORDER BY start"):
            if start >= records[source].mark.offset:
                requests[source] += unpack(packed)
        last = database.execute("SELECT max(began) FROM run").fetchone()[0] or 0.0
        return _Old(database, load_about(database), records, load_held(database, records), requests, last)
    except (sqlite3.Error, ValueError) as error:
        raise unwritable(path, error) from None


def _fill(new: sqlite3.Connection, ledgers: Sequence[_Old]) -> None:
    groups = _groups(ledgers)
    batch = 1
    for number, group in enumerate(groups, 1):
        for place, record in group.members.items():
            ledgers[place].ids[record.id] = number
        batch = _write(new, number, group, ledgers, batch)
    by_number = dict(enumerate(groups, 1))
    finished: dict[tuple[int, int], tuple[int, Disk, int]] = {}
    for one in ledgers:
        batch = _write_posted(new, one, by_number, batch)
        for held in one.held:
            number = one.ids[held.record.id]
            if by_number[number].is_held(held.request.offset):
                rows.held([rows.held_row(number, held.request, held.bucket, held.reason, held.answer)])(new)
        for source, *count in one.database.execute("SELECT source, bucket, reason, lines FROM count"):
            if source in one.ids:
                rows.counts(one.ids[source], [tuple(count)])(new)
        for *disk, source in one.database.execute(
            "SELECT device, inode, size, mtime_ns, beginning, source FROM finished"
        ):
            if source in one.ids:
                lay = (disk[3], Disk(*disk), one.ids[source])
                finished[disk[0], disk[1]] = max(lay, finished.get((disk[0], disk[1]), lay))
        sent = sent_of(one.database)
        rows.sent((1, one.ids.get(source, 0), *rest) for _, source, *rest in sent)(new)  # their runs are one here
        rows.zones(zones_of(one.database))(new)
        rows.days(one.database.execute("SELECT site, day FROM day").fetchall())(new)
    for _, file, source in finished.values():
        rows.finished(file, source)(new)
    since = [found for one in ledgers if (found := one.database.execute(READ_SINCE).fetchone()[0]) is not None]
    if since:
        last = ledgers[-1].database.execute("SELECT ended, exit_code FROM run ORDER BY id DESC LIMIT 1").fetchone()
        new.execute("INSERT INTO run VALUES (1, ?, ?, ?)", (min(since), *last))


def _groups(ledgers: Sequence[_Old]) -> list[_Group]:
    groups: list[_Group] = []
    for place, one in enumerate(ledgers):
        for record in one.records.values():
            fitting = [] if record.stream else [group for group in groups if place not in group.members]
            best = max(((_likeness(record, group), group) for group in fitting), key=_first, default=(0, None))
            if best[1] is not None and best[0]:
                group = best[1]
            else:
                groups.append(group := _Group())
            group.add(place, record, one.held)
    return groups


def _first(pair: tuple[int, object]) -> int:
    return pair[0]


def _likeness(record: Record, group: _Group) -> int:
    """How well a record fits all of a group; 0 where it is none of it."""
    return min(_alike(record, other) for other in group.members.values())


def _alike(one: Record, other: Record) -> int:
    if one.stream or other.stream or not one.head_length or not other.head_length:
        return 0
    same_file = (one.device, one.inode) == (other.device, other.inode) and one.inode != 0
    if one.head_length == other.head_length:
        if one.head != other.head:
            return 0
    elif not same_file:  # the hashes of beginnings that are not equally long tell nothing
        return 0
    mine, theirs = _tails(one), _tails(other)
    shared = mine.keys() & theirs.keys()
    if any(mine[offset] != theirs[offset] for offset in shared):
        return 0
    return 1 + (one.name == other.name) + 2 * bool(shared) + 4 * same_file


def _tails(record: Record) -> dict[int, bytes]:
    """Offset -> hash of what is before it, wherever that is known."""
    places = [*record.boundaries, *(region.after for region in record.passed)]
    return {place.offset: place.tail for place in places if place.offset}


def _write(new: sqlite3.Connection, number: int, group: _Group, ledgers: Sequence[_Old], batch: int) -> int:
    """Writes a source and what of it is done; the number of the next batch."""
    newest = group.members[max(group.members)]
    furthest = max(group.members.values(), key=lambda record: record.end.offset)
    longest = max(group.members.values(), key=lambda record: record.head_length)
    mark = max((record.mark for record in group.members.values()), key=lambda place: place.offset)
    rows.source(
        Record(
            number, newest.name, newest.format, newest.stream, newest.device, newest.inode, longest.head_length,
            longest.head, mark, furthest.incomplete,
        )
    )(new)  # fmt: skip
    behind: dict[int, Boundary] = {}
    requests = set[int]()
    for place, record in group.members.items():
        behind |= {after.offset: after for after in record.boundaries if after.offset > mark.offset}
        requests.update(ledgers[place].requests[record.id])
    found = sorted(offset for offset in requests if offset >= mark.offset)
    group.left = [offset for offset in found if group.is_left(offset)]
    start = mark.offset
    for end in sorted(behind):
        within = found[bisect_left(found, start) : bisect_left(found, end)]
        rows.chunk(number, start, behind[end], within)(new)
        start = end
    taken = {mark.offset, *behind}
    for record in group.members.values():
        for region in (*record.passed, *(one for one in record.regions if one.hits)):
            copy = not region.after.line
            if region.start < mark.offset if not copy else region.start not in taken:
                taken.add(region.start)
                rows.chunk(number, region.start, region.after)(new)
    done = sorted(set(found) - set(group.left))
    if not done:
        return batch
    rows.batches([rows.batch_row(batch, number, SETTLED, done, ())])(new)
    return batch + 1


def _write_posted(new: sqlite3.Connection, one: _Old, groups: Mapping[int, _Group], batch: int) -> int:
    """Writes what was posted without a receipt and is not done elsewhere; the number of the next batch."""
    ids: dict[int, int] = {}
    posted = one.database.execute("SELECT id, source, offsets, numbers FROM batch WHERE state = ?", (POSTED,))
    for number, source, offsets, numbers in posted:
        group, stream = groups[one.ids[source]], one.records[source].stream
        left = None if stream else set(group.left)
        kept = [
            pair for pair in zip(unpack(offsets), unpack(numbers), strict=True) if left is None or pair[0] in left
        ]  # fmt: skip
        if kept:
            to = ids.setdefault(number, batch + len(ids))
            lines = [array("Q", column) for column in zip(*kept, strict=True)]
            rows.batches([rows.batch_row(to, one.ids[source], POSTED, *lines)])(new)
    began = dict(one.database.execute("SELECT batch, began FROM intent")) if version_of(one.database) > 1 else {}
    for number, to in ids.items():
        rows.intent(to, began.get(number, one.last), ())(new)
    return batch + len(ids)
