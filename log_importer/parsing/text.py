"""The bytes of lines -> text: without their ends, a byte order mark, and what a hole left before them."""

BOM = "\ufeff"


def text_of(raw: bytes, encoding: str = "utf-8") -> str:
    """A line, given without its newline. What is no text in `encoding` stays what it is, as surrogates.

    NULs before it are of a hole that copytruncate left; a byte order mark begins each of the files that were joined.
    """
    return raw.decode(encoding, "surrogateescape").removesuffix("\r").lstrip("\0").removeprefix(BOM)


def texts_of(data: bytes, encoding: str, longest: int) -> list[str]:
    """The lines of `data`; one of more than `longest` bytes is empty."""
    lines = data.removesuffix(b"\n").split(b"\n")
    if b"\r" not in data and b"\0" not in data and max(map(len, lines)) <= longest:
        texts = data.decode(encoding, "surrogateescape").removeprefix(BOM).split("\n")  # many times faster
        if len(texts) - (not texts[-1]) == len(lines):
            return texts
    return [text_of(raw, encoding) if len(raw) <= longest else "" for raw in lines]


def split_lines(text: str) -> list[str]:
    """The lines of `text` without their ends (LF or CRLF) and without a byte order mark."""
    lines = text.removeprefix(BOM).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]
