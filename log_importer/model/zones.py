"""Time zones of sites, as Matomo writes their names."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@lru_cache(maxsize=256)
def known_zone(name: str) -> tzinfo | None:
    """The zone of that name: Europe/Paris, UTC, UTC+2, UTC-5.5; `None` where it is none that we know."""
    shift = re.fullmatch(r"UTC([+-][0-9]{1,2}(?:\.[0-9]+)?)", name)
    try:
        return timezone(timedelta(hours=float(shift[1]))) if shift else ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


def zone_of(name: str) -> tzinfo:
    """The same; UTC where it is none that we know."""
    return known_zone(name) or UTC


def shifted(day: str, days: int) -> str:
    """The date, YYYY-MM-DD, so many days after `day`."""
    return (date.fromisoformat(day) + timedelta(days)).isoformat()


QUARTER = 900
"""Seconds; all clocks of the world are shifted by whole quarters of an hour."""


def by_date(quarters: Mapping[tuple[int, int], int], zones: Mapping[int, str]) -> Counter[tuple[int, str, str]]:
    """Site and quarter of an hour since 1970 UTC -> hits, as hits by site, its own date and the date in UTC.

    Dates are YYYY-MM-DD; `zones` are the sites' time zones, UTC for sites that it does not have.
    """
    found = Counter[tuple[int, str, str]]()
    for (site, quarter), hits in quarters.items():
        found[site, *_dates(zones.get(site, "UTC"), quarter)] += hits
    return found


@lru_cache(maxsize=65_536)
def _dates(zone: str, quarter: int) -> tuple[str, str]:
    own, utc = (datetime.fromtimestamp(quarter * QUARTER, one) for one in (zone_of(zone), UTC))
    return own.date().isoformat(), utc.date().isoformat()
