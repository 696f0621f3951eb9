"""What has to look at each of many requests, where nothing could be compiled."""

from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from log_importer.model import ChunkResult
from log_importer.model.rows.layout import ROW, Part, column


class InPython:
    """What the functions of native/rows.c do, some times slower."""

    def of_chunk(self, result: ChunkResult, source: int) -> bytes:
        """The rows of a chunk's requests."""
        columns = (
            result.numbers, result.offsets, result.times, result.visitors, result.agents, result.sites, result.lengths,
            result.lanes,
        )  # fmt: skip
        begins = accumulate(result.lengths, initial=0)
        return b"".join([
            ROW.pack(number, offset, time, visitor, begin, agent, source, site, 0, length, lane, 0)
            for begin, (number, offset, time, visitor, agent, site, length, lane) in zip(
                begins, zip(*columns, strict=True), strict=False
            )
        ])  # fmt: skip

    def size(self, rows: bytes) -> int:
        """Bytes of the queries of all rows."""
        return sum(column(rows, "length"))

    def pick(self, rows: bytes, places: "array[int]") -> bytes:
        """The rows at these places, in their order."""
        return b"".join([rows[ROW.size * place : ROW.size * (place + 1)] for place in places])

    def lying_in(self, rows: bytes, numbers: "array[int]") -> bytes:
        """The rows where their texts have these numbers instead of 0, 1 and so on."""
        changed = bytearray(rows)
        texts = column(changed, "text")
        for place, text in enumerate(texts):
            texts[place] = numbers[text]
        texts.release()
        return bytes(changed)

    def compact(self, part: Part) -> Part:
        """The same in one text that has no other queries, in the order of the rows."""
        changed, queries = bytearray(part.rows), split(part)
        texts, begins = column(changed, "text"), column(changed, "begin")
        for place, begin in zip(range(len(queries)), accumulate(map(len, queries), initial=0), strict=False):
            texts[place], begins[place] = 0, begin
        texts.release()
        begins.release()
        return Part(bytes(changed), (b"".join(queries),))

    def left(self, count: int, gone: "array[int]") -> "array[int]":
        """The places, of so many, that are not among these, which ascend."""
        without = set(gone)
        return array("i", [place for place in range(count) if place not in without])

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

    def by_lane(self, rows: bytes, lanes: int) -> "tuple[array[int], Sequence[int]]":
        """The places of all by lane, and where each lane's begin among them."""
        found: list[list[int]] = [[] for _ in range(lanes)]
        for place, lane in enumerate(column(rows, "lane")):
            found[lane % lanes].append(place)
        places = array("i", [place for some in found for place in some])
        return places, list(accumulate(map(len, found), initial=0))

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
    columns = (column(part.rows, name) for name in ("text", "begin", "length"))
    return [part.texts[text][begin : begin + length] for text, begin, length in zip(*columns, strict=True)]
