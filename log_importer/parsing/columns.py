"""Many lines read at once, as columns: what lines have in common is then worked out once and not line by line."""

from collections.abc import Sequence
from typing import NamedTuple

Column = Sequence[str | None]


class Columns(NamedTuple):
    """Those of some lines that could be read."""

    places: Sequence[int]  # which lines, ascending
    values: Sequence[Column]  # by column; entry i of each belongs to the line at place i


NOTHING = Columns((), ())
