"""Dates of sites that are begun, each once and before its first hit, by the site's own clock."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.delivery.dates import Dates, Day
from log_importer.model import Request
from log_importer.model.zones import zone_of


def at(moment: datetime, site: int = 1) -> Request:
    return Request(0, 1, 0, moment.timestamp(), 1, 1, site, b"?")


class Beginning:
    """The dates that a server was told of, in turn."""

    def __init__(self, zone: str, begun: Iterable[Day] = (), *, later: timedelta = timedelta(0)) -> None:
        """It is `later` than `NOON`."""
        self.pinged: list[str] = []
        self.kept: list[Day] = []
        self.zone = zone_of(zone)
        self.dates = Dates(
            set(begun), {1: zone}, self.kept.extend, now=lambda: (NOON + later).timestamp()
        )  # fmt: skip
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


def test_days_that_follow_one_another_are_begun_ahead_as_many_as_there_were() -> None:
    begin = Beginning("Europe/Paris", later=timedelta(days=365))
    assert begin(NOON) == ["2026-03-28"]
    assert begin(NOON + timedelta(days=1)) == ["2026-03-29", "2026-03-30"]
    assert begin(NOON + timedelta(days=2)) == []
    assert begin(NOON + timedelta(days=3)) == ["2026-03-31", "2026-04-01", "2026-04-02", "2026-04-03"]
    assert begin(NOON + timedelta(days=7)) == [f"2026-04-{day:02}" for day in range(4, 12)]
    assert "cdt=2026-03-30+10%3A00%3A00" in begin.pinged[2]  # noon in Paris
    hundred = [NOON + timedelta(days=15 + number) for number in range(100)]
    assert len(begin(*hundred)) == 100 + 30
    assert begin(NOON + timedelta(days=300)) == ["2027-01-22"]


def test_no_date_is_begun_before_it_is_over_but_for_its_hits() -> None:
    begin = Beginning("UTC", {(1, f"2026-03-{day}") for day in range(10, 26)}, later=timedelta(days=1))
    assert begin(NOON - timedelta(days=2)) == ["2026-03-26", "2026-03-27", "2026-03-28"]
    assert begin(NOON + timedelta(days=1)) == ["2026-03-29"]


def test_so_many_dates_are_pinged_at_once_that_a_post_can_hold_them() -> None:
    begin = Beginning("UTC", later=timedelta(days=10_000))
    assert len(begin(*[NOON + timedelta(days=number) for number in range(1990)])) == 2000


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=7), timedelta(days=100)])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "UTC-5.5", "Australia/Lord_Howe", "America/Los_Angeles"])
@given(st.lists(st.lists(st.integers(0, 15 * 96), min_size=1, max_size=40), max_size=20))
def test_whatever_comes_first_each_date_is_begun_before_its_first_hit(
    zone: str, later: timedelta, batches: list[list[int]]
) -> None:
    """About the days on which clocks are set back and forth."""
    begin = Beginning(zone, later=later)
    for quarters in batches:
        moments = [NOON + timedelta(minutes=15 * quarter) for quarter in quarters]
        begin(*moments)
        wanted = {f"{moment.astimezone(begin.zone):%Y-%m-%d}" for moment in moments}
        assert wanted <= {date for _, date in begin.kept}
    assert len(begin.kept) == len(set(begin.kept)) == len(begin.pinged)
