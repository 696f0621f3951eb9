"""Tracking requests in rows: they wait, are sorted, posted and settled some thousand at a time."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import ClassVar, overload

from log_importer.model import ChunkResult, Request
from log_importer.model.rows.in_python import InPython, split
from log_importer.model.rows.layout import MOST_TEXTS, ROW, Part, column
from log_importer.model.rows.natively import Natively
from log_importer.native import load


def _way() -> InPython | Natively:
    native = load()
    return InPython() if native is None else Natively(native)


class Requests(Sequence[Request]):
    """A row of requests that nobody changes; whoever asks for one of them gets a `Request`."""

    __slots__ = ("_lines", "part")
    way: ClassVar[InPython | Natively] = _way()

    def __init__(self, part: Part) -> None:
        self.part = part
        self._lines: tuple[array[int], array[int]] | None = None

    @classmethod
    def of(cls, requests: Iterable[Request]) -> "Requests":
        """Such a row of single ones."""
        if isinstance(requests, Requests):
            return requests
        some = list(requests)
        begins = accumulate((len(one.query) for one in some), initial=0)
        rows = [
            ROW.pack(
                one.number, one.offset, one.time, one.visitor, begin, one.agent, one.source, one.site, one.doubts,
                len(one.query), one.lane, 0,
            )
            for one, begin in zip(some, begins, strict=False)
        ]  # fmt: skip
        return cls(Part(b"".join(rows), (b"".join([one.query for one in some]),)))

    @classmethod
    def of_chunk(cls, result: ChunkResult, source: int, doubts: Mapping[int, int]) -> "Requests":
        """Those of a chunk; `doubts`: offset of a line -> how often it was posted without a receipt."""
        found = cls(Part(cls.way.of_chunk(result, source), (result.blob,)))
        if not doubts:
            return found
        return cls.of([one._replace(doubts=doubts.get(one.offset, 0)) for one in found])

    @classmethod
    def joined(cls, parts: "Sequence[Requests]") -> "Requests":
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        if sum(len(one.part.texts) for one in parts) > MOST_TEXTS:
            alone = [one.compact() for one in parts]
            if len(alone) > MOST_TEXTS:
                runs = [alone[first : first + MOST_TEXTS] for first in range(0, len(alone), MOST_TEXTS)]
                alone = [cls.joined(run).compact() for run in runs]
            parts = alone
        numbers: dict[int, int] = {}  # of texts, by their addresses
        texts: list[bytes] = []
        rows = []
        for one in parts:
            mine = array("H")
            for text in one.part.texts:
                if id(text) not in numbers:
                    numbers[id(text)] = len(texts)
                    texts.append(text)
                mine.append(numbers[id(text)])
            as_they_are = all(number == mine[number] for number in range(len(mine)))
            rows.append(one.part.rows if as_they_are else cls.way.lying_in(one.part.rows, mine))
        return cls(Part(b"".join(rows), tuple(texts)))

    @classmethod
    def in_batch_order(cls, parts: "Sequence[Requests]") -> "Requests":
        """Each visitor's hits together and in time order; visitors with the same user agent one after another.

        A visitor known by an id may come with several user agents; the first stands for all, so that order is kept.
        """
        requests = cls.joined(parts)
        return requests.pick(cls.way.batch_order(requests.part.rows))

    @classmethod
    def in_time_order(cls, parts: "Sequence[Requests]") -> "Requests":
        """The earliest first; those of one time by their sources, and of one source as they lie in it."""
        requests = cls.joined(parts)
        order = cls.way.time_order(requests.part.rows)
        return requests if order is None else requests.pick(order)

    def __len__(self) -> int:
        return len(self.part.rows) // ROW.size

    def __iter__(self) -> Iterator[Request]:
        return (
            Request(source, number, offset, time, visitor, agent, site, query, doubts, lane)
            for (number, offset, time, visitor, _, agent, source, site, doubts, _, lane, _), query in zip(
                ROW.iter_unpack(self.part.rows), split(self.part), strict=True
            )
        )  # fmt: skip

    @overload
    def __getitem__(self, place: int) -> Request: ...
    @overload
    def __getitem__(self, place: slice) -> "Requests": ...
    def __getitem__(self, place: int | slice) -> "Request | Requests":
        """One of them, or some, which keep the texts of all."""
        count = len(self)
        if not isinstance(place, slice):
            at = range(count)[place]
            return next(iter(self[at : at + 1]))
        first, end, step = place.indices(count)
        if step != 1:
            return self.pick(array("i", range(first, end, step)))
        if end - first == count:
            return self
        rows, texts = self.part
        return Requests(Part(rows[ROW.size * first : ROW.size * max(first, end)], texts))

    def __reduce__(self) -> tuple[type["Requests"], tuple[Part]]:
        return Requests, (self.compact().part,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def size(self) -> int:
        """Bytes of the queries."""
        return self.way.size(self.part.rows)

    @property
    def kept(self) -> int:
        """Bytes of all texts that they keep, which may have the queries of others too."""
        return sum(map(len, self.part.texts))

    @property
    def text_count(self) -> int:
        """In how many texts their queries lie."""
        return len(self.part.texts)

    def compact(self) -> "Requests":
        """The same, with no more texts than they need."""
        size = self.size
        return self if size == self.kept and len(self.part.texts) == 1 else Requests(self.way.compact(self.part))

    @property
    def times(self) -> "memoryview[float]":
        """When each was logged, in seconds since 1970 UTC."""
        return column(self.part.rows, "time")  # type: ignore[return-value]

    def column(self, name: str) -> "memoryview[int]":
        """One number of each: `number`, `offset`, `visitor`, `agent`, `source`, `site`, `doubts`, `lane`."""
        return column(self.part.rows, name)

    def changed(self, name: str, values: Iterable[int]) -> "Requests":
        """The same with other numbers in a column."""
        rows = bytearray(self.part.rows)
        view = column(rows, name)
        for place, value in enumerate(values):
            view[place] = value
        view.release()
        return Requests(self.part._replace(rows=bytes(rows)))

    @property
    def latest(self) -> float:
        """The time of the last of them; there is one."""
        return self.way.latest(self.part.rows)

    @property
    def queries(self) -> "Queries":
        """The query of each."""
        return Queries(self)

    @property
    def sources(self) -> Counter[int]:
        """Source -> how many of them are its."""
        return self.way.counts(self.part.rows, "source")

    @property
    def sites(self) -> Counter[int]:
        """Site -> how many of them are its."""
        return self.way.counts(self.part.rows, "site")

    @property
    def doubted(self) -> bool:
        """Whether any was posted without a receipt."""
        return any(self.way.counts(self.part.rows, "doubts"))

    def spans(self, seconds: int) -> Mapping[tuple[int, int], int]:
        """Site and span of so many seconds since 1970 UTC -> how many of them lie in it."""
        return self.way.spans(self.part.rows, seconds)

    def lines(self) -> "tuple[array[int], array[int]]":
        """The numbers of their lines, and the offsets, each ascending."""
        if self._lines is None:  # asked for when they are posted, and when they are settled
            self._lines = self.way.lines(self.part.rows)
        return self._lines

    def fitting(self, more: int, room: int) -> int:
        """How many of the first have queries that fit into so many bytes, with `more` bytes beside each."""
        return self.way.fitting(self.part.rows, more, room)

    def pick(self, places: "array[int]") -> "Requests":
        """Those at these places, in their order."""
        return Requests(Part(self.way.pick(self.part.rows, places), self.part.texts))

    def without(self, places: Iterable[int]) -> "Requests":
        """All but those at these places."""
        return self.pick(self.way.left(len(self), array("i", sorted(set(places)))))

    def by_lane(self, count: int) -> "list[tuple[int, int, Requests]]":
        """Of each lane of so many that has any: its number, the place of its first, and its requests.

        They are compact, since those of some lanes wait for long.
        """
        places, begins = self.way.by_lane(self.part.rows, count)
        all_of_them = self.pick(places)
        return [
            (lane, places[begins[lane]], all_of_them[begins[lane] : begins[lane + 1]].compact())
            for lane in range(count) if begins[lane] < begins[lane + 1]
        ]  # fmt: skip


class Queries(Sequence[bytes]):
    """The queries of requests."""

    __slots__ = ("_of",)

    def __init__(self, of: Requests) -> None:
        self._of = of

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[bytes]:
        return iter(split(self._of.part))

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | Sequence[bytes]:
        return self._of[place].queries if isinstance(place, slice) else self._of[place].query

    def quoted(self, before: bytes, behind: bytes) -> bytes:
        """All of them, each in quotes and with a comma to the next, between what comes before and behind."""
        return self._of.way.quoted(self._of.part, before, behind)


NONE = Requests.of(())
