"""Through here goes everything that comes from a log or a server and is printed."""

import json
import unicodedata
from typing import Any

import orjson

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Control characters, format characters (bidi overrides among them), surrogates, line and paragraph separators."""


def visible(text: str | bytes, limit: int = 200) -> str:
    """`text` on one line, with what a terminal would act on written out as escapes; cut to `limit` characters.

    Bytes are read as UTF-8; those that are none, and surrogates that stand for such bytes, come out as `\\xff`.
    """
    if isinstance(text, bytes):
        # At most 4 bytes make a character, and one character more tells that there is more.
        text = text[: 4 * limit + 4].decode("utf-8", "surrogateescape")
    cut = text[:limit]
    if not cut.isprintable():
        cut = "".join(_escape(c) if unicodedata.category(c) in _HIDDEN else c for c in cut)
    return cut + "..." if len(text) > limit else cut


def visible_json(value: Any, *, indent: bool = False) -> bytes:
    """`value` as JSON, UTF-8, in which strings hold what a terminal would act on as escapes.

    Bytes that are no UTF-8, as in the name of a file, come out as the text `\\xff`.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    except TypeError:  # names hold bytes that are no UTF-8
        text = json.dumps(
            value, ensure_ascii=False, indent=2 if indent else None, separators=None if indent else (",", ":")
        )
    if not text.replace("\n", "").isprintable():
        text = "".join(_in_json(c) if unicodedata.category(c) in _HIDDEN and c != "\n" else c for c in text)
    return text.encode()


def escape_all(error: UnicodeError) -> tuple[str, int]:
    """For `codecs.register_error`: what an encoding has no bytes for is written as escapes."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_escape, error.object[error.start : error.end])), error.end


def _in_json(character: str) -> str:
    # No JSON has a lone surrogate that all can read: in its place stands the text that people see.
    return json.dumps(_escape(character) if "\ud800" <= character <= "\udfff" else character)[1:-1]


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
