"""The dates begun on each site: a date's first post goes alone, as a ping that stores nothing.

A Matomo makes a salt for each date when the date's first request comes in. Two posts at once would each make one, and
visits that span both would be split.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from log_importer.batching import Requests
from log_importer.model import Request
from log_importer.tracking.bulk import ping

Day = tuple[int, str]
"""idsite and date by the site's clock, YYYY-MM-DD."""

_MOST_QUARTERS = 50_000
"""Quarters of an hour that are remembered, those of more than a year."""
_QUARTER = 900  # seconds; all clocks of the world are shifted by whole quarters of an hour
_DAY = 86400
_LAST = _DAY - _QUARTER
"""Where a day's last quarter of an hour begins."""


class Dates:
    """Which dates were begun, in this run or, as the ledger says, in an earlier one. Safe for the posting threads."""

    def __init__(
        self, begun: set[Day], zones: Mapping[int, str], remember: Callable[[Iterable[Day]], None],
        others: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        """`zones` are the sites' time zones, as Matomo writes them; `remember` is told of dates begun.

        `others` waits until no other machine can be in the middle of beginning the same dates.
        """
        self._begun = set(begun)
        self._zones = zones
        self._remember = remember
        self._others = others
        self._quarters: set[tuple[int, int]] = set()  # of dates that were begun
        self._days: set[tuple[int, int]] = set()  # site and day since 1970 UTC, of which every date was begun
        self._lock = threading.Lock()

    def begin(self, requests: Iterable[Request], post: Callable[[list[bytes]], bool]) -> None:
        """Pings the dates of `requests` that were not begun yet; `post` says whether the server took the pings."""
        days = Requests.of(requests).spans(_DAY).keys() - self._days
        if not days:
            return
        # Most often a day is one date, and which quarters of it have hits need not be asked.
        moments = {date: number * _DAY for number, date in map(self._only_date, sorted(days)) if date is not None}
        quarters = set[tuple[int, int]]()
        if len(moments) < len(days):
            quarters = {one for one in quarters_of(requests) if (one[0], one[1] * _QUARTER // _DAY) in days}
        self._begin(moments, quarters, post)

    def begin_quarters(self, quarters: set[tuple[int, int]], post: Callable[[list[bytes]], bool]) -> None:
        """The same for the dates of quarters of an hour, as `quarters_of` gives them."""
        self._begin({}, quarters, post)

    def _begin(
        self, moments: Mapping[Day, int], quarters: set[tuple[int, int]], post: Callable[[list[bytes]], bool]
    ) -> None:  # fmt: skip
        with self._lock:
            quarters = quarters - self._quarters
            new = dict(moments)
            for site, quarter in sorted(quarters):
                moment = quarter * _QUARTER
                new.setdefault(self._date(site, moment), moment)
            days = {(site, quarter * _QUARTER // _DAY) for site, quarter in quarters}
            days |= {(site, moment // _DAY) for (site, _), moment in moments.items()}
            for day in self._begun & new.keys():
                del new[day]
            # Where it fails, the post that follows fails too and says why; the next attempt pings again.
            if new and not post([ping(site, moment) for (site, _), moment in new.items()]):
                return
            if len(self._quarters) > _MOST_QUARTERS:
                self._quarters.clear()
                self._days.clear()
            self._quarters |= quarters
            if new:
                self._others()
                self._begun.update(new)
                self._remember(new)
            for site, number in days:
                # A day that loses an hour has 23, so that there may be three dates in 24 hours.
                if all(self._date(site, number * _DAY + at) in self._begun for at in (0, _DAY // 2, _LAST)):
                    self._days.add((site, number))

    def _only_date(self, day: tuple[int, int]) -> tuple[int, Day | None]:
        """The number of a day since 1970 UTC, and the date that all of it is on the site's clock, where it is one."""
        site, number = day
        first = self._date(site, number * _DAY)
        return number, first if first == self._date(site, number * _DAY + _LAST) else None

    def _date(self, site: int, moment: float) -> Day:
        zone = zone_of(self._zones.get(site, "UTC"))
        return site, f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d}"


def quarters_of(requests: Iterable[Request]) -> set[tuple[int, int]]:
    """Site and quarter of an hour since 1970 UTC of each request."""
    return set(Requests.of(requests).spans(_QUARTER))


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """A site's time zone: Europe/Paris, UTC, UTC+2, UTC-5.5; UTC where it is none that we know."""
    shift = re.fullmatch(r"UTC([+-][0-9]{1,2}(?:\.[0-9]+)?)", name)
    try:
        return timezone(timedelta(hours=float(shift[1]))) if shift else ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return UTC
