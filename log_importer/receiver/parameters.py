"""A request's parameters as PHP would read them, and their values checked."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit, urlunsplit

Parameters = Mapping[str, str]

MAX_TEXT = 1024
_OLDEST = timedelta(days=7300)
_HEX_ID = re.compile(r"[0-9A-Fa-f]{16}").fullmatch


class Invalid(Exception):
    """The request is refused: the bulk reply counts it as invalid, a single one answers 400."""


def parse_query(query: str) -> dict[str, str]:
    """The parameters of a query string; of duplicates the last wins, invalid UTF-8 is read as Latin-1."""
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape", max_num_fields=1000)
    return {name: _text(value) for name, value in pairs}


def _text(value: str) -> str:
    if value.isascii():
        return value
    raw = value.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def idsite_of(parameters: Parameters) -> int:
    """The site's number. Raises `Invalid`."""
    text = parameters.get("idsite", "")
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise Invalid("idsite")
    return int(text)


def recorded(parameters: Parameters) -> bool:
    """Whether `rec` asks for the request to be stored."""
    text = parameters.get("rec", "")
    return text.isascii() and text.isdigit() and int(text[:9]) > 0


def visitor_id(parameters: Parameters, name: str) -> str | None:
    """The 16 hexadecimal digits in parameter `name`, `None` where it is not sent or not of that form."""
    text = parameters.get(name, "")
    return text.lower() if _HEX_ID(text) else None


def time_of(parameters: Parameters, now: datetime) -> datetime:
    """When the request happened: `cdt`, or now where there is none that a Matomo would take."""
    text = parameters.get("cdt", "").strip()
    moment = _moment(text) if text else None
    if moment is None or moment > now or moment < now - _OLDEST:
        return now
    return moment


def _moment(text: str) -> datetime | None:
    try:
        if re.fullmatch(r"[0-9]{1,11}(\.[0-9]+)?", text):
            return datetime.fromtimestamp(int(float(text)), UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def address_of(parameters: Parameters, sender: str) -> str:
    """The visitor's address: `cip`, 0.0.0.0 where that is none, the sender's where it is not sent."""
    text = parameters.get("cip", "")
    if not text:
        return sender
    try:
        ip_address(text)
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - what a Matomo stores
    return text


def clean_url(url: str) -> str | None:
    """A page's address as it is stored: no fragment, host in lower case, cut; `None` where it is none."""
    url = url.replace("\0", "").replace("\n", "")
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if not parts.scheme or not parts.netloc:
        return None
    return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path, parts.query, ""))[:MAX_TEXT]


def number(parameters: Parameters, name: str) -> float | None:
    """The number in parameter `name`, `None` where there is none."""
    try:
        value = float(parameters.get(name, ""))
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None
