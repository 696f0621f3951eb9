"""A range of days as few spans to add and to take away: whole months, and the days at the ends."""

from calendar import monthrange
from datetime import date, timedelta
from typing import NamedTuple


class Spans(NamedTuple):
    """Spans as numbers: a day 20260318, a month 202603, all time 0."""

    plus: tuple[int, ...]
    minus: tuple[int, ...] = ()


ALL_TIME = Spans((0,))


def number(day: date) -> int:
    """The day as a span."""
    return day.year * 10_000 + day.month * 100 + day.day


def day_of(span: int) -> date:
    """The span of a day as the day."""
    return date(span // 10_000, span // 100 % 100, span % 100)


def spans_of(first: date, last: date) -> Spans:
    """The spans of all days from `first` to `last`, both among them."""
    plus: list[int] = []
    minus: list[int] = []
    month = first.replace(day=1)
    while month <= last:
        end = month.replace(day=monthrange(month.year, month.month)[1])
        days = [month + timedelta(days=more) for more in range(end.day)]
        wanted = [number(day) for day in days if first <= day <= last]
        others = [number(day) for day in days if not first <= day <= last]
        if len(wanted) <= len(others):
            plus += wanted
        else:
            plus.append(month.year * 100 + month.month)
            minus += others
        month = end + timedelta(days=1)
    return Spans(tuple(plus), tuple(minus))
