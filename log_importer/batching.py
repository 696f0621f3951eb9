"""Tracking requests as columns: they wait, are sorted, posted and settled some thousand at a time."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, pairwise, repeat
from operator import itemgetter
from typing import Any, ClassVar, overload

from log_importer.model import ChunkResult, Request
from log_importer.native import Native, address, load, zeros

_CODES = {
    "sources": "I", "numbers": "Q", "offsets": "Q", "times": "d", "visitors": "Q", "agents": "I", "sites": "I",
    "doubts": "I", "lanes": "H",
}  # fmt: skip


class Requests(Sequence[Request]):
    """A row of requests that nobody changes; whoever asks for one of them gets a `Request`."""

    __slots__ = (*_CODES, "queries")
    native: ClassVar[Native | None] = load()

    sources: "array[int]"
    numbers: "array[int]"
    offsets: "array[int]"
    times: "array[float]"
    visitors: "array[int]"
    agents: "array[int]"
    sites: "array[int]"
    doubts: "array[int]"
    lanes: "array[int]"
    queries: list[bytes]

    def __init__(self, columns: "Iterable[array[Any]]", queries: list[bytes]) -> None:
        """The columns in the order of their names."""
        for name, column in zip(_CODES, columns, strict=True):
            setattr(self, name, column)
        self.queries = queries

    @classmethod
    def of(cls, requests: Iterable[Request]) -> "Requests":
        """Such a row of single ones."""
        if isinstance(requests, Requests):
            return requests
        rows = list(requests)
        columns = {
            "sources": 0, "numbers": 1, "offsets": 2, "times": 3, "visitors": 4, "agents": 5, "sites": 6, "doubts": 8,
            "lanes": 9,
        }  # fmt: skip
        return cls(
            [array(code, map(itemgetter(columns[name]), rows)) for name, code in _CODES.items()],
            [row.query for row in rows],
        )

    @classmethod
    def of_chunk(cls, result: ChunkResult, source: int, doubts: Mapping[int, int]) -> "Requests":
        """Those of a chunk; `doubts`: offset of a line -> how often it was posted without a receipt."""
        count = len(result.lengths)
        posted = array("I", [doubts.get(offset, 0) for offset in result.offsets]) if doubts else zeros("I", count)
        blob = result.blob
        return cls(
            [
                array("I", [source]) * count, result.numbers, result.offsets, result.times, result.visitors,
                result.agents, result.sites, posted, result.lanes,
            ],
            [blob[begin:end] for begin, end in pairwise(accumulate(result.lengths, initial=0))],
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: "Sequence[Requests]") -> "Requests":
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        columns = []
        for name, code in _CODES.items():
            column = array(code)
            for part in parts:
                column.extend(getattr(part, name))
            columns.append(column)
        return cls(columns, list(chain.from_iterable(part.queries for part in parts)))

    def __len__(self) -> int:
        return len(self.queries)

    def __iter__(self) -> Iterator[Request]:
        return map(Request._make, zip(
            self.sources, self.numbers, self.offsets, self.times, self.visitors, self.agents, self.sites, self.queries,
            self.doubts, self.lanes, strict=True,
        ))  # fmt: skip

    @overload
    def __getitem__(self, place: int) -> Request: ...
    @overload
    def __getitem__(self, place: slice) -> "Requests": ...
    def __getitem__(self, place: int | slice) -> "Request | Requests":
        columns = [getattr(self, name)[place] for name in _CODES]
        if isinstance(place, slice):
            return Requests(columns, self.queries[place])
        *before, doubts, lane = columns
        return Request._make([*before, self.queries[place], doubts, lane])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def pick(self, places: "array[int]") -> "Requests":
        """Those at these places, in their order."""
        columns = [_picked(self.native, getattr(self, name), places) for name in _CODES]
        queries = self.queries
        return Requests(columns, [queries[place] for place in places])

    def without(self, places: Iterable[int]) -> "Requests":
        """All but those at these places."""
        gone = set(places)
        return self.pick(array("i", [place for place in range(len(self)) if place not in gone]))

    def by_lane(self, count: int) -> "list[tuple[int, array[int]]]":
        """Number of a lane of so many -> the places of its requests, of those that have any."""
        if self.native is None:
            found: dict[int, list[int]] = {}
            for place, lane in enumerate(self.lanes):
                found.setdefault(lane % count, []).append(place)
            return [(lane, array("i", places)) for lane, places in sorted(found.items())]
        places, begins = zeros("i", len(self)), zeros("i", count + 1)
        self.native.by_lane(len(self), address(self.lanes), count, address(places), address(begins))
        return [(lane, places[first:end]) for lane, (first, end) in enumerate(pairwise(begins)) if first < end]

    def in_batch_order(self) -> "Requests":
        """Each visitor's hits together and in time order; visitors with the same user agent one after another.

        A visitor known by an id may come with several user agents; the first stands for all, so that order is kept.
        """
        if self.native is None:
            first = dict(zip(reversed(self.visitors), reversed(self.agents), strict=True))
            keys = [
                (first[visitor], visitor, time) for visitor, time in zip(self.visitors, self.times, strict=True)
            ]  # fmt: skip
            return self.pick(array("i", sorted(range(len(self)), key=keys.__getitem__)))
        order = zeros("i", len(self))
        if self.native.batch_order(
            len(self), address(self.agents), address(self.visitors), address(self.times), address(order)
        ):  # fmt: skip
            raise MemoryError
        return self.pick(order)

    def in_time_order(self) -> "Requests":
        """The earliest first; those of one time stay as they are."""
        times = self.times
        if all(earlier <= later for earlier, later in pairwise(times)):
            return self
        return self.pick(array("i", sorted(range(len(self)), key=times.__getitem__)))


NONE = Requests.of(())


def _picked(native: Native | None, column: "array[Any]", places: "array[int]") -> "array[Any]":
    if native is None:
        return array(column.typecode, map(column.__getitem__, places))
    take = {1: native.take_8, 2: native.take_16, 4: native.take, 8: native.take_64}[column.itemsize]
    found = array(column.typecode, bytes(column.itemsize * len(places)))
    take(len(places), address(places), address(column), address(found))
    return found


def same(values: "array[Any]") -> bool:
    """Whether all of them are one, as the site and the source mostly are."""
    return not values or values.count(values[0]) == len(values)


def pairs(left: "array[Any]", right: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    """Left and right value of each; quick where the left one is always the same."""
    return zip(repeat(left[0]) if left and same(left) else left, right, strict=False)
