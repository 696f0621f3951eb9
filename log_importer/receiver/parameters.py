"""A request's parameters as PHP would read them, and their values checked."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha1
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import parse_qsl

import orjson

from log_importer.receiver.times import parse_time

Parameters = Mapping[str, str]

GEO = ("country", "region", "city", "lat", "long")
MAX_TITLE = 1024
MAX_CUSTOM = 200
_NOBODY = "0.0.0.0"  # noqa: S104 - what a Matomo stores for an address that is none


class Invalid(Exception):
    """The request is refused: the bulk reply counts it as invalid, a single one answers 400."""


class Poison(Exception):
    """A value at which the database of a Matomo fails, and with it the whole batch."""


def parse_query(query: str) -> dict[str, str]:
    """The parameters of a query string; of duplicates the last wins, invalid UTF-8 is read as Latin-1."""
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return {name: text_of(value) for name, value in pairs}


def text_of(value: str) -> str:
    """`value` with bytes that are no UTF-8 read as Latin-1."""
    if value.isascii():
        return value
    try:
        raw = value.encode("utf-8", "surrogateescape")
        return raw.decode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def idsite_of(parameters: Parameters) -> int:
    """The site's number. Raises `Invalid`."""
    text = parameters.get("idsite", "")
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise Invalid("idsite")
    return int(text)


def switched_on(parameters: Parameters, name: str) -> bool:
    """Whether a switch such as `rec` or `bots` begins with a number above 0; `true` does not."""
    number = re.match(r"\s*\+?([0-9]{1,9})", parameters.get(name, ""))
    return number is not None and int(number[1]) > 0


def time_of(parameters: Parameters, now: datetime, oldest: timedelta) -> datetime:
    """When the request happened: `cdt`, or now where there is none that a Matomo would take."""
    text = parameters.get("cdt", "")
    moment = parse_time(text, now) if text else None
    return now if moment is None or moment > now or moment < now - oldest else moment


def address_of(parameters: Parameters, sender: str) -> str:
    """The visitor's address: `cip`, 0.0.0.0 where that is none, the sender's where it is not sent."""
    text = parameters.get("cip", "")
    if not text:
        return sender
    try:
        address = ip_address("" if "%" in text else text)  # Python knows scopes, PHP does not
    except ValueError:
        return _NOBODY
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}"
    return str(address)


def visitor_id(parameters: Parameters, name: str) -> str | None:
    """The visitor id in `cid` or `_id`: 16 digits; what is no hexadecimal becomes zeros. `None` where there is none."""
    text = parameters.get(name, "")
    if len(text) != 16:
        return None
    return text.lower() if re.fullmatch(r"[0-9A-Fa-f]{16}", text) else "0" * 16


def user_visitor(uid: str) -> str:
    """The visitor id that a user's name stands for."""
    return sha1(uid.encode("utf-8", "replace")).hexdigest()[:16]  # noqa: S324 - as Matomo makes it


def number(parameters: Parameters, name: str) -> float | None:
    """The number in parameter `name`, `None` where there is none."""
    text = parameters.get(name, "").strip()
    if not re.fullmatch(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", text):
        return None
    value = float(text)
    return value if abs(value) < 1e15 else None


def title(text: str) -> str:
    """A page's title: without line breaks and blanks around it, cut."""
    return re.sub(r"[\x00\r\n]", "", text).strip()[:MAX_TITLE]


def custom_variables(text: str) -> dict[str, list[str]] | None:
    """Slots 1 to 5 of `cvar` or `_cvar`, `None` where there are none."""
    try:
        document = orjson.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    found: dict[str, list[str]] = {}
    for slot, pair in document.items():
        named = isinstance(pair, list) and len(pair) == 2 and all(isinstance(item, str | int | float) for item in pair)
        if slot in {"1", "2", "3", "4", "5"} and named and str(pair[0]).strip() and str(pair[1]).strip():
            found[slot] = [str(item).strip()[:MAX_CUSTOM] for item in pair]
    return found or None


def coordinate(parameters: Parameters, name: str) -> float | None:
    """Latitude or longitude, rounded as it is stored. Raises `Poison` for what the database column cannot hold.

    The column takes three digits before the point; whether there is such a place on Earth is not asked.
    """
    text = parameters.get(name, "")
    if not text:
        return None
    value = number(parameters, name)
    if value is None or abs(round(value, 6)) >= 1000:
        raise Poison(name)
    return round(value, 6)


def local_time(parameters: Parameters) -> str | None:
    """The visitor's own time of day from `h`, `m` and `s`, `None` where none of them is sent."""
    if not any(name in parameters for name in "hms"):
        return None
    parts = [number(parameters, name) or 0 for name in "hms"]
    if not (0 <= parts[0] < 24 and 0 <= parts[1] < 60 and 0 <= parts[2] < 60):
        return "00:00:00"
    return ":".join(f"{int(part):02}" for part in parts)


def language_of(parameters: Parameters, sent: str) -> str:
    """The browser's first language, such as fr-ch, from `lang` or the sender's own header."""
    first = parameters.get("lang", sent).split(",")[0].split(";")[0].strip().lower()
    known = re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", first)
    return first if known or not first else "xx"


def country_of(parameters: Parameters, language: str) -> str:
    """The two-letter code sent, else that of the language's region, else xx."""
    if parameters.get("country"):
        return parameters["country"].lower()
    region = re.fullmatch(r"[a-z]{2,3}-([a-z]{2})", language)
    return region[1] if region else "xx"


def json_text(value: Any) -> str | None:
    """`value` as JSON text, `None` where it is empty."""
    return orjson.dumps(value).decode() if value else None
