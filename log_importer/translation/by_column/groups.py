"""Numbers for what stands in pieces of lines: small ones from 0, so that what is known of them lies in arrays."""

from array import array
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Generic, TypeVar

from log_importer.model import Hit
from log_importer.native import Native, Table, address, zeros
from log_importer.parsing.cuts import Cells, PieceOf
from log_importer.parsing.parser import Part

MOST = 8_192
"""Values of a kind that are remembered."""
_MOST_BYTES = 4 << 20
"""Bytes of the texts of a kind; both may be exceeded by those of one chunk."""
UNREAD = -2
"""The code of a line that is to be read in another way."""
READ = 1 << 30
Value = TypeVar("Value")


class Piece:
    """A piece of lines: each text that was there, numbered, with the cells that it says."""

    def __init__(self, native: Native, of: PieceOf) -> None:
        self.places = tuple(of.places)
        self.table = Table(native)
        self.cells: list[Cells] = []
        self.readable = array("i")  # `UNREAD` for texts that say nothing
        self.failed = False  # whether there are such
        self._read = of.read
        self._nothing: Cells = (None,) * len(self.places)

    def learn(self) -> None:
        """Reads the texts that are new."""
        for text in self.table.texts(len(self.cells)):
            cells = self._read(text)
            self.failed = self.failed or cells is None
            self.readable.append(UNREAD if cells is None else READ)
            self.cells.append(self._nothing if cells is None else cells)

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        return len(self.readable) > MOST or self.table.size > _MOST_BYTES

    def forget(self) -> None:
        """Begins anew."""
        self.table.clear()
        self.cells.clear()
        del self.readable[:]
        self.failed = False


class Group(Generic[Value]):
    """What lines say in some of their columns: a number for all cells that are alike, and a value for each number."""

    def __init__(
        self,
        native: Native,
        pieces: Sequence[Piece],
        places: Sequence[int],
        work_out: Callable[[Sequence[Cells]], list[Value]],
        code: Callable[[Value], int] | None = None,
    ) -> None:
        """`places` are those of the columns; `work_out` is given the cells of several; `code` is that of a value."""
        self._native = native
        self._work_out = work_out
        self._code = code
        self._parts = [_Part(number, piece, places) for number, piece in enumerate(pieces)]
        self._parts = [part for part in self._parts if part.within]
        given = [place for part in self._parts for place in part.given]
        order = [given.index(place) if place in given else -1 for place in places]
        self._order = None if order == list(range(len(given))) else order  # `None`: as they come
        self._pairs = [Table(native) for _ in self._parts[1:]]
        self._paired: list[list[tuple[str | None, ...]]] = [[] for _ in self._pairs]
        self.values: list[Value] = []
        self.codes = array("i")
        """By number."""

    def numbers(self, count: int, pieces: Sequence["array[int]"]) -> "array[int]":
        """Of so many lines, whose pieces have those numbers; there are values for all of them."""
        if not self._parts:
            if not self.values:
                self._add([()])
            return zeros("i", count)
        first, *others = self._parts
        found = first.subs(self._native, count, pieces)
        known = first.known
        for part, pairs, paired in zip(others, self._pairs, self._paired, strict=True):
            right = part.subs(self._native, count, pieces)
            both = zeros("i", count)
            if self._native.pair_up(count, address(found), address(right), pairs.at, address(both)):
                raise MemoryError
            new = pairs.pairs(len(paired))
            paired += [known[left] + part.known[right] for left, right in zip(new[::2], new[1::2], strict=True)]
            found, known = both, paired
        if len(self.values) < len(known):
            self._add(known[len(self.values) :])
        return found

    def _add(self, new: Sequence[tuple[str | None, ...]]) -> None:
        if self._order is not None:
            new = [tuple([cells[place] if place >= 0 else None for place in self._order]) for cells in new]
        values = self._work_out(new)
        self.values += values
        if self._code is not None:
            self.codes.extend(map(self._code, values))

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        return len(self.values) > MOST

    def forget(self) -> None:
        """Begins anew."""
        for part in self._parts:
            part.forget()
        for pairs, paired in zip(self._pairs, self._paired, strict=True):
            pairs.clear()
            paired.clear()
        self.values.clear()
        del self.codes[:]

    def forget_pieces(self, forgotten: Sequence[Piece]) -> None:
        """The numbers of these pieces mean something else from now on."""
        for part in self._parts:
            if part.piece in forgotten:
                del part.map[:]


class Groups:
    """Makes the groups of lines that are cut in one way."""

    def __init__(self, native: Native, pieces: Sequence[Piece]) -> None:
        self._native = native
        self.pieces = pieces

    def of_cells(
        self, places: Sequence[int], work_out: Callable[[Cells], Value], code: Callable[[Value], int] | None = None
    ) -> Group[Value]:
        """Of what is said in columns, worked out from their cells."""
        return Group(self._native, self.pieces, places, lambda new: list(map(work_out, new)), code)

    def of_part(
        self,
        part: Part,
        work_out: Callable[[Hit], Value],
        otherwise: Value,
        code: Callable[[Value], int] | None = None,
    ) -> Group[Value]:
        """Of what a part of a hit says; `otherwise` is the value where it reads nothing."""

        def of_cells(cells: Cells) -> Value:
            hit = part.read(cells)
            return otherwise if hit is None else work_out(hit)

        return self.of_cells(part.places, of_cells, code)


class _Part:
    """What a piece has of the columns of a group."""

    def __init__(self, number: int, piece: Piece, places: Sequence[int]) -> None:
        self.number = number
        self.piece = piece
        self.within = [within for within, place in enumerate(piece.places) if place in places]
        self.given = [piece.places[within] for within in self.within]
        self.known: list[tuple[str | None, ...]] = []  # the cells that were there, by the numbers that they have here
        self.map = array("i")  # from the piece's numbers
        self._chosen = _choice(self.within, len(piece.places))
        self._numbers: dict[tuple[str | None, ...], int] = {}

    def subs(self, native: Native, count: int, pieces: Sequence["array[int]"]) -> "array[int]":
        """Numbers for the cells of so many lines, whose pieces have those numbers."""
        numbers = address(pieces[self.number])
        cells = self.piece.cells
        if len(self.map) < len(cells):
            self.map.extend([-1] * (len(cells) - len(self.map)))
        found = zeros("i", count)
        new = native.lacking(count, numbers, address(self.map), address(found))
        chosen = self._chosen
        for number in found[:new]:
            mine = chosen(cells[number])
            known = self._numbers.get(mine)
            if known is None:
                known = self._numbers[mine] = len(self.known)
                self.known.append(mine)
            self.map[number] = known
        native.take(count, numbers, address(self.map), address(found))
        return found

    def forget(self) -> None:
        self.known.clear()
        self._numbers.clear()
        del self.map[:]


def _choice(within: Sequence[int], count: int) -> Callable[[Cells], tuple[str | None, ...]]:
    """What takes these of so many cells."""
    if list(within) == list(range(count)):
        return tuple
    if len(within) == 1:
        (only,) = within
        return lambda cells: (cells[only],)
    return itemgetter(*within) if within else lambda _: ()


def gathered(native: Native, values: "array[int]", places: "array[int]") -> "array[int]":
    """The 32-bit values at these places."""
    found = zeros("i", len(places))
    native.take(len(places), address(places), address(values), address(found))
    return found
