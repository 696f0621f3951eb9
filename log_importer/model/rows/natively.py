"""What has to look at each of many requests, by compiled loops."""

import ctypes
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

from log_importer.model import ChunkResult
from log_importer.model.rows.layout import ROW, Part, word
from log_importer.native import Native, address, blank, zeros


class Natively:
    """Rows and texts are those of native/rows.c."""

    def __init__(self, native: Native) -> None:
        self._native = native

    def of_chunk(self, result: ChunkResult, source: int) -> bytes:
        """The rows of a chunk's requests."""
        rows = blank(ROW.size * len(result.lengths))
        self._native.rows_of(
            len(result.lengths), source, address(result.lengths), address(result.numbers), address(result.offsets),
            address(result.times), address(result.visitors), address(result.agents), address(result.sites),
            address(result.lanes), rows,
        )  # fmt: skip
        return rows

    def size(self, rows: bytes) -> int:
        """Bytes of the queries of all rows."""
        return int(self._native.rows_size(len(rows) // ROW.size, rows))

    def pick(self, rows: bytes, places: "array[int]") -> bytes:
        """The rows at these places, in their order."""
        found = blank(ROW.size * len(places))
        self._native.rows_at(len(places), address(places), rows, found)
        return found

    def lying_in(self, rows: bytes, numbers: "array[int]") -> bytes:
        """The rows where their texts have these numbers instead of 0, 1 and so on."""
        found = blank(len(rows))
        self._native.rows_lying_in(len(rows) // ROW.size, rows, address(numbers), found)
        return found

    def compact(self, part: Part) -> Part:
        """The same in one text that has no other queries, in the order of the rows."""
        found, queries = blank(len(part.rows)), blank(self.size(part.rows))
        self._native.rows_compact(len(found) // ROW.size, part.rows, _pointers(part.texts), found, queries)
        return Part(found, (queries,))

    def left(self, count: int, gone: "array[int]") -> "array[int]":
        """The places, of so many, that are not among these, which ascend."""
        found = zeros("i", count - len(gone))
        self._native.others(0, count, len(gone), address(gone), address(found))
        return found

    def quoted(self, part: Part, before: bytes, behind: bytes) -> bytes:
        """The queries, each in quotes and with a comma to the next, between what comes before and behind."""
        count = len(part.rows) // ROW.size
        size = self.size(part.rows) + max(0, 3 * count - 1)
        found = blank(len(before) + size + len(behind))
        self._native.rows_quoted(
            count, part.rows, _pointers(part.texts), before, len(before), behind, len(behind), found
        )  # fmt: skip
        return found

    def fitting(self, rows: bytes, more: int, room: int) -> int:
        """How many have queries that fit into so many bytes, with `more` bytes beside each."""
        return int(self._native.rows_fitting(len(rows) // ROW.size, rows, more, room))

    def by_lane(self, rows: bytes, lanes: int) -> "tuple[array[int], Sequence[int]]":
        """The places of all by lane, and where each lane's begin among them."""
        count = len(rows) // ROW.size
        places, begins = zeros("i", count), zeros("i", lanes + 1)
        self._native.rows_by_lane(count, rows, lanes, address(places), address(begins))
        return places, begins

    def batch_order(self, rows: bytes) -> "array[int]":
        """The places by user agent, visitor and time; of a visitor with several user agents the first counts."""
        order = zeros("i", len(rows) // ROW.size)
        if self._native.rows_batch_order(len(order), rows, address(order)):
            raise MemoryError
        return order

    def time_order(self, rows: bytes) -> "array[int] | None":
        """The places by time; `None` where they are in that order."""
        order = zeros("i", len(rows) // ROW.size)
        sorted_already = self._native.rows_time_order(len(order), rows, address(order))
        if sorted_already < 0:
            raise MemoryError
        return None if sorted_already else order

    def spans(self, rows: bytes, seconds: int) -> dict[tuple[int, int], int]:
        """Site and span of so many seconds since 1970 -> how many requests lie in it."""
        count = len(rows) // ROW.size
        sites, spans, counts = zeros("I", count), zeros("q", count), zeros("q", count)
        found = self._native.rows_spans(count, rows, seconds, address(sites), address(spans), address(counts))
        if found < 0:
            raise MemoryError
        return dict(zip(zip(sites[:found], spans[:found], strict=True), counts[:found], strict=True))

    def latest(self, rows: bytes) -> float:
        """The greatest of the times, of which there is one."""
        return float(self._native.rows_latest(len(rows) // ROW.size, rows))

    def lines(self, rows: bytes) -> "tuple[array[int], array[int]]":
        """Line numbers and offsets, each ascending."""
        count = len(rows) // ROW.size
        numbers, offsets = zeros("Q", count), zeros("Q", count)
        if self._native.rows_lines(count, rows, address(numbers), address(offsets)):
            raise MemoryError
        return numbers, offsets

    def counts(self, rows: bytes, name: str) -> Counter[int]:
        """How often each number stands in a column of 32 bits."""
        count, one = len(rows) // ROW.size, zeros("I", 1)
        if count and self._native.rows_one(count, rows, word(name), address(one)):  # as mostly
            return Counter({one[0]: count})
        values, lengths = zeros("I", count), zeros("q", count)
        runs = self._native.rows_runs(count, rows, word(name), address(values), address(lengths))
        found = Counter[int]()
        for value, length in zip(values[:runs], lengths[:runs], strict=True):
            found[value] += length
        return found


def _pointers(texts: Sequence[bytes]) -> Any:
    """An array of them in C."""
    return (ctypes.c_char_p * len(texts))(*texts)
