"""What stands in a format string: literal text, and columns with what is known of their values."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One variable of a format string."""

    name: str  # as the server calls it
    kind: str = "word"  # one of `pattern.KINDS`
    field: str = ""  # ours; "" for a column that is only there
    rank: int = 0  # where several columns hold a field, the one of the lowest rank that has a value wins
    unit: str = ""  # of a duration or an epoch
    layout: str = ""  # of a time


Token = str | Column

CLF = "%d/%b/%Y:%H:%M:%S %z"

_HEADERS = {
    "referer": ("url", "referrer", 0),
    "user-agent": ("free", "user_agent", 0),
    "accept-language": ("list", "accept_language", 0),
    "cookie": ("free", "visitor_cookie", 0),
    "host": ("host", "host", 1),
    "x-forwarded-host": ("host", "host", 3),
    "x-forwarded-for": ("list", "forwarded_for", 0),
    "x-real-ip": ("address", "client_ip", 4),
    "true-client-ip": ("address", "client_ip", 3),
    "cf-connecting-ip": ("address", "client_ip", 3),
    "x-forwarded-proto": ("word", "scheme", 2),
}


def header(name: str) -> Column:
    """The column of the request header `name`."""
    name = name.lower().replace("_", "-")
    kind, field, rank = _HEADERS.get(name, ("word", "", 0))
    return Column(name, kind, field, rank)


def quoted(column: Column) -> Sequence[Token]:
    """A column that the server puts between quotes itself."""
    return ['"', column, '"']
