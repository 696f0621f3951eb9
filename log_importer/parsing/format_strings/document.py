"""Tokens of a format string -> the text of the format file that it stands for."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from log_importer.model.errors import FormatError
from log_importer.parsing.format_strings.columns import Column, Token
from log_importer.parsing.format_strings.pattern import ORIGIN, Pattern

NAME = "log-format"
_REQUIRED = {
    "time": "the time (%t, $time_local)",
    "client_ip": "the client's address (%h, $remote_addr)",
    "path": "the path (%r, $request)",
}
_ORDER = (
    "time", "client_ip", "forwarded_for", "user_id", "method", "scheme", "host", "path", "query", "protocol", "status",
    "bytes_sent", "duration", "referrer", "user_agent", "accept_language", "visitor_cookie",
)  # fmt: skip
_DECODED = ("user_id", "path", "referrer", "user_agent")
_REQUEST_LINE = {"method": "method", "path": "path", "protocol": "protocol", "request": "path"}


def text_document(tokens: Sequence[Token], escapes: Sequence[str]) -> str:
    """The file for lines of text; `escapes` are the decoders that undo what the server does to values."""
    pattern = Pattern(tokens, quotes=bool(escapes))
    columns = list(pattern.groups.items())
    body = f"[regex]\npattern = '''\n{pattern.source}\n'''\n"
    return _document("regex", body, columns, escapes)


def json_document(tokens: Sequence[Token], *, repair: bool) -> str:
    """The file for lines that are JSON objects; `repair`: the server writes bytes as \\x22, which is no JSON."""
    body = "[json]\nrepair = true\n" if repair else ""
    columns: list[tuple[str, Column]] = []
    taken = set[str]()
    for path, parts in _leaves(_template(tokens), ""):
        held = [part for part in parts if isinstance(part, Column)]
        if len(parts) == 1 and held and held[0].kind not in ("request", "host", "query"):
            columns.append((path, held[0]))
        elif held:
            pattern = Pattern(parts, quotes=False)
            if clash := taken & pattern.groups.keys():
                raise FormatError(f"{ORIGIN}: {min(clash)} stands in several keys as a part of them.")
            taken |= pattern.groups.keys()
            body += f"\n[extract.{json.dumps(path)}]\npattern = '''^\n{pattern.source}\n'''\n"
            columns += pattern.groups.items()
    return _document("json", body, columns, ())


def _template(tokens: Sequence[Token]) -> Any:
    """The template parsed as JSON, its columns as numbers between control characters."""
    text, inside = "", False
    for index, token in enumerate(tokens):
        if isinstance(token, Column):
            mark = f"\x01{index}\x01"
            text += mark if inside else f'"{mark}"'
            continue
        escaped = False
        for character in token:
            inside ^= character == '"' and not escaped
            escaped = character == "\\" and not escaped
        text += token
    try:
        return _numbered(json.loads(text, strict=False), tokens)
    except ValueError:
        raise FormatError(f"{ORIGIN}: it begins as JSON, but is none.", "Copy all of the definition.") from None


def _numbered(value: Any, tokens: Sequence[Token]) -> Any:
    if isinstance(value, dict):
        return {key: _numbered(child, tokens) for key, child in value.items()}
    if isinstance(value, list):
        return {str(index): _numbered(child, tokens) for index, child in enumerate(value)}
    parts = value.split("\x01") if isinstance(value, str) else []
    return [tokens[int(part)] if number % 2 else part for number, part in enumerate(parts) if part]


def _leaves(value: Any, path: str) -> list[tuple[str, list[Token]]]:
    if isinstance(value, dict):
        return [
            leaf for key, child in value.items() for leaf in _leaves(child, f"{path}/{key}" if path else str(key))
        ]  # fmt: skip
    return [(path, value)]


def _document(driver: str, body: str, columns: Sequence[tuple[str, Column]], escapes: Sequence[str]) -> str:
    fields = _fields(columns, escapes)
    for name, words in _REQUIRED.items():
        if name not in fields:
            raise FormatError(f"{ORIGIN}: no column holds {words}, and no hit can do without.")
    lines = [f"{name} = {_toml(fields[name])}" for name in _ORDER if name in fields]
    head = f'schema = 1\nname   = "{NAME}"\ntitle  = "From a format string"\ndriver = "{driver}"\n'
    absent = 'absent = ["-", "", "(null)"]\n' if driver == "json" else ""
    return f"{head}{absent}\n{body}\n[fields]\n" + "\n".join(lines) + "\n"


def _fields(columns: Sequence[tuple[str, Column]], escapes: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    ranked: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for group, column in columns:
        name = _REQUEST_LINE[group] if column.kind == "request" and group in _REQUEST_LINE else column.field
        if column.kind == "request" and group not in _REQUEST_LINE:
            name = "path"  # a key that is the whole request line
        if not name or name == "time":
            continue
        table: dict[str, Any] = {"from": group}
        if column.unit:
            table["unit"] = column.unit
        if escapes and name in _DECODED:
            table["decode"] = list(escapes)
        if column.kind == "request" and name == "path":
            table["default"] = ""
        ranked.setdefault(name, []).append((column.rank + (group == "request"), table))
    found = {name: [table for _, table in sorted(tables, key=lambda one: one[0])] for name, tables in ranked.items()}
    if "client_ip" not in found and "forwarded_for" in found:
        found["client_ip"] = found["forwarded_for"]
    if times := _times(columns):
        found["time"] = times
    return found


def _times(columns: Sequence[tuple[str, Column]]) -> list[dict[str, Any]]:
    """One column with date and clock, or several that are parts of it."""
    held = [(group, column) for group, column in columns if column.field == "time"]
    for group, column in held:
        whole = not column.layout.startswith("%") or ("%S" in column.layout and ("%Y" in column.layout))
        if whole and not (column.layout != "epoch" and "%z" not in column.layout and _has_zone(held)):
            unit = {"unit": column.unit} if column.unit else {}
            return [{"from": group, "layout": column.layout, **unit}]
    parts = [(group, column.layout) for group, column in held if column.layout.startswith("%")]
    if not parts:
        return []
    return [{"join": [group for group, _ in parts], "layout": " ".join(layout for _, layout in parts)}]


def _has_zone(held: Sequence[tuple[str, Column]]) -> bool:
    return any(column.layout == "%z" for _, column in held)


def _toml(tables: Sequence[Mapping[str, Any]]) -> str:
    default = next((table["default"] for table in tables if "default" in table), None)
    merged: list[dict[str, Any]] = []
    for table in tables:
        plain = {key: value for key, value in table.items() if key != "default"}
        last = merged[-1] if merged else None
        if last is not None and {**last, "from": ""} == {**plain, "from": ""}:
            last["from"] = [*_as_list(last["from"]), plain["from"]]
        else:
            merged.append(plain)
    if default is not None:
        merged[-1]["default"] = default
    rows = ["{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + " }" for table in merged]
    return rows[0] if len(rows) == 1 else f"[{', '.join(rows)}]"


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
