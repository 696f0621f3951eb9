"""What was worked out of some cells of lines, kept for the next lines that have the same."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from log_importer.model import Hit
from log_importer.parsing.columns import Columns
from log_importer.parsing.parser import Part

MOST = 4096
"""Values of a kind that are remembered."""
_LONGEST = 2048
"""Characters of all cells; more are worked out each time, so that clients who invent them cannot fill the memory."""
Cells = tuple[str | None, ...]
Key = TypeVar("Key")
Value = TypeVar("Value")


class Memory(dict[Key, Value]):
    """Works a value out where it has none."""

    def __init__(self, work_out: Callable[[Key], Value]) -> None:
        self._work_out = work_out

    def __missing__(self, key: Key) -> Value:
        if len(self) >= MOST:
            self.clear()
        value = self[key] = self._work_out(key)
        return value


class Cached(dict[Cells | str | None, Value]):
    """Of the cells that a part of a hit is read from; where that is one, of the cell."""

    def __init__(self, work_out: Callable[[Hit], Value], otherwise: Value, part: Part) -> None:
        """`otherwise` is the value where `part` reads nothing."""
        self._work_out = work_out
        self._otherwise = otherwise
        self._part = part

    def __missing__(self, key: Cells | str | None) -> Value:
        cells = key if isinstance(key, tuple) else (key,)
        hit = self._part.read(cells)
        value = self._otherwise if hit is None else self._work_out(hit)
        if sum([len(cell) for cell in cells if cell is not None]) <= _LONGEST:
            if len(self) >= MOST:
                self.clear()
            self[key] = value
        return value

    def of(self, columns: Columns, some: Sequence[int] | None = None) -> list[Value]:
        """What there is of each line of `columns`, or of `some` of them."""
        cells = [columns.values[place] for place in self._part.places]
        if not cells:
            return [self[()]] * len(columns.places if some is None else some)
        if some is not None and len(some) < len(columns.places):
            cells = [[column[number] for number in some] for column in cells]
        return list(map(self.__getitem__, zip(*cells, strict=True) if len(cells) > 1 else cells[0]))
