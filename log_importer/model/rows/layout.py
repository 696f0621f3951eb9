"""How requests lie in memory: of each a row of numbers, which say where its query lies among some texts.

So some thousands of them are a run of bytes, which is cut, joined and put in another order as such, while the queries,
most of what there is, stay where they are. native/rows.c has the same layout.
"""

from array import array
from struct import Struct
from typing import NamedTuple

ROW = Struct("=QQdQQIIIIIHH")
_COLUMNS = {
    "number": ("Q", 0), "offset": ("Q", 1), "time": ("d", 2), "visitor": ("Q", 3), "begin": ("Q", 4),
    "agent": ("I", 10), "source": ("I", 11), "site": ("I", 12), "doubts": ("I", 13), "length": ("I", 14),
    "lane": ("H", 30), "text": ("H", 31),
}  # fmt: skip
"""Name -> type code, and which of the row's numbers of that size it is."""
MOST_TEXTS = 1 << 16
"""How many texts the rows of one part can lie in."""


class Part(NamedTuple):
    """Some requests: the query of each is `length` bytes from `begin` on of the text of that number."""

    rows: bytes
    texts: tuple[bytes, ...]


def column(rows: bytes | bytearray, name: str) -> "memoryview[int]":
    """One number of each row; those of a `bytearray` can be changed in it."""
    code, place = _COLUMNS[name]
    if not rows:
        return memoryview(array(code))
    whole: memoryview[int] = memoryview(rows).cast(code)  # type: ignore[call-overload]  # it knows these codes
    return whole[place :: ROW.size // whole.itemsize]


def packed(rows: bytes, name: str) -> bytes:
    """The same numbers one behind another, which is quicker where all of them are looked through."""
    code, place = _COLUMNS[name]
    whole = array(code, rows)
    return whole[place :: ROW.size // whole.itemsize].tobytes()


def word(name: str) -> int:
    """Where in a row that number of 32 bits stands, in such numbers."""
    code, place = _COLUMNS[name]
    assert code == "I"
    return place
