"""Cuts lines into pieces by a compiled loop: of each piece its number, of each line the second it was logged in."""

import ctypes
from array import array
from collections.abc import Callable, Sequence

from log_importer.native import Native, address, addresses, zeros
from log_importer.parsing.cuts import Clock, Cuts
from log_importer.translation.by_column.groups import Piece

_Pointer, _I32 = ctypes.c_void_p, ctypes.c_int32


class _Pieces(ctypes.Structure):
    """`pieces` of columns.c."""

    _fields_ = (
        ("tables", _Pointer), ("numbers", _Pointer), ("clock", _I32), ("slot", _I32), ("parts", _I32),
        ("seconds", _Pointer),
        ("around", ctypes.c_uint8 * 64), ("around_length", _I32), ("around_number", _I32),
    )  # fmt: skip


class _Text(ctypes.Structure):
    """`text` of columns.c."""

    _fields_ = (
        ("data", ctypes.c_char_p), ("starts", _Pointer), ("first", ctypes.c_int64), ("end", ctypes.c_int64),
        ("lines", _Pointer), ("longest", ctypes.c_uint32), ("high", _I32),
    )  # fmt: skip


class Cut:
    """The lines of a chunk that were cut."""

    def __init__(self, places: "array[int]", pieces: "Sequence[array[int]]", seconds: "array[int] | None") -> None:
        self.places = places
        self.pieces = pieces
        """By piece, the number of each line's."""
        self.seconds = seconds
        """`None` where the time's own number says it all."""


class Cutter:
    """Cuts lines in one way."""

    def __init__(
        self, native: Native, cuts: Cuts, pieces: Sequence[Piece], clock: Clock, wanted: frozenset[int], longest: int
    ) -> None:
        """`pieces` are those of `cuts`, `wanted` the columns that matter; `longest`: bytes of a line."""
        self._native = native
        self._longest = longest
        self.pieces = pieces
        asked = [bool(cuts.quotes) or bool(wanted & set(piece.places)) for piece in cuts.pieces]
        tables = [piece.table.at if one else 0 for piece, one in zip(self.pieces, asked, strict=True)]
        self._tables = addresses(tables)
        self._clock = next(
            (
                number for number, piece in enumerate(cuts.pieces)
                if clock.slot >= 0 and tuple(piece.places) == tuple(clock.places[-1:]) and piece.lead >= 0
            ), -1,
        )  # fmt: skip
        self._slot = clock.slot + (cuts.pieces[self._clock].lead if self._clock >= 0 else 0)
        self._parts = clock.parts
        self.split = self._clock >= 0
        """Whether a time's number is that of its day, hour or minute."""
        self._cut = self._way(cuts)

    def _way(self, cuts: Cuts) -> Callable[[int, int], int]:
        native, count = self._native, len(cuts.pieces)
        if cuts.quotes:
            first = ord(cuts.first) if cuts.first else 0
            return lambda text, pieces: native.cut_at_quotes(text, pieces, cuts.quotes, cuts.bracket, first)
        if cuts.delimiter:
            return lambda text, pieces: native.cut_at_delimiters(text, pieces, count, ord(cuts.delimiter))
        names = [ctypes.create_string_buffer(key.encode()) for key in cuts.keys]
        keys, lengths = addresses([ctypes.addressof(name) for name in names]), array("I", map(len, cuts.keys))
        needed = array("B", cuts.needed)

        def by_keys(text: int, pieces: int) -> int:
            assert names  # they are kept as long as this function
            return int(native.cut_at_keys(text, pieces, count, address(keys), address(lengths), address(needed)))

        return by_keys

    def cut(self, data: bytes, starts: "array[int]", first: int) -> Cut:
        """The lines of `data` from `first` on that can be cut; `starts` says where each begins."""
        room = len(starts) - 1 - first
        places, seconds = zeros("i", room), zeros("I", room)
        numbers = [zeros("i", room) if table else array("i") for table in self._tables]
        by_piece = addresses(list(map(address, numbers)))
        pieces = _Pieces(
            address(self._tables), address(by_piece), self._clock, self._slot, self._parts, address(seconds)
        )
        text = _Text(data, address(starts), first, first + room, address(places), self._longest, 1)
        count = self._cut(ctypes.addressof(text), ctypes.addressof(pieces))
        if count < 0:
            raise MemoryError
        for column in (places, seconds, *numbers):
            del column[count:]
        for piece in self.pieces:
            piece.learn()
        return Cut(places, numbers, seconds if self.split else None)
