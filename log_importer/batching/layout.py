"""How requests lie in memory: of each a row of numbers, and its query among the texts, in the order of the rows.

So some thousands of them are two runs of bytes, which are cut and joined as such; native/rows.c has the same layout.
"""

from array import array
from struct import Struct
from typing import NamedTuple

ROW = Struct("=QQdQIIIIIHxx")
_COLUMNS = {
    "number": ("Q", 0), "offset": ("Q", 1), "time": ("d", 2), "visitor": ("Q", 3), "agent": ("I", 8),
    "source": ("I", 9), "site": ("I", 10), "doubts": ("I", 11), "length": ("I", 12), "lane": ("H", 26),
}  # fmt: skip
"""Name -> type code, and which of the row's numbers of that size it is."""


class Part(NamedTuple):
    """Some requests."""

    rows: bytes
    texts: bytes
    begin: int = 0  # of the first one's query among the texts, which may have others before and behind


def column(rows: bytes | bytearray, name: str) -> "memoryview[int]":
    """One number of each row; those of a `bytearray` can be changed in it."""
    code, place = _COLUMNS[name]
    if not rows:
        return memoryview(array(code))
    whole: memoryview[int] = memoryview(rows).cast(code)  # type: ignore[call-overload]  # it knows these codes
    return whole[place :: ROW.size // whole.itemsize]


def word(name: str) -> int:
    """Where in a row that number of 32 bits stands, in such numbers."""
    code, place = _COLUMNS[name]
    assert code == "I"
    return place
