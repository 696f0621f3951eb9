"""How lines can be cut without a pattern: where, and what each piece says."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

Cells = Sequence[str | None]


class PieceOf(NamedTuple):
    """A piece that lines have at the same place."""

    places: Sequence[int]  # of the columns that it gives
    read: Callable[[str], Cells | None]
    """Its text -> the cells of these columns; `None` where its line is to be read in another way."""
    lead: int = 0
    """Characters before the only cell, which stands in it as it is; -1 where that is otherwise."""


class Cuts(NamedTuple):
    """Of lines that are alike."""

    pieces: Sequence[PieceOf]
    quotes: int = 0  # cut at so many
    bracket: bool = False  # and at the first bracket before them
    first: str = ""  # and before that, before the first of these characters
    delimiter: str = ""  # cut at each of these
    keys: Sequence[str] = ()  # values of so many keys of a flat object
    needed: Sequence[bool] = ()  # which of them must be there


class Clock(NamedTuple):
    """When a line was logged, told by some of its cells."""

    places: Sequence[int]  # of the columns that it needs
    slot: int  # of the last of these cells, where the two digits of the second stand; -1 for no certain place
    tell: Callable[[Cells], float | None]
    """The cells -> seconds since 1970 UTC; `None` where only the whole line can say."""
    begin: Callable[[Cells], float | None]
    """The same of cells that have 00 at the slot, and at the other `parts`, and of those only."""
    parts: int = 1
    """2: the minute stands three before the slot; 3: and the hour six. All days have as many then."""
