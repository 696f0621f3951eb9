"""Ascending numbers, such as the offsets of a batch's lines, packed into a few bytes each."""

import zlib
from array import array
from collections.abc import Iterable
from itertools import accumulate, chain
from operator import sub


def pack(numbers: Iterable[int]) -> bytes:
    """`numbers`, ascending, as bytes that carry a checksum."""
    values = array("Q", numbers)
    return zlib.compress(array("Q", map(sub, values, chain((0,), values))).tobytes(), 1)


def unpack(data: bytes) -> "array[int]":
    """The numbers again. Raises `ValueError` where the bytes are damaged."""
    deltas = array("Q")
    try:
        deltas.frombytes(zlib.decompress(data))
    except zlib.error as error:
        raise ValueError(str(error)) from None
    return array("Q", accumulate(deltas))
