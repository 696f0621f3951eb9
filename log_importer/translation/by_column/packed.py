"""Tracking requests of a chunk's lines as arrays, in the order of the lines."""

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

from log_importer.translation.by_column.rows import Rows


@dataclass(slots=True)
class Packed:
    """Entry i of each array belongs to request i."""

    places: "array[int]"  # of the lines in their chunk
    blob: bytes  # the queries, one after the other
    lengths: "array[int]"
    times: "array[float]"
    visitors: "array[int]"
    agents: "array[int]"
    lanes: "array[int]"
    idsites: "array[int]"
    downloads: "array[int]"
    partial: "array[int]"

    @property
    def arrays(self) -> "list[array[int] | array[float]]":
        """All of them, in the order of the columns of `Rows`."""
        return [
            self.places, self.lengths, self.times, self.visitors, self.agents, self.lanes, self.idsites,
            self.downloads, self.partial,
        ]  # fmt: skip

    def insert(self, rows: Rows) -> None:
        """Puts the requests of further lines where those stand."""
        if not len(rows):
            return
        rows.sort()
        ends = list(accumulate(self.lengths, initial=0))
        blob, begin = [], 0
        for number, place in enumerate(rows.places):
            before = bisect_left(self.places, place, number) - number  # those of ours
            blob += [self.blob[begin : ends[before]], rows.queries[number].encode("ascii")]
            begin = ends[before]
            row = (
                place, len(rows.queries[number]), rows.times[number], rows.visitors[number], rows.agents[number],
                rows.lanes[number], rows.idsites[number], rows.downloads[number], rows.partial[number],
            )  # fmt: skip
            for column, value in zip(self.arrays, row, strict=True):
                column.insert(before + number, value)  # type: ignore[arg-type]
        self.blob = b"".join([*blob, self.blob[begin:]])


def packed(rows: Rows) -> Packed:
    """The arrays of `rows`."""
    rows.sort()
    return Packed(
        array("i", rows.places), "".join(rows.queries).encode("ascii"), array("I", map(len, rows.queries)),
        array("d", rows.times), array("Q", rows.visitors), array("I", rows.agents), array("H", rows.lanes),
        array("I", rows.idsites), array("Q", rows.downloads), array("B", rows.partial),
    )  # fmt: skip
