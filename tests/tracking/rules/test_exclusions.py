"""Which hits become tracking requests, and under which reason the others are counted."""

from ipaddress import IPv4Network

import pytest

from log_importer.model import Hit
from log_importer.tracking.rules.exclusions import compile_exclusions
from log_importer.tracking.rules.networks import Networks
from log_importer.tracking.rules.privacy import masked
from log_importer.tracking.rules.selection import Selection

NOW = 1_772_000_000.0
PAGE = Hit(NOW - 100, "192.0.2.1", "/page", method="GET", status=200, user_agent="Browser")


def reason(hit: Hit, selection: Selection = Selection()) -> str | None:  # noqa: B008 - a value
    rules = compile_exclusions(selection, lambda agent: "bot" in agent, Networks([IPv4Network("66.0.0.0/8")]))
    return next((found for rule in rules if (found := rule.reason(hit, NOW)) is not None), None)


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


@pytest.mark.parametrize(
    ("status", "wanted", "expected"),
    [(200, "2xx", None), (204, "2XX", None), (304, "2xx", "status"), (None, "2xx", "status"), (None, "xxx", "status")],
)
def test_only_hits_with_a_wanted_status_are_tracked(status: int | None, wanted: str, expected: str | None) -> None:
    assert reason(PAGE._replace(status=status), Selection(statuses=(wanted,))) == expected


@pytest.mark.parametrize(
    ("address", "count", "expected"),
    [
        ("203.0.113.77", 1, "203.0.113.0"), ("203.0.113.77", 3, "203.0.0.0"), ("203.0.113.77", 4, "0.0.0.0"),
        ("2001:db8:1:2:3:4:5:6", 1, "2001:db8:1:2::"), ("2001:db8:1:2:3:4:5:6", 2, "2001:db8:1::"),
        ("2001:db8:1:2:3:4:5:6", 3, "2001:d00::"), ("2001:db8:1:2:3:4:5:6", 4, "::"), ("2001:db8::6", 0, "2001:db8::6"),
    ],
)  # fmt: skip
def test_addresses_are_masked_as_a_matomo_masks_them(address: str, count: int, expected: str) -> None:
    assert masked(address, count) == expected
