"""The `json` driver: one JSON object a line, columns reached by paths such as `request/headers/User-Agent/0`.

Numbers and strings are both taken, a missing key is an absent value.
"""

import json
import re
from collections.abc import Sequence
from itertools import compress
from typing import Any

import orjson

from log_importer.parsing.columns import NOTHING, Column, Columns
from log_importer.parsing.cuts import Cells, Cuts, PieceOf
from log_importer.parsing.decoders import rejoin
from log_importer.parsing.spec import FormatSpec

# nginx without escape=json writes bytes as \x22, which JSON does not know; the first branch passes real escapes by.
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|.)")

_BLANKS = " \t\r\n"
"""What JSON lets stand around a value."""


class JsonDriver:
    """Reads the wanted columns of an object; `keys` must be in it."""

    def __init__(self, spec: FormatSpec, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._keys = [key.split("/") for key in spec.detect]
        self._repair: bool = spec.options.get("repair", False)
        self._paths = [column.split("/") for column in self.columns]

    def read(self, line: str) -> Sequence[str | None] | None:
        """The values in the order of `columns`, or `None` where the line is no such object."""
        if not line.lstrip(_BLANKS).startswith("{"):
            return None
        document = self._load(line)
        if not isinstance(document, dict) or not all(_has(document, key) for key in self._keys):
            return None
        return [_text(_reach(document, path)) for path in self._paths]

    def read_all(self, lines: Sequence[str]) -> Columns:
        """The columns of those lines that are sound JSON."""
        places, documents = [], []
        for place, line in enumerate(lines):
            try:
                document = orjson.loads(line)
            except ValueError:
                continue
            if type(document) is dict:
                places.append(place)
                documents.append(document)
        if not all(_has(document, key) for key in self._keys for document in documents):
            good = [all(_has(document, key) for key in self._keys) for document in documents]
            places, documents = list(compress(places, good)), list(compress(documents, good))
        return Columns(places, [_column(documents, path) for path in self._paths]) if places else NOTHING

    def cuts(self) -> dict[int, Cuts]:
        """How objects can be cut that have no others in them."""
        needed = ["/".join(key) for key in self._keys]
        keys = list(dict.fromkeys([*self.columns, *needed]))
        if any("/" in key or not key.isascii() or key in ('"', "\\") for key in keys):
            return {}
        pieces = [
            PieceOf((place,) if place < len(self.columns) else (), _cell, 1 if place < len(self.columns) else -1)
            for place in range(len(keys))
        ]
        return {0: Cuts(pieces, keys=keys, needed=[key in needed for key in keys])}

    def stopped_at(self, line: str) -> int:
        """Where the JSON breaks; 0 where it is sound, but not an object with the keys."""
        try:
            json.loads(line)
        except json.JSONDecodeError as error:
            return error.pos
        except (ValueError, RecursionError):
            return 0
        return 0

    def _load(self, line: str) -> Any:
        try:
            return orjson.loads(line)
        except ValueError:
            pass
        try:
            if self._repair and "\\x" in line:
                line = rejoin(_ESCAPE.sub(_escape, line))
            return json.loads(line)  # unlike orjson it takes stray bytes
        except (ValueError, RecursionError):
            return None


def _cell(text: str) -> Cells | None:
    """What a value says that has no escapes; `None` where it is not in UTF-8."""
    if text[0] == '"':
        return (text[1:-1],) if text.isascii() or not _STRAY.search(text) else None
    return (_text(orjson.loads(text)),)


_STRAY = re.compile("[\ud800-\udfff]")


def _column(documents: Sequence[dict[str, Any]], path: Sequence[str]) -> Column:
    if len(path) == 1:
        key = path[0]
        found = [document.get(key) for document in documents]
    else:
        found = [_reach(document, path) for document in documents]
    return [value if type(value) is str else _text(value) for value in found]


def _escape(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[0]
    byte = int(match[1], 16)
    return f"\\u{byte:04x}" if byte < 0x80 else chr(0xDC00 + byte)


def _reach(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _has(document: Any, path: Sequence[str]) -> bool:
    parent = _reach(document, path[:-1])
    return isinstance(parent, dict) and path[-1] in parent


def _text(value: Any) -> str | None:
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        # Headers are lists of values; the first is the one that counts.
        return _text(value[0]) if value and not isinstance(value[0], list) else None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # 200.0 is the status 200
    return None if isinstance(value, dict) else str(value)
