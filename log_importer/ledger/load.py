"""Rows of the ledger -> records; each row's proof is checked."""

import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from log_importer.ledger.database import damaged, proof
from log_importer.ledger.offsets import unpack
from log_importer.ledger.record import Record, Region
from log_importer.model import Boundary, Request

MARK = "offset, line, header, tail"


class Held(NamedTuple):
    """A request that is kept for a retry."""

    record: Record
    bucket: str  # in_doubt or set_aside
    reason: str
    answer: str
    request: Request  # its `source` is the record's number


def load_held(database: sqlite3.Connection, records: Mapping[int, Record]) -> list[Held]:
    """The requests that wait for a retry, in the order of their times."""
    rows = database.execute(
        "SELECT source, bucket, reason, answer, line, offset, time, visitor, agent, site, query, doubts "
        "FROM held ORDER BY time"
    )
    return [
        Held(
            records[source], bucket, reason, answer,
            Request(source, line, offset, time, int(visitor, 16), agent, site, query, doubts),
        )
        for source, bucket, reason, answer, line, offset, time, visitor, agent, site, query, doubts in rows
        if source in records
    ]  # fmt: skip


def load(database: sqlite3.Connection, path: Path) -> dict[int, Record]:
    """All sources by their number. Raises `StateError`."""
    try:
        return {record.id: record for record in _records(database)}
    except (ValueError, sqlite3.DatabaseError) as error:
        raise damaged(path, str(error)) from None


def _records(database: sqlite3.Connection) -> Iterator[Record]:
    columns = f"id, name, format, stream, device, inode, head_length, head, incomplete, proof, {MARK}"
    rows = database.execute(f"SELECT {columns} FROM source ORDER BY id").fetchall()  # noqa: S608 - our names
    for number, name, form, stream, device, inode, length, head, incomplete, checksum, *mark in rows:
        if checksum != proof(number, head, length, *mark):
            raise ValueError(f"the row of {name} is not as it was written")
        record = Record(
            number, name, form, bool(stream), device, inode, length, head, Boundary(*mark), incomplete
        )  # fmt: skip
        _regions(database, record)
        yield record


def _regions(database: sqlite3.Connection, record: Record) -> None:
    requests: list[array[int]] = []
    rows = database.execute(
        f"SELECT start, requests, proof, {MARK} FROM chunk WHERE source = ? ORDER BY start",  # noqa: S608 - our names
        (record.id,),
    )
    for start, packed, checksum, *after in rows:
        if checksum != proof(record.id, start, *after):
            raise ValueError(f"a chunk of {record.name} is not as it was written")
        record.regions.append(Region(start, Boundary(*after), 0))
        requests.append(unpack(packed))
    done, posted = set[int](), Counter[int]()
    for settled, offsets in database.execute("SELECT done, offsets FROM batch WHERE source = ?", (record.id,)):
        (done if settled else posted).update(unpack(offsets))
    for region, offsets in zip(record.regions, requests, strict=True):
        left = [offset for offset in offsets if offset not in done]
        region.left = len(left)
        record.undone.extend(left)
    record.regions.sort(key=attrgetter("start"))
    record.doubts = {offset: times for offset, times in posted.items() if offset not in done}
