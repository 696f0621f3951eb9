"""How much of what they have given decoders must hold at once, as the members' own headers say.

A library says only that it would be too much, not how much it would be.
"""

WINDOW = 512 << 20
"""Bytes of window that a source may need, unless the user allows more."""
_XZ_HEADER = 12
"""Bytes before the first block."""
_LZMA2 = 0x21


def no_window(_head: bytes) -> int:
    """gzip holds 32 KiB, bzip2 some megabytes, whatever is in them."""
    return 0


def zstd_window(head: bytes) -> int | None:
    """The bytes that reading a zstd frame takes (RFC 8878, 3.1.1.1); `None` where `head` is too short to tell."""
    if not head.startswith(b"\x28"):
        return 0  # it is skipped
    if len(head) < 6:
        return None
    descriptor = head[4]
    if not descriptor & 0x20:
        exponent, mantissa = head[5] >> 3, head[5] & 7
        return (1 << 10 + exponent) // 8 * (8 + mantissa)
    start = 5 + (0, 1, 2, 4)[descriptor & 3]  # behind the number of a dictionary
    end = start + (1, 2, 4, 8)[descriptor >> 6]
    return int.from_bytes(head[start:end], "little") if len(head) >= end else None


def xz_window(head: bytes) -> int | None:
    """The bytes of the dictionary of an xz stream's first block; `None` where `head` is too short to tell.

    0 where there is no block, or what stands there is damaged. (The .xz file format, 3.1 and 5.3.1)
    """
    if len(head) <= _XZ_HEADER:
        return None
    if not head[_XZ_HEADER]:
        return 0
    end = _XZ_HEADER + (head[_XZ_HEADER] + 1) * 4
    if len(head) < end:
        return None
    try:
        return _dictionary(head[_XZ_HEADER:end])
    except IndexError:
        return 0


def _dictionary(block: bytes) -> int:
    at = 2
    for present in (0x40, 0x80):  # the sizes, compressed and not
        if block[1] & present:
            _, at = _number(block, at)
    for _ in range((block[1] & 3) + 1):
        kind, at = _number(block, at)
        length, at = _number(block, at)
        if kind == _LZMA2:
            return (2 | block[at] & 1) << block[at] // 2 + 11 if block[at] <= 40 else 0
        at += length
    return 0


def _number(block: bytes, at: int) -> tuple[int, int]:
    """The number of variable length at `at`, and where it ends."""
    number = shift = 0
    while True:
        number |= (block[at] & 0x7F) << shift
        at += 1
        if not block[at - 1] & 0x80:
            return number, at
        shift += 7
