"""The parameters that a mapping rule can set, and what each of them can hold.

Reference: https://developer.matomo.org/api-reference/tracking-api. A real Matomo answers some values that it cannot
store with an error, and rolls the whole batch back; so every value is checked before anything is sent.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from log_importer.parsing.addresses import client_address

Check = Callable[[str], str | None]
"""A text -> the value to send, `None` where it is none."""


class Kind(NamedTuple):
    """What a parameter can hold."""

    says: str  # as half a sentence: "must be ..."
    check: Check


def _pattern(says: str, expression: str, change: Callable[[str], str] = str) -> Kind:
    fits = re.compile(expression, re.ASCII).fullmatch
    return Kind(says, lambda text: change(text) if fits(text) else None)


def _whole(last: int, first: int = 0) -> Kind:
    def check(text: str) -> str | None:
        return text if re.fullmatch("[0-9]{1,12}", text, re.ASCII) and first <= int(text) <= last else None

    return Kind(f"must be a whole number from {first} to {last}", check)


def _decimal(last: float, first: float) -> Kind:
    def check(text: str) -> str | None:
        if not re.fullmatch(r"[+-]?([0-9]{1,12}(\.[0-9]*)?|\.[0-9]+)", text, re.ASCII):
            return None
        return text.removeprefix("+") if first <= float(text) <= last else None

    return Kind(f"must be a number from {first:g} to {last:g}", check)


def _text(longest: int) -> Kind:
    return Kind(f"must be a text of 1 to {longest} characters", lambda text: text[:longest] or None)


def _strict_text(longest: int) -> Kind:
    return Kind(f"must be a text of 1 to {longest} characters", lambda text: text if 0 < len(text) <= longest else None)


def _json(kind: type) -> Kind:
    def check(text: str) -> str | None:
        try:
            return text if isinstance(json.loads(text), kind) else None
        except (ValueError, RecursionError):
            return None

    return Kind(f"must be JSON, {'an object' if kind is dict else 'a list'}", check)


def moment(text: str) -> float | None:
    """Seconds since 1970 UTC of a `cdt`, `None` where it is none."""
    if re.fullmatch("[0-9]{9,10}", text, re.ASCII):
        return float(text)
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}", text, re.ASCII):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


_ADDRESS = Kind("must be an IP address", client_address)
_MOMENT = Kind(
    "must be a date and time in UTC, such as 2026-03-01 12:00:00, or seconds since 1970",
    lambda text: None if moment(text) is None else text,
)
_URL = _pattern("must be a URL with its scheme", r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_VISITOR = _pattern("must be 16 hexadecimal digits", "[0-9A-Fa-f]{16}", str.lower)
_SWITCH = _pattern("must be 0 or 1", "[01]")
_SECONDS = _whole(4_294_967_295)
_MONEY = _decimal(1e12, -1e12)
_LINE = _text(1024)
_LONG = _text(8192)

PARAMETERS: dict[str, Kind] = {
    "idsite": _whole(999_999_999, 1), "url": _URL, "urlref": _LONG, "action_name": _LINE, "ua": _LONG,
    "lang": _text(200), "uid": _text(200), "_id": _VISITOR, "cid": _VISITOR, "cip": _ADDRESS, "cdt": _MOMENT,
    "rand": _text(40), "new_visit": _SWITCH, "bots": _SWITCH, "dp": _SWITCH, "ca": _SWITCH,
    "link": _URL, "download": _URL,
    "search": _LINE, "search_cat": _text(200), "search_count": _SECONDS,
    "idgoal": _SECONDS, "revenue": _MONEY,
    "ec_id": _text(100), "ec_st": _MONEY, "ec_tx": _MONEY, "ec_sh": _MONEY, "ec_dt": _MONEY, "ec_items": _json(list),
    "e_c": _LINE, "e_a": _LINE, "e_n": _LINE, "e_v": _MONEY,
    "c_n": _LINE, "c_p": _LINE, "c_t": _LINE, "c_i": _LINE,
    "cvar": _json(dict), "_cvar": _json(dict),
    "_rcn": _text(200), "_rck": _text(200), "_idvc": _SECONDS, "_viewts": _SECONDS, "_idts": _SECONDS,
    "res": _pattern("must be a width and a height, such as 1280x1024", "[0-9]{1,5}x[0-9]{1,5}"),
    "h": _whole(23), "m": _whole(59), "s": _whole(59),
    "gt_ms": _SECONDS, "bw_bytes": _whole(999_999_999_999),
    **{f"pf_{part}": _SECONDS for part in ("srv", "net", "tfr", "dm1", "dm2", "onl")},
    "pv_id": _pattern("must be 6 letters and digits", "[0-9A-Za-z]{6}"),
    "country": _pattern("must be a country's two letters", "[A-Za-z]{2}", str.lower),
    "region": _pattern("must be a region's code of up to 3 letters and digits", "[0-9A-Za-z]{1,3}"),
    "city": _strict_text(255), "lat": _decimal(90, -90), "long": _decimal(180, -180),
}  # fmt: skip

ALWAYS = frozenset({"rec", "apiv", "token_auth", "queuedtracking"})
"""What every request has, and no rule can change."""
TABLES = frozenset({"cvar", "_cvar"})
"""Custom variables: name -> value, where a rule sets them."""

_DIMENSION = re.compile(r"dimension[1-9][0-9]{0,2}")


def kind_of(name: str) -> Kind | None:
    """What the parameter `name` can hold; `None` where there is no such parameter for rules."""
    return _text(255) if _DIMENSION.fullmatch(name) else PARAMETERS.get(name)
