"""A range of days as few spans to add and to take away: months, their thirds, and the days at the ends."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple


class Spans(NamedTuple):
    """Spans as numbers: a day 20260318, a third of a month 2026032, a month 202603, all time 0."""

    plus: tuple[int, ...]
    minus: tuple[int, ...] = ()

    @property
    def weight(self) -> float:
        """About how much is to be read, in days: the longer a span, the more of its labels are the same."""
        return sum(_WEIGHTS[len(str(span))] for span in (*self.plus, *self.minus))

    def joined(self, other: "Spans") -> "Spans":
        """All of both."""
        return Spans(self.plus + other.plus, self.minus + other.minus)

    def without(self, other: "Spans") -> "Spans":
        """What is left of the days of these where those of `other` are taken away."""
        return Spans(self.plus + other.minus, self.minus + other.plus)


ALL_TIME = Spans((0,))
_WEIGHTS = {8: 1.0, 7: 2.5, 6: 4.0, 1: 5.0}
_NOTHING = Spans(())
_ONE = timedelta(days=1)


def number(day: date) -> int:
    """The day as a span."""
    return day.year * 10_000 + day.month * 100 + day.day


def day_of(span: int) -> date:
    """The span of a day as the day."""
    return date(span // 10_000, span // 100 % 100, span % 100)


DAY = "day"
"""SQL for the spans that a day belongs to, from that of the day itself."""
THIRD = "(day / 100 * 10 + min((day % 100 - 1) / 10, 2) + 1)"
MONTH = "day / 100"
EVER = "0"


def spans_among(first: date, last: date, known: tuple[date, date]) -> Spans:
    """The same, where nothing is known of days before and after those between `known`: all time without the others."""
    outside = spans_of(known[0], first - _ONE).joined(spans_of(last + _ONE, known[1]))
    return _lighter(spans_of(first, last), ALL_TIME.without(outside))


def spans_of(first: date, last: date) -> Spans:
    """The spans of all days from `first` to `last`, both among them."""
    found = _NOTHING
    month = first.replace(day=1)
    while month <= last:
        days = [month + timedelta(days=more) for more in range(monthrange(month.year, month.month)[1])]
        thirds = (days[:10], days[10:20], days[20:])
        whole = Spans((month.year * 100 + month.month,))
        inside, outside = _NOTHING, _NOTHING
        for place, third in enumerate(thirds, 1):
            wanted = [day for day in third if first <= day <= last]
            others = [day for day in third if not first <= day <= last]
            unit = Spans((whole.plus[0] * 10 + place,))
            inside = inside.joined(_lighter(_days(wanted), unit.without(_days(others))))
            outside = outside.joined(_lighter(_days(others), unit.without(_days(wanted))))
        found = found.joined(_lighter(inside, whole.without(outside)))
        month = days[-1] + timedelta(days=1)
    return found


def _days(days: Sequence[date]) -> Spans:
    return Spans(tuple(map(number, days)))


def _lighter(one: Spans, other: Spans) -> Spans:
    return one if one.weight <= other.weight else other
