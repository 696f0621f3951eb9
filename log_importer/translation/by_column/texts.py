"""Pieces of requests, numbered, and put together by a compiled loop."""

from array import array
from collections.abc import Sequence

from log_importer.native import Native, Table, address, addresses, blank, zeros

Text = tuple[Table, "array[int]"]
"""A table, and the number there of each row."""


def assembled(native: Native, parts: Sequence[Text]) -> "tuple[bytes, array[int]]":
    """What is one text after the other, of these tables, by their numbers in each row; and the length of each row."""
    count = len(parts[0][1])
    tables = addresses([table.at for table, _ in parts])
    numbers = addresses([address(column) for _, column in parts])
    lengths = zeros("I", count)
    size = native.measure(count, len(parts), address(tables), address(numbers), address(lengths))
    blob = blank(size)
    if size:
        native.assemble(count, len(parts), address(tables), address(numbers), blob)
    return blob, lengths


class Texts:
    """The text of each number of something, made when it is first asked for."""

    def __init__(self, native: Native) -> None:
        self._native = native
        self.table = Table(native)
        self.map = array("i")
        """Number of the thing -> number of its text, below 0 for none."""

    def lacking(self, numbers: "array[int]", known: int) -> "array[int]":
        """Those of `numbers`, all below `known`, that have no text yet, each once; each is to be `put`."""
        if len(self.map) < known:
            self.map.extend([-1] * (known - len(self.map)))
        found = zeros("i", len(numbers))
        count = self._native.lacking(len(numbers), address(numbers), address(self.map), address(found))
        del found[count:]
        return found

    def put(self, number: int, text: str | None) -> None:
        """The text of a number; `None`: it has none."""
        self.map[number] = -3 if text is None else self.table.add(text)

    def put_all(self, numbers: "array[int]", texts: Sequence[str]) -> None:
        """The texts of these numbers, none of which has a line end."""
        for number, text in zip(numbers, self.table.add_all(texts), strict=True):
            self.map[number] = text

    def of(self, numbers: "array[int]") -> "Text":
        """The text of each of these."""
        found = zeros("i", len(numbers))
        self._native.take(len(numbers), address(numbers), address(self.map), address(found))
        return self.table, found

    def forget(self) -> None:
        """Begins anew."""
        self.table.clear()
        del self.map[:]
