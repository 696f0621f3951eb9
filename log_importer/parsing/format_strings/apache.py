"""Apache `LogFormat` strings, which lighttpd, varnishncsa and Tomcat also take.

Reference: https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats
"""

import re
from collections.abc import Sequence

from log_importer.model.errors import FormatError
from log_importer.parsing.engine import compile_regex
from log_importer.parsing.format_strings.columns import CLF, Column, Token, header
from log_importer.parsing.format_strings.document import json_document, text_document
from log_importer.parsing.format_strings.pattern import ORIGIN

_DIRECTIVES = {
    "h": Column("remote host", "address", "client_ip", 1),
    "a": Column("client address", "address", "client_ip"),
    "l": Column("logname"),
    "u": Column("user", "user", "user_id"),
    "r": Column("request line", "request"),
    "s": Column("status", "number", "status"),
    "b": Column("bytes sent", "number", "bytes_sent"),
    "B": Column("bytes of the body", "number", "bytes_sent"),
    "O": Column("bytes with headers", "number", "bytes_sent", 1),
    "I": Column("bytes received", "number"),
    "S": Column("bytes in all", "number"),
    "D": Column("microseconds", "number", "duration", unit="us"),
    "T": Column("seconds", "number", "duration", 1, unit="s"),
    "m": Column("method", "word", "method"),
    "U": Column("url path", "path", "path"),
    "q": Column("query string", "query", "query"),
    "H": Column("protocol", "word", "protocol"),
    "v": Column("server name", "host", "host", 2),
    "V": Column("server name in use", "host", "host"),
    "f": Column("file name", "free"),
    "A": Column("local address", "address"),
    "p": Column("port", "number"),
    "P": Column("process", "number"),
    "k": Column("keepalive requests", "number"),
    "X": Column("connection", "word"),
    "L": Column("log id"),
    "R": Column("handler"),
}  # fmt: skip
_IN_BRACES = {"i": "", "o": "response ", "e": "environment ", "n": "note ", "C": "cookie ", "c": "", "x": ""}
_TIMES = {"us": ("us", 0), "ms": ("ms", 0), "s": ("s", 1)}
_EPOCHS = {"sec": "s", "msec": "ms", "usec": "us"}
_SPEC = compile_regex(
    r"%(?:(%)|(?:!?[0-9]++(?:,[0-9]++)*+)?[<>]?(?:\{((?:[^}\\]|\\.)*+)\})?(\^[A-Za-z]{2}|[A-Za-z]))", re.ASCII
)
_STATEMENT = compile_regex(
    r"""\s*+(?:LogFormat|TransferLog|CustomLog\s++(?:"[^"]*+"|\S++)|accesslog\.format\s*+=)\s*+"((?:[^"\\]|\\.)*+)".*+""",
    re.IGNORECASE | re.DOTALL,
)
_STRFTIME = {"%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%R": "%H:%M", "%e": "%d", "%h": "%b", "%k": "%H"}


def read_apache(text: str) -> str:
    """The format file for a string: as it stands in the configuration, or the whole statement. Raises `FormatError`."""
    statement = _STATEMENT.fullmatch(text)
    body = statement[1] if statement else text
    tokens = tokenise(re.sub(r'\\(["\\tn])', lambda match: {"t": "\t", "n": "\n"}.get(match[1], match[1]), body))
    if body.lstrip().startswith("{") and not body.lstrip().startswith("{%"):
        return json_document(tokens, repair=True)
    return text_document(tokens, ("quoted", "hex-escapes"))


def tokenise(body: str) -> list[Token]:
    """Literal text and columns."""
    tokens: list[Token] = []
    end = 0
    for match in _SPEC.finditer(body):
        tokens.append(body[end : match.start()])
        tokens += ["%"] if match[1] else _directive(match[3], match[2])
        end = match.end()
    unknown = "".join(text for text in tokens if isinstance(text, str) and text != "%") + body[end:]
    if "%" in unknown:
        place = unknown[unknown.index("%") :][:10]
        raise FormatError(f"{ORIGIN}: '{place}' is no column of Apache's.", "Copy the string from the configuration.")
    return [*tokens, body[end:]]


def _directive(letter: str, argument: str | None) -> Sequence[Token]:
    if letter == "t":
        return _time(argument)
    if letter == "T" and argument in _TIMES:
        unit, rank = _TIMES[argument]
        return [Column("duration", "number", "duration", rank, unit=unit)]
    if argument is None or letter not in _IN_BRACES:
        if letter in _DIRECTIVES and not (letter in "ap" and argument):
            return [_DIRECTIVES[letter]]
        if letter in "ap":
            return [Column(f"{argument} {letter}", "address" if letter == "a" else "number")]
        return [Column(f"{argument or ''} {letter.strip('^')}")]
    if letter == "i":
        return [header(argument)]
    return [Column(f"{_IN_BRACES[letter]}{argument}", "free" if letter == "C" else "word")]


def _time(argument: str | None) -> Sequence[Token]:
    if not argument:
        return ["[", Column("time", "time", "time", layout=CLF), "]"]
    layout = argument.removeprefix("begin:").removeprefix("end:")
    if layout in _EPOCHS:
        return [Column("time", "time", "time", layout="epoch", unit=_EPOCHS[layout])]
    if layout in ("msec_frac", "usec_frac"):
        return [Column(layout, "number")]
    for short, long in _STRFTIME.items():
        layout = layout.replace(short, long)
    if layout == "%s":
        return [Column("time", "time", "time", layout="epoch", unit="s")]
    return [Column("time", "time", "time", layout=layout)]
