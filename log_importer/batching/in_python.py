"""What has to look at each of many requests, where nothing could be compiled."""

from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, pairwise

from log_importer.batching.layout import ROW, Part, column
from log_importer.model import ChunkResult


class InPython:
    """What the functions of native/rows.c do, some times slower."""

    def of_chunk(self, result: ChunkResult, source: int) -> bytes:
        """The rows of a chunk's requests."""
        columns = (
            result.numbers, result.offsets, result.times, result.visitors, result.agents, result.sites, result.lengths,
            result.lanes,
        )  # fmt: skip
        return b"".join([
            ROW.pack(number, offset, time, visitor, agent, source, site, 0, length, lane)
            for number, offset, time, visitor, agent, site, length, lane in zip(*columns, strict=True)
        ])  # fmt: skip

    def size(self, rows: bytes, first: int, end: int) -> int:
        """Bytes of the queries of the rows between two places."""
        return sum(column(rows, "length")[first:end])

    def pick(self, parts: Sequence[Part], rows: bytes, places: "array[int]") -> Part:
        """The requests at these places of those of all parts, whose rows are `rows`."""
        queries = [query for part in parts for query in split(part)]
        return Part(
            b"".join([rows[ROW.size * place : ROW.size * (place + 1)] for place in places]),
            b"".join([queries[place] for place in places]),
        )

    def quoted(self, part: Part, before: bytes, behind: bytes) -> bytes:
        """The queries, each in quotes and with a comma to the next, between what comes before and behind."""
        return b"".join([before, b",".join([b'"%b"' % query for query in split(part)]), behind])

    def fitting(self, rows: bytes, more: int, room: int) -> int:
        """How many have queries that fit into so many bytes, with `more` bytes beside each."""
        size = 0
        for number, length in enumerate(column(rows, "length")):
            size += length + more
            if size > room:
                return number
        return len(rows) // ROW.size

    def by_lane(self, rows: bytes, lanes: int) -> "tuple[array[int], Sequence[int], Sequence[int]]":
        """The places of all by lane, where each lane's begin among them, and where its queries do."""
        found: list[list[int]] = [[] for _ in range(lanes)]
        sizes = [0] * lanes
        for place, (lane, length) in enumerate(zip(column(rows, "lane"), column(rows, "length"), strict=True)):
            found[lane % lanes].append(place)
            sizes[lane % lanes] += length
        places = array("i", [place for some in found for place in some])
        return places, list(accumulate(map(len, found), initial=0)), list(accumulate(sizes, initial=0))

    def batch_order(self, rows: bytes) -> "array[int]":
        """The places by user agent, visitor and time; of a visitor with several user agents the first counts."""
        visitors, agents = column(rows, "visitor").tolist(), column(rows, "agent").tolist()
        first = dict(zip(reversed(visitors), reversed(agents), strict=True))
        times = column(rows, "time").tolist()
        keys = [(first[visitor], visitor, time) for visitor, time in zip(visitors, times, strict=True)]
        return array("i", sorted(range(len(keys)), key=keys.__getitem__))

    def time_order(self, rows: bytes) -> "array[int] | None":
        """The places by time, those of one time by source and offset; `None` where they are in that order."""
        keys = list(zip(*(column(rows, name).tolist() for name in ("time", "source", "offset")), strict=True))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        return None if order == list(range(len(keys))) else array("i", order)

    def spans(self, rows: bytes, seconds: int) -> dict[tuple[int, int], int]:
        """Site and span of so many seconds since 1970 -> how many requests lie in it."""
        return dict(Counter(
            (site, int(time // 1) // seconds)
            for site, time in zip(column(rows, "site"), column(rows, "time"), strict=True)
        ))  # fmt: skip

    def latest(self, rows: bytes) -> float:
        """The greatest of the times, of which there is one."""
        return max(column(rows, "time"))

    def lines(self, rows: bytes) -> "tuple[array[int], array[int]]":
        """Line numbers and offsets, each ascending."""
        return array("Q", sorted(column(rows, "number"))), array("Q", sorted(column(rows, "offset")))

    def counts(self, rows: bytes, name: str) -> Counter[int]:
        """How often each number stands in a column of 32 bits."""
        return Counter(column(rows, name))


def split(part: Part) -> list[bytes]:
    """The queries one by one."""
    ends = accumulate(column(part.rows, "length"), initial=part.begin)
    return [part.texts[begin:end] for begin, end in pairwise(ends)]
