"""What translates many lines of a format at once, by compiled loops where those can, and where the lines lie."""

from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise

from log_importer.native import Native, address, zeros
from log_importer.parsing.lines import LineReader
from log_importer.parsing.split_pattern import SAMPLE
from log_importer.translation.by_column import ByColumn
from log_importer.translation.by_column.facts import Facts, Means
from log_importer.translation.by_column.natively import Natively

_CUT = ("utf-8", "utf-8-sig")
"""Encodings of which a text can be cut at characters of ASCII and its pieces be decoded one by one."""


class Together:
    """For lines in one format."""

    def __init__(self, means: Means | None, native: Native | None, encoding: str, longest: int) -> None:
        """Without `means` each line has to be looked at alone; `longest`: bytes of a line."""
        self.facts = Facts(means) if means is not None else None
        """What is worked out once for many lines."""
        self._native = native if encoding in _CUT else None
        self._longest = longest
        self._by_column: dict[str, ByColumn] = {}  # by the `#Fields:` line in force
        self._natively: dict[tuple[str, int], Natively] = {}  # and by the quotes of a line

    def by_column(self, reader: LineReader) -> ByColumn | None:
        """What reads lines as `reader` does, many at once."""
        known = self._by_column.get(reader.header)
        if known is None and self.facts is not None:
            known = self._by_column[reader.header] = ByColumn(reader.parser, self.facts)
        return known

    def natively(self, reader: LineReader, data: bytes, starts: "array[int]", begin: int) -> Natively | None:
        """What does so with compiled loops, for lines such as the first of `data` from line `begin` on."""
        cuts = reader.parser.cuts() if self._native is not None else {}
        if self._native is None or self.facts is None or not cuts:
            return None
        ends = starts[begin : begin + SAMPLE + 1]
        counts = [data.count(b'"', start, end) for start, end in pairwise(ends)]
        quotes = max(cuts, key=counts.count)
        known = self._natively.get((reader.header, quotes))
        if known is None:
            known = Natively(self._native, reader.parser, cuts[quotes], self.facts, self._longest)
            self._natively[reader.header, quotes] = known
        return known

    def starts(self, data: bytes) -> "array[int]":
        """Where each line of `data` begins, and behind the last where one more would."""
        if self._native is not None:
            return self._native.find_starts(data)
        lengths = map(len, data.removesuffix(b"\n").split(b"\n"))
        return array("I", accumulate((length + 1 for length in lengths), initial=0))

    def placed(
        self, places: Sequence[int], starts: "array[int]", line: int, offset: int
    ) -> "tuple[array[int], array[int]]":
        """The numbers and offsets of the lines at these places, where those of the first one are given."""
        if self._native is None or not isinstance(places, array):
            return array("Q", [line + place for place in places]), array("Q", [offset + starts[one] for one in places])
        numbers, offsets = zeros("Q", len(places)), zeros("Q", len(places))
        self._native.place_lines(
            len(places), address(places), address(starts), line, offset, address(numbers), address(offsets)
        )  # fmt: skip
        return numbers, offsets
