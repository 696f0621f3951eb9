"""A logged time -> seconds since 1970 UTC, by the layout that the format file names.

Parsing a date costs more than all the rest of a line, and neighbouring lines share their minute: what stands around
the two digits of the second is parsed once and remembered. So is what stands around the minute and around the hour,
where no clock is put forward or back.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timezone, tzinfo
from functools import lru_cache

from log_importer.parsing.spec import UNITS

Time = Callable[[str], float | None]
"""Seconds since 1970-01-01 UTC, or `None` where the text is not a time of that layout."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTHS = {"%a": 3, "%b": 3, "%d": 2, "%m": 2, "%y": 2, "%Y": 4, "%H": 2, "%M": 2, "%I": 2, "%j": 3, "%%": 1}
_CACHE_SIZE = 4096
_ISO_SLOTS = (11, 14, 17)
"""Where in ISO 8601's extended form hour, minute and second stand."""


def compile_time(layout: str, zone: tzinfo, unit: str | None = None) -> Time:
    """The parser for `layout` (strptime, "iso8601", "epoch" or "any"); `zone` is for texts without an offset."""
    if layout == "epoch":
        return _epoch(UNITS[unit or "s"])
    if layout == "any":
        return _any(zone)
    if layout == "iso8601":
        # Only the extended form with seconds has them at a fixed place.
        return _by_parts(datetime.fromisoformat, zone, _ISO_SLOTS, behind=":", fixed=isinstance(zone, timezone))

    def parse(text: str) -> datetime:
        return datetime.strptime(text, layout)

    slots = [_slot(layout, part) for part in ("%H", "%M", "%S")]
    return _by_parts(parse, zone, slots, fixed="%z" in layout or isinstance(zone, timezone))


def second_slot(layout: str) -> int:
    """Where in a text the two digits of the second stand; -1 where that is not certain."""
    if layout in ("epoch", "any"):
        return -1
    slot = _ISO_SLOTS[-1] if layout == "iso8601" else _slot(layout, "%S")
    return -1 if slot is None else slot


def clock_parts(layout: str, zone: tzinfo) -> int:
    """How many parts of the clock stand three apart at the `second_slot` and before it: second, minute, hour.

    Only the second where a zone's clocks are put forward or back, so that some hours have not sixty minutes.
    """
    second = second_slot(layout)
    if second < 0 or not (isinstance(zone, timezone) or "%z" in layout):
        return 1
    slots = _ISO_SLOTS if layout == "iso8601" else (_slot(layout, "%H"), _slot(layout, "%M"), second)
    if slots[1] != second - 3:
        return 1
    return 3 if slots[0] == second - 6 else 2


def compile_begin(layout: str, zone: tzinfo, parts: int) -> Time:
    """The parser for texts that have 00 at the `second_slot` and so many parts in all, three apart.

    It gives `None` also where that is not their second.
    """
    way = compile_time(layout, zone)
    slot, behind = second_slot(layout), ":" if layout == "iso8601" else ""
    places = [slot - 3 * part for part in range(parts)]

    def begin(text: str) -> float | None:
        if any(text[place : place + 2] != "00" for place in places):
            return None
        return None if behind and (text[slot - 1] != behind or text[slot - 4] != behind) else way(text)

    return begin


def _epoch(scale: float) -> Time:
    def parse(text: str) -> float | None:
        try:
            value = float(text) * scale
        except ValueError:
            return None
        return value if -6.3e10 < value < 2.6e11 else None  # years 1 to 9999; also drops nan and inf

    return parse


def _any(zone: tzinfo) -> Time:
    """ISO 8601, the common log format's way, an epoch in the unit that its size tells, or what dateutil makes of it."""
    ways = [compile_time(layout, zone) for layout in ("iso8601", "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S")]

    def parse(text: str) -> float | None:
        if _NUMBER.fullmatch(text):
            value = float(text)
            return value * next((scale for least, scale in _MAGNITUDES if value >= least), 1.0)
        for way in ways:
            if (moment := way(text)) is not None:
                return moment
        return None if text.isdigit() else _by_dateutil(text, zone)

    return parse


_NUMBER = re.compile(r"[0-9]{9,20}(\.[0-9]{1,9})?")
_MAGNITUDES = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))  # ns, us, ms from the year 1973 on
_NOT_A_TIME = (ValueError, ArithmeticError, TypeError, LookupError, AttributeError)  # dateutil lets some through
_FIRST, _SECOND = datetime(2001, 1, 1), datetime(2002, 2, 2)  # what dateutil fills in where a text says nothing


def _named_offset(name: str | None, offset: int | None) -> int | None:
    if name is not None and offset is None:
        raise ValueError("a zone's name that may mean several")
    return offset


@lru_cache(maxsize=_CACHE_SIZE)
def _by_dateutil(text: str, zone: tzinfo) -> float | None:
    from dateutil import parser  # only who has odd times pays for it

    try:
        moment, other = (parser.parse(text[:64], default=day, tzinfos=_named_offset) for day in (_FIRST, _SECOND))
        if moment != other:
            return None  # it lacks day, month or year
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return (moment - _EPOCH).total_seconds()
    except _NOT_A_TIME:
        return None


def _slot(layout: str, wanted: str) -> int | None:
    """Where the two digits of a part stand, or `None` where what comes before has no fixed width."""
    position = 0
    for part in re.findall(r"%.|[^%]", layout):
        if part == wanted:
            return position
        if part[0] == "%" and part not in _WIDTHS:
            return None
        position += _WIDTHS.get(part, 1)
    return None


def _by_parts(
    parse: Callable[[str], datetime], zone: tzinfo, slots: Sequence[int | None], *, fixed: bool, behind: str = ""
) -> Time:
    """`slots` are where hour, minute and second stand; the last two must come behind `behind`.

    `fixed`: the text or the zone says by how much a clock is ahead.
    """

    def whole(text: str) -> float | None:
        try:
            moment = parse(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone)
            return (moment - _EPOCH).total_seconds()
        except (ValueError, OverflowError):
            return None

    hour, minute, second = slots
    way: Time = whole
    if second is not None and fixed:  # with a second at its place, what is before it is at its own, too
        way = _by_part(_by_part(whole, hour, _HOURS, whole), minute, _MINUTES, whole)
    return _by_part(way, second, _SECONDS, whole, behind)


def _by_part(parse: Time, slot: int | None, values: Mapping[str, float], otherwise: Time, behind: str = "") -> Time:
    """`slot` is where two digits of these `values` stand: what is around them is left to `parse`, and remembered."""
    if slot is None:
        return parse
    known, end = _Around(parse, slot, behind), slot + 2

    def by_part(text: str) -> float | None:
        try:
            return known[text[:slot] + text[end:]] + values[text[slot:end]]
        except KeyError:
            return otherwise(text)

    return by_part


class _Around(dict[str, float]):
    """What stands around two digits -> the time with 00 there; raises `KeyError` for what is none."""

    def __init__(self, parse: Time, slot: int, behind: str) -> None:
        self._parse = parse
        self._slot = slot
        self._behind = behind

    def __missing__(self, around: str) -> float:
        slot, behind = self._slot, self._behind
        if len(around) < slot or (behind and (around[slot - 1] != behind or around[slot - 4] != behind)):
            raise KeyError(around)
        start = self._parse(f"{around[:slot]}00{around[slot:]}")
        if start is None:
            raise KeyError(around)
        if len(self) >= _CACHE_SIZE:
            self.clear()
        self[around] = start
        return start


_HOURS = {f"{hour:02}": 3600.0 * hour for hour in range(24)}
_MINUTES = {f"{minute:02}": 60.0 * minute for minute in range(60)}
_SECONDS = {f"{second:02}": float(second) for second in range(61)}
"""60 is a leap second: it falls on the first of the next minute, as POSIX has it."""
