"""Which hits become tracking requests, and under which reason the others are counted."""

import pytest

from log_importer.model import Hit
from log_importer.rules.exclusions import compile_exclusions
from log_importer.rules.ranges import Ranges
from log_importer.rules.selection import Selection

NOW = 1_772_000_000.0
PAGE = Hit(NOW - 100, "192.0.2.1", "/page", method="GET", status=200, user_agent="Browser")


def reason(hit: Hit, selection: Selection = Selection()) -> str | None:  # noqa: B008 - a value
    rules = compile_exclusions(selection, lambda agent: "bot" in agent, lambda address: address.startswith("66."))
    return next((found for rule in rules if (found := rule.reason(hit, NOW)) is not None), None)


def one(ranges: Ranges, download: int, time: float, partial: bool) -> bool:
    return ranges.repeats([0, download, 0], [time] * 3, [False, partial, False]) == [1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"time": NOW + 59}, None),
        ({"time": NOW + 61}, "time-future"),
        ({"time": NOW - 7300 * 86400 - 1}, "time-too-old"),
        ({"time": NOW - 7300 * 86400 + 1}, None),
        ({"method": "POST"}, None),
        ({"method": None}, None),
        ({"method": "HEAD"}, "method"),
        ({"method": "OPTIONS"}, "method"),
        ({"status": 404}, "status-error"),
        ({"status": 503}, "status-error"),
        ({"status": None}, None),
        ({"status": 301}, "status-redirect"),
        ({"status": 304}, None),
        ({"path": "/a/b.CSS"}, "static"),
        ({"path": "/robots.txt"}, "static"),
        ({"path": "/data.xml"}, "static"),
        ({"path": "/a.css/page"}, None),
        ({"path": "/manual.pdf"}, None),
        ({"user_agent": "a bot"}, "bot"),
        ({"user_agent": None}, None),
        ({"client_ip": "66.249.66.1"}, "bot"),
        ({"method": "HEAD", "status": 404, "path": "/a.css", "user_agent": "bot"}, "method"),
        ({"status": 404, "path": "/a.css", "user_agent": "bot"}, "status-error"),
        ({"path": "/a.css", "user_agent": "bot"}, "static"),
    ],
)
def test_the_first_reason_wins(change: dict[str, object], expected: str | None) -> None:
    assert reason(PAGE._replace(**change)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("selection", "change"),
    [
        (Selection(static=True), {"path": "/a.css"}),
        (Selection(bots=True), {"user_agent": "bot"}),
        (Selection(bots=True), {"client_ip": "66.249.66.1"}),
        (Selection(http_errors=True), {"status": 500}),
        (Selection(http_redirects=True), {"status": 302}),
    ],
)
def test_a_group_can_be_turned_on(selection: Selection, change: dict[str, object]) -> None:
    hit = PAGE._replace(**change)  # type: ignore[arg-type]
    assert reason(hit) is not None
    assert reason(hit, selection) is None


def test_a_download_that_is_not_wanted_is_skipped() -> None:
    assert reason(PAGE._replace(path="/a.zip"), Selection(downloads=frozenset({"pdf"}))) == "download"
    assert reason(PAGE._replace(path="/a.pdf"), Selection(downloads=frozenset({"pdf"}))) is None


def test_the_ranges_of_a_download_count_once() -> None:
    ranges = Ranges()
    assert [one(ranges, 1, time, True) for time in (0, 5, 1000, 2700, 4600)] == [False, True, True, True, False]
    assert one(ranges, 2, 4600, True) is False, "another visitor or file"
    assert one(ranges, 1, 4601, False) is False, "the whole file again is another download"
    assert one(ranges, 1, 4602, True) is True, "and a range after it belongs to it"


def test_what_is_remembered_of_downloads_is_bounded() -> None:
    ranges = Ranges()
    for number in range(70_000):
        one(ranges, number, 0, True)
    assert one(ranges, 1, 0, True) is False
    assert one(ranges, 69_999, 0, True) is True
