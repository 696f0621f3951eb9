"""Time zones of sites, as Matomo writes their names."""

import re
from datetime import UTC, timedelta, timezone, tzinfo
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
