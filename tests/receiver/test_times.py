"""`cdt` in all the forms that a Matomo takes, each read as it reads them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.receiver.times import parse_time

NOW = datetime(2024, 3, 5, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-10 10:00:00", "2024-01-10 10:00:00"),
        (" 2024-01-10 10:00 ", "2024-01-10 10:00:00"),
        ("2024-1-5 1:2:3", "2024-01-05 01:02:03"),
        ("2024-01-10", "2024-01-10 00:00:00"),
        ("2024/01/10 10:00:00", "2024-01-10 10:00:00"),
        ("2024-01-10T10:00:00.123Z", "2024-01-10 10:00:00"),
        ("20240110T100000", "2024-01-10 10:00:00"),
        ("2024-01-10 10:00:00+05:00", "2024-01-10 05:00:00"),
        ("2024-01-10 10:00:00-0530", "2024-01-10 15:30:00"),
        ("2024-01-10 10:00:00 EST", "2024-01-10 15:00:00"),
        ("2024-07-10 10:00:00 Europe/Berlin", "2024-07-10 08:00:00"),
        ("1704880800", "2024-01-10 10:00:00"),
        ("1704880800.75", "2024-01-10 10:00:00"),
        ("@1704880800", "2024-01-10 10:00:00"),
        ("01/10/2024 10:00:00", "2024-01-10 10:00:00"),
        ("10-01-2024 10:00:00", "2024-01-10 10:00:00"),
        ("10.01.2024 10:00:00", "2024-01-10 10:00:00"),
        ("10/Jan/2024:10:00:00 +0000", "2024-01-10 10:00:00"),
        ("10/Jan/2024:10:00:00 +0200", "2024-01-10 08:00:00"),
        ("Wed, 10 Jan 2024 10:00:00 +0100", "2024-01-10 09:00:00"),
        ("10 January 2024 10:05 pm", "2024-01-10 22:05:00"),
        ("2024-02-30 10:00:00", "2024-03-01 10:00:00"),
        ("2024-01-10 10:00:60", "2024-01-10 10:01:00"),
        ("2024-01-10 24:00:00", "2024-01-11 00:00:00"),
        ("now", "2024-03-05 12:30:15"),
        ("today", "2024-03-05 00:00:00"),
        ("Yesterday", "2024-03-04 00:00:00"),
        ("-2 hours", "2024-03-05 10:30:15"),
        ("1 day ago", "2024-03-04 12:30:15"),
    ],
)
def test_a_time_is_read(text: str, moment: str) -> None:
    assert parse_time(text, NOW) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "notadate",
        "2024-13-45 99:99:99",
        "2024-00-10 10:00:00",
        "2024-01-32",
        "10:00",
        "Jan 10",
        "2024-01-10 ../etc/x",
    ],
)
def test_what_is_no_time_means_none(text: str) -> None:
    assert parse_time(text, NOW) is None


def test_a_number_is_unix_time_even_where_it_looks_like_a_date() -> None:
    moment = parse_time("20240110", NOW)
    assert moment == datetime(1970, 8, 23, 6, 15, 10, tzinfo=UTC)


@given(st.one_of(st.text(max_size=80), st.text("0123456789-+/:. TZadgo", max_size=40)))
def test_any_text_is_a_whole_second_of_utc_or_none(text: str) -> None:
    moment = parse_time(text, NOW)
    assert moment is None or (moment.utcoffset() == timedelta() and moment.microsecond == 0)
