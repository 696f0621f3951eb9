"""Times, escapes, addresses: the values on a line."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.parsing.addresses import client_address
from log_importer.parsing.decoders import compile_decoders
from log_importer.parsing.times import Time, compile_time

CLF = "%d/%b/%Y:%H:%M:%S %z"


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10/Oct/2000:13:55:36 -0700", utc(2000, 10, 10, 20, 55, 36)),
        ("10/Oct/2000:13:55:36 +0530", utc(2000, 10, 10, 8, 25, 36)),
        ("10/Oct/2000:13:55:37 +0530", utc(2000, 10, 10, 8, 25, 37)),
        ("29/Feb/2024:00:00:00 +0000", utc(2024, 2, 29)),
        ("31/Dec/2016:23:59:60 +0000", utc(2017, 1, 1)),
        ("29/Feb/2023:00:00:00 +0000", None),
        ("10/Oct/2000:13:55:61 +0000", None),
        ("10/Oct/2000:24:55:36 +0000", None),
        ("10/Oct/2000:13:55:36 +9960", None),
        ("10/Oct/2000:13:55:36", None),
        ("10/Oct/2000:13:55:\u0663\u0663 +0000", None),
        ("", None),
    ],
)
def test_a_common_log_time_becomes_seconds(text: str, expected: float | None) -> None:
    assert compile_time(CLF, UTC)(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T10:00:01Z", utc(2026, 3, 1, 10, 0, 1)),
        ("2026-03-01T10:00:01+02:00", utc(2026, 3, 1, 8, 0, 1)),
        ("2026-03-01T10:00:01.250+00:00", utc(2026, 3, 1, 10, 0, 1) + 0.25),
        ("2026-03-01 10:00:01", utc(2026, 3, 1, 10, 0, 1)),
        ("0001-01-01T00:00:00+23:59", utc(1, 1, 1) - 86340),
        ("9999-12-31T23:59:59Z", utc(9999, 12, 31, 23, 59, 59)),
        ("20260301T100001+0100", utc(2026, 3, 1, 9, 0, 1)),
        ("2026-03-01T10:00+01:00", utc(2026, 3, 1, 9)),
        ("2026-13-01T10:00:01Z", None),
        ("yesterday", None),
    ],
)
def test_an_iso_time_becomes_seconds(text: str, expected: float | None) -> None:
    assert compile_time("iso8601", UTC)(text) == expected


@given(
    st.datetimes(datetime(1000, 1, 1), datetime(9998, 12, 31)).map(lambda moment: moment.replace(microsecond=0)),
    st.sampled_from(
        [CLF, "%d/%b/%Y:%H:%M:%S", "%Y-%m-%d %I:%M:%S %p", "%H:%M:%S %d.%m.%Y", "%S %M %H %j %Y", "iso8601"]
    ),
    st.sampled_from(
        [UTC, timezone(timedelta(minutes=-330)), ZoneInfo("Europe/Paris"), ZoneInfo("Australia/Lord_Howe")]
    ),
)
def test_what_is_remembered_of_other_times_changes_none(moment: datetime, layout: str, zone: tzinfo) -> None:
    moment = moment.replace(tzinfo=zone)
    text = moment.isoformat() if layout == "iso8601" else moment.strftime(layout)
    read = WAYS.setdefault((layout, zone), compile_time(layout, zone))(text)
    offset = layout in (CLF, "iso8601")
    exact = moment if offset else datetime.strptime(text, layout).replace(tzinfo=zone)
    assert read == (exact - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


WAYS: dict[tuple[str, tzinfo], Time] = {}
"""Parsers that have read other times before."""


def test_a_local_time_follows_daylight_saving() -> None:
    parse = compile_time("%Y-%m-%d %H:%M:%S", ZoneInfo("Europe/Paris"))
    assert parse("2026-01-15 12:00:00") == utc(2026, 1, 15, 11)
    assert parse("2026-07-15 12:00:00") == utc(2026, 7, 15, 10)
    assert parse("2026-03-29 02:30:00") == utc(2026, 3, 29, 1, 30)  # there is no such time; it is read as winter's


@pytest.mark.parametrize(("text", "expected"), [("1772359201.5", 1772359201.5), ("nan", None), ("1e99", None)])
def test_an_epoch_becomes_seconds(text: str, expected: float | None) -> None:
    assert compile_time("epoch", UTC)(text) == expected


def test_an_epoch_may_be_in_milliseconds() -> None:
    assert compile_time("epoch", UTC, "ms")("1772359201500") == 1772359201.5


@pytest.mark.parametrize(
    ("decoders", "text", "expected"),
    [
        (["quoted"], r"a \"b\" \\ c", 'a "b" \\ c'),
        (["quoted", "hex-escapes"], r"\xc3\xa9 \\x41 \t", "é \\x41 \t"),
        (["hex-escapes"], r"\x22\xE2\x82\xAC\x22", '"€"'),
        (["hex-escapes"], r"\xff", "\udcff"),
        (["quoted"], r"C:\Program", r"C:\Program"),
        (["plus", "percent"], "a+b%2Bc%C3%A9", "a b+cé"),
        (["percent", "percent"], "%2520", " "),
        (["percent"], "100%", "100%"),
    ],
)
def test_a_decoder_undoes_what_the_server_did(decoders: list[str], text: str, expected: str) -> None:
    decode = compile_decoders(decoders)
    assert decode is not None
    assert decode(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5123", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("client.example.net", None),
        ("unix:", None),
        ("999.1.1.1", None),
        ("", None),
    ],
)
def test_a_client_is_a_bare_address_or_none(text: str, expected: str | None) -> None:
    assert client_address(text) == expected
