"""`{{piece}}` in a pattern -> the expression it stands for, so that what many logs have in common is written once.

All of them match in linear time and give the columns they are named for.
"""

import re

from log_importer.model.errors import FormatError

_QUOTED = r'[^"\\]*+(?:\\.[^"\\]*+)*+'  # up to a quote that no backslash escapes

REQUEST = (
    r'(?:(?P<method>[A-Z_-]++)\ (?P<path>[^\ "\\]*+(?:\\.[^\ "\\]*+)*+'
    r'(?:\ (?!HTTP/[0-9.]++")[^\ "\\]*+(?:\\.[^\ "\\]*+)*+)*+)(?:\ (?P<protocol>HTTP/[0-9.]++))?'
    rf"|(?P<request>{_QUOTED}))"
)
"""What stands between the quotes of a request line; one that is none (a time-out, TLS bytes) is kept in `request`."""

PIECES = {
    "request": REQUEST,
    "url": (
        r'(?P<scheme>[A-Za-z]++)://(?P<host>\[[^\]\ "]++\]|[^\ :/?"\\]*+)(?::[0-9]*+)?'
        r'(?P<path>[^\ "\\]*+(?:\\.[^\ "\\]*+)*+)'
    ),
    "host": r"(?P<host>\[[0-9A-Fa-f:.]++\]|[^\ :\[]++)(?::[0-9]++)?",
    "user": r"(?P<user_id>[^\ ]++(?:\ [^\ \[][^\ ]*+)*+)",
    "time": r"\[(?P<time>[^\]]++)\]",
    "status": r"(?P<status>[0-9]{3}|-)",
}
NAMED_PIECES = {
    "quoted": rf"(?P<NAME>{_QUOTED})",
    "loose": r'(?P<NAME>[^"]*+(?:"(?!\ |$)[^"]*+)*+)',  # of a writer that escapes no quotes
    "word": r"(?P<NAME>[^\ ]++)",
    "number": r"(?P<NAME>[0-9]++(?:\.[0-9]++)?|-)",
    "rest": r"(?P<NAME>.*+)",
}
_USE = re.compile(r"\{\{([a-z]+)(?: ([a-z][a-z0-9_]*))?\}\}")


def expand(pattern: str, origin: str) -> str:
    """`pattern` with its pieces replaced; raises `FormatError` for one that there is not."""

    def piece(use: re.Match[str]) -> str:
        kind, name = use[1], use[2]
        if name is None and kind in PIECES:
            return PIECES[kind]
        if name is not None and kind in NAMED_PIECES:
            return NAMED_PIECES[kind].replace("NAME", name)
        known = ", ".join([*PIECES, *(f"{kind} NAME" for kind in NAMED_PIECES)])
        raise FormatError(f"{origin}: regex.pattern uses the piece {use[0]}; there are {known}.")

    return _USE.sub(piece, pattern)
