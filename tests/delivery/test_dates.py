"""Dates of sites that are begun, each once and before its first hit, by the site's own clock."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.delivery.dates import Dates, Day, zone_of
from log_importer.model import Request


def at(moment: datetime, site: int = 1) -> Request:
    return Request(0, 1, 0, moment.timestamp(), 1, 1, site, b"?")


class Beginning:
    """The dates that a server was told of, in turn."""

    def __init__(self, zone: str, begun: Iterable[Day] = ()) -> None:
        self.pinged: list[str] = []
        self.kept: list[Day] = []
        self.zone = zone_of(zone)
        self.dates = Dates(set(begun), {1: zone}, self.kept.extend)
        self.answers = True

    def __call__(self, *moments: datetime) -> list[str]:
        before = len(self.kept)
        self.dates.begin([at(moment) for moment in moments], self._post)
        return [date for _, date in self.kept[before:]]

    def _post(self, pings: list[bytes]) -> bool:
        self.pinged += [ping.decode() for ping in pings]
        return self.answers


NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)


def test_a_date_is_begun_at_its_first_hit_and_not_again() -> None:
    begin = Beginning("UTC", {(1, "2026-03-27")})
    assert begin(NOON - timedelta(days=1)) == []
    assert begin(NOON, NOON + timedelta(hours=11)) == ["2026-03-28"]
    assert begin(NOON - timedelta(hours=12), NOON) == []
    assert begin(NOON + timedelta(hours=12)) == ["2026-03-29"]
    assert len(begin.pinged) == 2


def test_a_date_that_begins_in_the_middle_of_a_day_elsewhere_is_begun_then() -> None:
    begin = Beginning("Europe/Paris")
    assert begin(NOON) == ["2026-03-28"]
    assert begin(NOON + timedelta(hours=10, minutes=59)) == []
    assert begin(NOON + timedelta(hours=11)) == ["2026-03-29"]


def test_a_date_whose_ping_was_not_taken_is_begun_by_the_next_batch() -> None:
    begin = Beginning("UTC")
    begin.answers = False
    assert begin(NOON) == []
    begin.answers = True
    assert begin(NOON) == ["2026-03-28"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "UTC-5.5", "Australia/Lord_Howe", "America/Los_Angeles"])
@given(st.lists(st.lists(st.integers(0, 15 * 96), min_size=1, max_size=40), max_size=20))
def test_whatever_comes_first_each_date_is_begun_before_its_first_hit(zone: str, batches: list[list[int]]) -> None:
    """About the days on which clocks are set back and forth."""
    begin = Beginning(zone)
    for quarters in batches:
        moments = [NOON + timedelta(minutes=15 * quarter) for quarter in quarters]
        begin(*moments)
        wanted = {f"{moment.astimezone(begin.zone):%Y-%m-%d}" for moment in moments}
        assert wanted <= {date for _, date in begin.kept}
    assert len(begin.kept) == len(set(begin.kept)) == len(begin.pinged)
