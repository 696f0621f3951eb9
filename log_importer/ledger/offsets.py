"""Ascending numbers, such as the offsets of a batch's lines, packed into a few bytes each.

Differences in the fewest bytes that hold them all. Not compressed: that lets another thread in, which keeps us waiting
for longer than the rest takes.
"""

from array import array
from collections.abc import Iterable
from itertools import accumulate, chain
from operator import sub
from zlib import crc32

_WIDTHS = (("B", 1 << 8), ("H", 1 << 16), ("I", 1 << 32), ("Q", 1 << 64))


def pack(numbers: Iterable[int]) -> bytes:
    """`numbers`, ascending, as bytes that carry a checksum."""
    values = array("Q", numbers)
    steps = list(map(sub, values[1:], values))
    widest = max(steps, default=0)
    code = next(code for code, beyond in _WIDTHS if widest < beyond)
    body = code.encode() + values[:1].tobytes() + array(code, steps).tobytes()
    return crc32(body).to_bytes(4, "little") + body


def unpack(data: bytes) -> "array[int]":
    """The numbers again. Raises `ValueError` where the bytes are damaged."""
    body = data[4:]
    if len(data) < 5 or crc32(body) != int.from_bytes(data[:4], "little"):
        raise ValueError("the checksum is another")
    first, steps = array("Q"), array(body[:1].decode())
    first.frombytes(body[1:9])
    steps.frombytes(body[9:])
    return array("Q", accumulate(chain(first, steps)))
