"""UTF-16 and UTF-32, in which a newline is more than a byte, made UTF-8 before lines are cut."""

import codecs
from collections.abc import Iterator

_WIDE = ("utf-16", "utf-32")
_ENOUGH = 16
_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def wide_encoding(name: str) -> str:
    """`name` where it is an encoding of several bytes to a newline, else ""."""
    return name if name.startswith(_WIDE) else ""


def text_codec(name: str) -> str:
    """The encoding of lines once they are cut."""
    return "utf-8" if wide_encoding(name) else name


def marked(head: bytes) -> str:
    """The encoding that the beginning of a source tells by its byte order mark or its NULs; "" where it is neither."""
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    if mark:
        return {4: "utf-32", 2: "utf-16"}[len(mark)]
    even, odd = head[0:64:2], head[1:64:2]
    if len(head) >= _ENOUGH and all(even) and not any(odd):  # a NUL stands beside each character of ASCII
        return "utf-16-le"
    return "utf-16-be" if len(head) >= _ENOUGH and all(odd) and not any(even) else ""


def as_utf8(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """`blocks` of text in `encoding` as UTF-8; what is not valid becomes a replacement character."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "replace")
    if rest := decoder.decode(b"", True).encode("utf-8", "replace"):
        yield rest
