"""`cdt` as PHP's strtotime reads it, as far as trackers send it."""

import re
from datetime import UTC, datetime, timedelta

from dateutil import parser

_UNIX = re.compile(r"([0-9]{5,11})(?:\.[0-9]+)?").fullmatch
_PLAIN = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?)?(.*)"
).fullmatch


def parse_time(text: str) -> datetime | None:
    """The moment that `text` means, in whole seconds of UTC, or `None` where it means none."""
    text = text.strip()
    try:
        if unix := _UNIX(text):
            return datetime.fromtimestamp(int(unix[1]), UTC)
        if plain := _PLAIN(text):
            return _rolled(plain)
        moment = parser.parse(text, fuzzy=False)
    except (ValueError, OverflowError, OSError):
        return None
    return _utc(moment)


def _rolled(match: re.Match[str]) -> datetime | None:
    """The 30th of February is the 1st or 2nd of March, and second 60 the next minute; month 13 is nothing."""
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups()[:6])
    rest = match[7].strip()
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute <= 59 and second <= 60):
        return None
    zone = _zone(rest)
    if zone is None:
        return None
    start = datetime(year, month, 1, tzinfo=UTC)
    return start + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second) - zone


def _zone(text: str) -> timedelta | None:
    text = re.sub(r"^\.[0-9]+", "", text).strip()
    if text in ("", "Z", "z", "UTC", "GMT"):
        return timedelta()
    offset = re.fullmatch(r"([+-])([0-9]{1,2}):?([0-9]{2})?", text)
    if offset is None:
        return None
    amount = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
    return amount if offset[1] == "+" else -amount


def _utc(moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
