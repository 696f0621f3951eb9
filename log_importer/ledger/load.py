"""Rows of the ledger -> records; each row's proof is checked."""

import sqlite3
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

from log_importer.ledger.database import POSTED, SETTLED, damaged, from_column, held_proof, proof, unwritable
from log_importer.ledger.offsets import unpack
from log_importer.ledger.record import Record, Region
from log_importer.ledger.versions import version_of
from log_importer.model import Boundary, Request, Unanswered

HELD = ("in_doubt", "set_aside")
"""The buckets of requests that are kept for `retry`."""
READ_SINCE = """
    SELECT coalesce((SELECT max(began) FROM run WHERE exit_code IN (0, 1)), (SELECT min(began) FROM run))
"""
"""When the last run began that read all there was. Of runs that died, one after another, none may have come to what was
written before it, so then it is the first."""
MARK = "offset, line, header, tail"


class Held(NamedTuple):
    """A request that is kept for a retry."""

    record: Record
    bucket: str  # in_doubt or set_aside
    reason: str
    answer: str
    request: Request  # its `source` is the record's number
    batch: int = 0  # in which it was last in doubt; 0: it was not, or that is not known


def load_unanswered(
    database: sqlite3.Connection, records: Mapping[int, Record]
) -> tuple[dict[int, Unanswered], dict[tuple[int, int], int]]:
    """The batches in doubt by their numbers; number of a source and offset of a line -> the last batch that it was in.

    A hit tells of its batch only while that is the last one that its line was posted in: the server can have it from a
    later one, of which half of the batch was made.

    Raises `ValueError` where one is damaged.
    """
    batches: dict[tuple[int, int], int] = {}
    doubted = set[int]()
    posted = "SELECT id, source, offsets FROM batch WHERE state = ? ORDER BY id"
    for number, source, packed in database.execute(posted, (POSTED,)):
        doubts = records[source].doubts
        places = [(source, offset) for offset in unpack(packed) if offset in doubts]
        batches.update(dict.fromkeys(places, number))
        doubted.update([number] if places else ())
    for source, offset, number in database.execute("SELECT source, offset, batch FROM held WHERE batch > 0"):
        batches[source, offset] = number
        doubted.add(number)
    found = {}
    for number, began, witnesses, checksum in database.execute("SELECT batch, began, witnesses, proof FROM intent"):
        if checksum != proof(number, began, witnesses):
            raise ValueError("an intent is not as it was written")
        if number in doubted:
            mine = [query for *place, query in orjson.loads(witnesses) if batches.get((*place,)) == number]
            found[number] = Unanswered(began, tuple(query.encode("latin-1") for query in mine))
    return found, batches


def load_about(database: sqlite3.Connection) -> dict[str, str]:
    """What the table `meta` holds. Raises `ValueError` where it is damaged."""
    rows = database.execute("SELECT key, value, proof FROM meta").fetchall()
    if any(checksum != proof(key, value) for key, value, checksum in rows):
        raise ValueError("what it says of its job is not as it was written")
    return {key: from_column(value) for key, value, _ in rows}


def load_held(database: sqlite3.Connection, records: Mapping[int, Record]) -> list[Held]:
    """The requests that wait for a retry, in the order of their times. Raises `ValueError` where one is damaged."""
    batch = "batch" if version_of(database) > 1 else "0"
    found = []
    columns = f"offset, line, reason, answer, site, time, visitor, agent, query, doubts, proof, {batch}"
    rows = database.execute(f"SELECT source, bucket, {columns} FROM held ORDER BY time")  # noqa: S608 - our names
    for source, bucket, *row, checksum, number in rows:
        if bucket not in HELD or source not in records or checksum != held_proof(source, row, number):
            raise ValueError("a held request is not as it was written")
        offset, line, reason, answer, site, time, visitor, agent, query, doubts = row
        request = Request(source, line, offset, time, int(visitor, 16), agent, site, query, doubts)
        found.append(Held(records[source], bucket, reason, answer, request, number))
    return found


def load(database: sqlite3.Connection, path: Path) -> dict[int, Record]:
    """All sources by their number. Raises `StateError`."""
    try:
        records = {record.id: record for record in _records(database)}
        requests = _regions(database, records)
        _settled(database, records, requests)
    except sqlite3.Error as error:
        raise unwritable(path, error) from None
    except (ValueError, KeyError) as error:
        raise damaged(path, str(error)) from None
    return records


def _records(database: sqlite3.Connection) -> Iterator[Record]:
    columns = f"id, name, format, stream, device, inode, head_length, head, incomplete, proof, {MARK}"
    rows = database.execute(f"SELECT {columns} FROM source ORDER BY id")  # noqa: S608 - our names
    for number, name, form, stream, device, inode, length, head, incomplete, checksum, *mark in rows:
        if checksum != proof(number, stream, head, length, *mark):
            raise ValueError(f"the row of {from_column(name)} is not as it was written")
        yield Record(
            number, from_column(name), form, bool(stream), device, inode, length, head, Boundary(*mark), incomplete
        )


def _regions(database: sqlite3.Connection, records: Mapping[int, Record]) -> dict[int, list["array[int]"]]:
    """Fills in the regions; the requests of each, by source."""
    requests: dict[int, list[array[int]]] = defaultdict(list)
    rows = database.execute(f"SELECT source, start, requests, proof, {MARK} FROM chunk ORDER BY start")  # noqa: S608 - our names
    for source, start, packed, checksum, *after in rows:
        if source not in records or checksum != proof(source, start, *after):
            raise ValueError("a chunk is not as it was written")
        region = Region(start, Boundary(*after), 0)
        if start < records[source].mark.offset or not region.after.line:
            records[source].passed.append(region)
            continue
        records[source].regions.append(region)
        requests[source].append(unpack(packed))
        region.hits = bool(requests[source][-1])
    return requests


def _settled(
    database: sqlite3.Connection, records: Mapping[int, Record], requests: Mapping[int, list["array[int]"]]
) -> None:
    """Fills in what is left to do, and what of it was posted."""
    done: dict[int, set[int]] = defaultdict(set)
    posted: dict[int, Counter[int]] = defaultdict(Counter)
    for number, source, last, state, packed, checksum in database.execute(
        "SELECT id, source, last, state, offsets, proof FROM batch"
    ):  # fmt: skip
        known = source in records and state in (POSTED, SETTLED)
        if not known or checksum != proof(number, source, last):
            raise ValueError("a batch is not as it was written")
        (done if state == SETTLED else posted)[source].update(unpack(packed))
    for record in records.values():
        for region, offsets in zip(record.regions, requests.get(record.id, ()), strict=True):
            left = [offset for offset in offsets if offset not in done[record.id]]
            region.left = len(left)
            record.undone.extend(left)
        record.doubts = {
            offset: times for offset, times in posted[record.id].items() if offset not in done[record.id]
        }  # fmt: skip
