"""Through here goes everything that comes from a log or a server and is printed."""

import json
import re
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
    """`value` as JSON, UTF-8, in which strings hold what a terminal would act on as escapes."""
    option = orjson.OPT_INDENT_2 if indent else None
    try:
        data = orjson.dumps(value, option=option)
    except TypeError:  # a name that is no UTF-8
        data = orjson.dumps(json.loads(_SURROGATE.sub(_escaped, json.dumps(value))), option=option)
    text = data.decode()
    if text.replace("\n", "").isprintable():
        return data
    escaped = (json.dumps(c)[1:-1] if unicodedata.category(c) in _HIDDEN and c != "\n" else c for c in text)
    return "".join(escaped).encode()


_SURROGATE = re.compile(r"(?<!\\)((?:\\\\)*)\\udc([89a-f][0-9a-f])")
"""A byte that is no UTF-8, as JSON has it that is all ASCII; not behind an odd number of backslashes."""


def _escaped(match: re.Match[str]) -> str:
    return rf"{match[1]}\\x{match[2]}"


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
