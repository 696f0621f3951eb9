"""The dates begun on each site: a date's first post goes alone, as a ping that stores nothing.

A Matomo makes a salt for each date when the date's first request comes in. Two posts at once would each make one, and
visits that span both would be split. A log of many days goes on day by day, so those to be expected next are begun with
a new one: each such post has to be waited for.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo

from log_importer.model import Request
from log_importer.model.rows import Requests
from log_importer.model.zones import zone_of
from log_importer.tracking.bulk import ping

Day = tuple[int, str]
"""idsite and date by the site's clock, YYYY-MM-DD."""

_MOST_QUARTERS = 50_000
"""Quarters of an hour that are remembered, those of more than a year."""
_QUARTER = 900  # seconds; all clocks of the world are shifted by whole quarters of an hour
_DAY = 86400
_LAST = _DAY - _QUARTER
"""Where a day's last quarter of an hour begins."""
_MOST_NEXT = 30
"""Dates of a site that are begun before there is a hit of them."""
_MOST_TOGETHER = 2000
"""Dates up to which others are begun with them: so many pings are a small post."""


class Dates:
    """Which dates were begun, in this run or, as the ledger says, in an earlier one. Safe for the posting threads."""

    def __init__(
        self,
        begun: set[Day],
        zones: Mapping[int, str],
        remember: Callable[[Iterable[Day]], None],
        others: Callable[[], object] = lambda: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`zones` are the sites' time zones, as Matomo writes them; `remember` is told of dates begun.

        `others` waits until no other machine can be in the middle of beginning the same dates; `now` is in seconds
        since 1970 UTC.
        """
        self._begun = set(begun)
        self._zones = zones
        self._remember = remember
        self._others = others
        self._now = now
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
    ) -> None:
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
            self._add_next(new)
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

    def _add_next(self, new: dict[Day, int]) -> None:
        """Adds the dates that follow each site's last, as many as were begun one after another before it.

        None that is not over: a server takes no hits of the future, and who follows a log meets each date in its time.
        """
        newest: dict[int, str] = {}
        for site, name in new:
            newest[site] = max(name, newest.get(site, ""))
        for site, name in newest.items():
            last, (_, today) = date.fromisoformat(name), self._date(site, self._now())
            in_a_row = 0
            while in_a_row < _MOST_NEXT and self._known((site, _after(last, -1 - in_a_row)), new):
                in_a_row += 1
            for days in range(1, in_a_row + 1):
                following = site, _after(last, days)
                if following[1] >= today or len(new) >= _MOST_TOGETHER:
                    break
                if not self._known(following, new):
                    noon = datetime.fromisoformat(f"{following[1]}T12:00").replace(tzinfo=self._zone(site))
                    new[following] = int(noon.timestamp())

    def _known(self, day: Day, new: Mapping[Day, int]) -> bool:
        return day in self._begun or day in new

    def _only_date(self, day: tuple[int, int]) -> tuple[int, Day | None]:
        """The number of a day since 1970 UTC, and the date that all of it is on the site's clock, where it is one."""
        site, number = day
        first = self._date(site, number * _DAY)
        return number, first if first == self._date(site, number * _DAY + _LAST) else None

    def _date(self, site: int, moment: float) -> Day:
        return site, f"{datetime.fromtimestamp(moment, self._zone(site)):%Y-%m-%d}"

    def _zone(self, site: int) -> tzinfo:
        return zone_of(self._zones.get(site, "UTC"))


def _after(day: date, days: int) -> str:
    return f"{day + timedelta(days):%Y-%m-%d}"


def quarters_of(requests: Iterable[Request]) -> set[tuple[int, int]]:
    """Site and quarter of an hour since 1970 UTC of each request."""
    return set(Requests.of(requests).spans(_QUARTER))
