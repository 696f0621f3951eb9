"""Ascending numbers, such as the offsets of a batch's lines, packed into a few bytes each.

Differences in the fewest bytes that hold them all. Not compressed: that lets another thread in, which keeps us waiting
for longer than the rest takes.
"""

from array import array
from collections.abc import Iterable
from itertools import accumulate, chain
from operator import sub
from zlib import crc32, decompress
from zlib import error as zlib_error

from log_importer.native import address, blank, load

_WIDTHS = (("B", 1 << 8), ("H", 1 << 16), ("I", 1 << 32), ("Q", 1 << 64))


def pack(numbers: Iterable[int]) -> bytes:
    """`numbers`, ascending, as bytes that carry a checksum."""
    values = numbers if isinstance(numbers, array) and numbers.typecode == "Q" else array("Q", numbers)
    code, steps = _steps(values)
    body = code.encode() + values[:1].tobytes() + steps
    return crc32(body).to_bytes(4, "little") + body


def _steps(values: "array[int]") -> tuple[str, bytes]:
    native = load()
    if native is None:
        return steps_in_python(values)
    steps = blank(8 * len(values))
    width = native.differences(len(values), address(values), steps)
    return next(code for code, beyond in _WIDTHS if beyond == 1 << 8 * width), steps[: width * max(0, len(values) - 1)]


def steps_in_python(values: "array[int]") -> tuple[str, bytes]:
    """The differences of ascending numbers, in the fewest bytes that hold them all, and the code of their type."""
    steps = list(map(sub, values[1:], values))
    widest = max(steps, default=0)
    code = next(code for code, beyond in _WIDTHS if widest < beyond)
    return code, array(code, steps).tobytes()


def unpack(data: bytes) -> "array[int]":
    """The numbers again. Raises `ValueError` where the bytes are damaged."""
    body = data[4:]
    if len(data) < 5 or crc32(body) != int.from_bytes(data[:4], "little"):
        return _inflated(data)
    first, steps = array("Q"), array(body[:1].decode())
    first.frombytes(body[1:9])
    steps.frombytes(body[9:])
    return array("Q", accumulate(chain(first, steps)))


def _inflated(data: bytes) -> "array[int]":
    """What the first ledgers hold: compressed differences of eight bytes each, with zlib's own checksum."""
    steps = array("Q")
    try:
        steps.frombytes(decompress(data))
    except zlib_error:
        raise ValueError("the checksum is another") from None
    return array("Q", accumulate(steps))
