"""The commands of a Matomo's console that are printed for whoever runs it; none is ever run here.

The console deletes visits by days in UTC, and counts reports again by days of the site's own clock.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from log_importer.model.zones import shifted

ARCHIVE = "./console core:archive"


def invalidations(sites: Mapping[int, Iterable[str]]) -> Iterator[str]:
    """What has the reports of each site counted again on dates of its own clock; one line for sites of the same."""
    alike = defaultdict[tuple[str, ...], list[int]](list)
    for site, days in sites.items():
        alike[tuple(sorted(days))].append(site)
    for same, numbers in alike.items():
        dates = " ".join(
            f"--dates={first}" if first == last else f"--dates={first},{last}" for first, last in _spans(same)
        )
        yield f"  ./console core:invalidate-report-data --sites={','.join(map(str, numbers))} {dates}"


def deletions(site: int, days: Iterable[str]) -> Iterator[str]:
    """What deletes the visits of a site on dates in UTC: the second date of a command is not deleted itself."""
    for first, last in _spans(sorted(days)):
        yield f"  ./console core:delete-logs-data --dates={first},{shifted(last, 1)} --idsite={site}"


def touched(days: Iterable[str], zone: tzinfo) -> set[str]:
    """The dates of a site's clock that dates in UTC have a part of."""
    found = set[str]()
    for day in days:
        midnight = datetime.combine(date.fromisoformat(day), time(), UTC)
        found |= {f"{(midnight + timedelta(seconds=at)).astimezone(zone):%Y-%m-%d}" for at in (0, 43200, 86399)}
    return found


def _spans(days: Iterable[str]) -> list[tuple[str, str]]:
    """First and last day of each run of days that follow each other; `days` ascend."""
    spans: list[tuple[str, str]] = []
    for day in days:
        if spans and shifted(spans[-1][1], 1) == day:
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return spans
