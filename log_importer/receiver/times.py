"""`cdt` as PHP's strtotime reads it, as far as trackers send it.

A text that is a number is unix time, whatever it looks like. In a date of three numbers slashes mean month first,
points and dashes day first.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from dateutil import parser, tz

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?").fullmatch
_PLAIN = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[ T]+([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2}))?)?(.*)"
).fullmatch
_LOG = re.compile(r"([0-9]{1,2}/[A-Za-z]{3}/[0-9]{4}):([0-9]{2}:[0-9]{2}:[0-9]{2})(.*)").fullmatch
_STEP = re.compile(r"([+-]?[0-9]++)\s*+([a-z]++)(\s++ago\b)?\s*+")
_STEPS = re.compile(rf"(?:{_STEP.pattern})+").fullmatch
_UNITS = {
    "sec": 1, "second": 1, "min": 60, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800,
}  # fmt: skip
_DAYS = {"today": 0, "midnight": 0, "yesterday": -1, "tomorrow": 1}
_ZONES = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
_LONGEST = 64
_FIRST, _SECOND = datetime(2001, 1, 1), datetime(2002, 2, 2)  # what dateutil fills in where a text says nothing


def parse_time(text: str, now: datetime) -> datetime | None:
    """The moment that `text` means, in whole seconds of UTC, or `None` where it means none."""
    text = text.strip()[:_LONGEST]
    try:
        if _NUMBER(text):
            return datetime.fromtimestamp(int(float(text)), UTC)
        if plain := _PLAIN(text):
            return _rolled(plain)
        if log := _LOG(text):
            text = f"{log[1].replace('/', ' ')} {log[2]}{log[3]}"
        return _relative(text.lower(), now) or _in_words(text)
    except (ValueError, ArithmeticError, TypeError, LookupError, AttributeError, OSError):  # as dateutil raises
        return None


def _rolled(match: re.Match[str]) -> datetime | None:
    """The 30th of February is the 1st or 2nd of March, and second 60 the next minute; month 13 is nothing."""
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute <= 59 and second <= 60):
        return None
    zone = _zone(re.sub(r"^\.[0-9]+", "", match[7]).strip())
    if zone is None:
        return None
    moment = datetime(year, month, 1) + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
    return moment.replace(tzinfo=zone).astimezone(UTC)


def _zone(text: str) -> timezone | tz.tzfile | None:
    if text.upper() in _ZONES or not text:
        return timezone(timedelta(hours=_ZONES.get(text.upper(), 0)))
    offset = re.fullmatch(r"(?:UTC|GMT)?([+-])([0-9]{1,2}):?([0-9]{2})?", text, re.IGNORECASE)
    if offset is not None:
        amount = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return timezone(amount if offset[1] == "+" else -amount)
    # Names of places alone: dateutil would open any other path.
    place = tz.gettz(text) if re.fullmatch(r"[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_-]+){1,2}", text) else None
    return place if isinstance(place, tz.tzfile) else None


def _relative(text: str, now: datetime) -> datetime | None:
    """Words that count from now: `yesterday`, `-2 hours`, `1 day ago`; `@` and a number is unix time."""
    if text.startswith("@") and _NUMBER(text[1:]):
        return datetime.fromtimestamp(int(float(text[1:])), UTC)
    if text == "now":
        return now
    if text in _DAYS:
        return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=_DAYS[text])
    if not _STEPS(text):
        return None
    moment = now
    for amount, unit, ago in _STEP.findall(text):
        seconds = _UNITS.get(unit.removesuffix("s"))
        if seconds is None:
            return None
        moment += timedelta(seconds=int(amount) * seconds * (-1 if ago else 1))
    return moment


def _in_words(text: str) -> datetime | None:
    day_first = re.match(r"[0-9]{1,2}[.-][0-9]{1,2}[.-][0-9]{4}", text) is not None
    zones = {name: hours * 3600 for name, hours in _ZONES.items()}
    found = [parser.parse(text, default=default, dayfirst=day_first, tzinfos=zones) for default in (_FIRST, _SECOND)]
    if found[0] != found[1]:  # some of year, month and day is missing
        return None
    moment = found[0]
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
