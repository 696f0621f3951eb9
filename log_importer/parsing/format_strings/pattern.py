"""Tokens of a format string -> the pattern that reads such lines.

What a column holds ends where the text behind it begins, so that text has to be something that it cannot hold. Where
that cannot be, as with a user agent that ends at a blank, it is said, rather than reading half of the value.
"""

import re
from collections.abc import Callable, Sequence

from log_importer.model.errors import FormatError
from log_importer.parsing.format_strings.columns import Column, Token
from log_importer.parsing.pieces import NAMED_PIECES, PIECES

ORIGIN = "--log-format"

_NUMBER = r"-?[0-9]*+(?:\.[0-9]++)?+"
_DIRECTIVES = {
    "d": "[0-9 ][0-9]", "m": "[0-9]{2}", "y": "[0-9]{2}", "Y": "[0-9]{4}", "H": "[0-9 ][0-9]", "M": "[0-9]{2}",
    "S": "[0-9]{2}", "I": "[0-9]{2}", "j": "[0-9]{3}", "b": "[^0-9/\\ ]++", "B": "[^0-9/\\ ]++", "a": "[^0-9,\\ ]++",
    "A": "[^0-9,\\ ]++", "p": "[AaPp][Mm]", "z": "(?:[+-][0-9]{2}:?[0-9]{2}|Z)", "f": "[0-9]++", "%": "%",
}  # fmt: skip
_LAYOUTS = {
    "epoch": r"[0-9]++(?:\.[0-9]++)?+",
    "iso8601": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T\ ][0-9:.]++(?:[+-][0-9:]++|Z)?+",
}


class Pattern:
    """The pattern and which of its groups holds which column."""

    def __init__(self, tokens: Sequence[Token], *, quotes: bool = True) -> None:
        """`quotes`: quotes inside values are escaped; not so by HAProxy, or where the text comes out of JSON."""
        self._quotes = quotes
        self.groups: dict[str, Column] = {}
        """Group -> its column; those of a request line are `method`, `path`, `protocol` and `request`."""
        parts: list[str] = []
        tokens = _merged(tokens)
        for index, token in enumerate(tokens):
            if isinstance(token, str):
                parts.append(_escape(token))
                continue
            before = tokens[index - 1] if index else ""
            after = tokens[index + 1] if index + 1 < len(tokens) else ""
            beyond = tokens[index + 2] if index + 2 < len(tokens) else ""
            parts.append(self._column(token, before, after, beyond))
        self.source = "\n".join(parts)

    def _column(self, column: Column, before: Token, after: Token, beyond: Token) -> str:
        inside = isinstance(before, str) and before.endswith('"') and isinstance(after, str) and after.startswith('"')
        if inside and column.kind == "request" and "request" not in self.groups:
            self._add_request(column)
            return PIECES["request"]
        if inside and self._quotes and column.kind not in ("time", "number"):
            if column.kind == "query":
                return rf"\??{NAMED_PIECES['quoted'].replace('NAME', self._group(column))}"
            return NAMED_PIECES["quoted"].replace("NAME", self._group(column))
        if isinstance(after, Column) and column.kind not in _ENDS_ITSELF:
            raise FormatError(
                f"{ORIGIN}: nothing tells where {column.name} ends and {after.name} begins.",
                "Put a blank or quotes between them in the server's configuration.",
            )
        if column.kind == "request":
            return self._bare_request(column, after)
        stop = after if isinstance(after, str) else beyond if isinstance(beyond, str) else ""
        if column.kind == "free" and stop == " ":
            raise FormatError(
                f"{ORIGIN}: {column.name} may hold blanks, and nothing but a blank tells where it ends.",
                "Put quotes around it in the server's configuration.",
            )
        return KINDS[column.kind](self._group(column), stop, column, isinstance(beyond, Column), after)

    def _add_request(self, column: Column) -> None:
        for name in ("method", "path", "protocol", "request"):
            self.groups[name] = column

    def _bare_request(self, column: Column, after: Token) -> str:
        if "request" in self.groups:
            return _text(self._group(column), after if isinstance(after, str) else "")
        self._add_request(column)
        begin = r"(?P<method>[A-Z_-]++)\ (?P<path>"
        if not after:  # blanks in the path are told from that before the protocol by the end of the line
            path = r"[^\ ]*+(?:\ (?!HTTP/[0-9.]++$)[^\ ]*+)*+)(?:\ (?P<protocol>HTTP/[0-9.]++))?$"
            return rf"(?:{begin}{path}|(?P<request>.*+))"
        stop = after if isinstance(after, str) else ""
        other = _text("request", stop) if stop != " " else r"(?P<request>-)"
        return rf"(?:{begin}[^\ {_class(stop)}]++)(?:\ (?P<protocol>HTTP/[0-9.]++))?|{other})"

    def _group(self, column: Column) -> str:
        base = re.sub(r"[^a-z0-9]+", "_", column.name.lower()).strip("_") or "column"
        base = f"column_{base}" if base[0].isdigit() else base
        group, number = base, 2
        while group in self.groups:
            group, number = f"{base}_{number}", number + 1
        self.groups[group] = column
        return group


def _merged(tokens: Sequence[Token]) -> list[Token]:
    found: list[Token] = []
    for token in tokens:
        last = found[-1] if found else None
        if isinstance(token, str) and isinstance(last, str):
            found[-1] = last + token
        elif token != "":
            found.append(token)
    return found


def _escape(text: str) -> str:
    return re.escape(text).replace("\\\t", r"\t").replace('\\"', '"')


def _class(stop: str) -> str:
    """The first character of what comes behind, to stand in a class that already excludes blanks."""
    return "" if stop[:1] in ("", " ") else re.escape(stop[0]).replace("\t", "t")


def _text(group: str, stop: str, *_: object) -> str:
    """Anything, up to `stop`."""
    if not stop:
        return rf"(?P<{group}>.*+)"
    first = _escape(stop[0])
    if len(stop) == 1:
        return rf"(?P<{group}>[^{first}]*+)"
    return rf"(?P<{group}>[^{first}]*+(?:{first}(?!{_escape(stop[1:])})[^{first}]*+)*+)"


def _word(group: str, stop: str, *_: object) -> str:
    return rf"(?P<{group}>[^\ {_class(stop)}]*+)"


def _number(group: str, *_: object) -> str:
    return rf"(?P<{group}>{_NUMBER})"


def _numbers(group: str, *_: object) -> str:
    # A server behind the proxy that failed, and the next one, are joined by commas, internal redirects by colons.
    return rf"(?P<{group}>{_NUMBER}(?:(?:,\ |\ :\ ){_NUMBER})*+)"


def _list(group: str, stop: str, *_: object) -> str:
    value = rf"[^\ ,{_class(stop)}]*+"
    return rf"(?P<{group}>{value}(?:(?:,\ ?|\ :\ ){value})*+)"


def _address(group: str, stop: str, _column: Column, number_next: bool, *_: object) -> str:
    if stop == ":" and number_next:  # the port stands behind the last colon, also of an IPv6 address
        return rf"(?P<{group}>[^\ :]*+(?::(?![0-9]++(?![0-9A-Fa-f:]))[^\ :]*+)*+)"
    return rf"(?P<{group}>\[[^\]\ ]*+\](?::[0-9]++)?|[^\ {_class(stop)}]*+)"


def _host(group: str, stop: str, *_: object) -> str:
    port = "" if stop[:1] == ":" else "(?::[0-9]++)?"
    return rf"(?P<{group}>\[[^\]\ ]*+\]|[^\ /:{_class(stop)}]*+){port}"


def _path(group: str, stop: str, _column: Column, _number_next: bool, after: Token) -> str:
    query = r"?" if isinstance(after, Column) else ""
    return rf"(?P<{group}>[^\ {query}{_class(stop)}]*+)"


def _query(group: str, stop: str, *_: object) -> str:
    return rf"\??(?P<{group}>[^\ {_class(stop)}]*+)"


def _mark(group: str, *_: object) -> str:
    return rf"(?P<{group}>\??)"


def _user(group: str, stop: str, *_: object) -> str:
    return rf"(?P<{group}>[^\ ]*+(?:\ [^\ \[][^\ ]*+)*+)" if stop.startswith(" [") else _word(group, stop)


def _captured(group: str, *_: object) -> str:
    return rf"(?:\{{(?P<{group}>[^}}]*+(?:\}}(?!\ )[^}}]*+)*+)\}}\ ?+)?+"


def _time(group: str, _stop: str, column: Column, *_: object) -> str:
    known = _LAYOUTS.get(column.layout)
    return rf"(?P<{group}>{known or layout_pattern(column.layout)})"


def layout_pattern(layout: str) -> str:
    """The pattern of a strptime layout; raises `FormatError` for a directive that it cannot tell."""
    parts = []
    for part in re.findall(r"%.|[^%]++", layout):
        if part[0] != "%":
            parts.append(_escape(part))
        elif part[1] in _DIRECTIVES:
            parts.append(_DIRECTIVES[part[1]].replace("[0-9 ]", r"[0-9\ ]"))
        else:
            raise FormatError(f"{ORIGIN}: times with {part} cannot be read.", "Log them with %d, %m, %Y, %H, %M, %S.")
    return "".join(parts)


KINDS: dict[str, Callable[..., str]] = {
    "word": _word, "url": _word, "free": _text, "number": _number, "numbers": _numbers, "list": _list,
    "address": _address, "host": _host, "path": _path, "query": _query, "mark": _mark, "user": _user, "time": _time,
    "request": _text, "captured": _captured,
}  # fmt: skip
_ENDS_ITSELF = frozenset({"captured", "number", "numbers", "time", "host", "path", "mark"})
