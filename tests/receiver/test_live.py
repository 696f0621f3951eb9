"""`Live.getLastVisitsDetails` of the receiver: as recorded on a Matomo, and quick and bounded where there is much."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import requests

from log_importer.receiver import Receiver
from log_importer.receiver.access import Grant, Level
from log_importer.receiver.settings import SiteSetup
from log_importer.receiver.store import Store
from log_importer.translation.bot_rules import judges
from tests.live_calls import CALLS, HITS, RECORDED, SITE, ZONE

ROOT, ADMIN, WRITE, VIEW, WRONG = ("0" * 31 + digit for digit in "12345")
TOKENS = {"superuser": ROOT, "admin on site 1": ADMIN, "write on site 1": WRITE, "view on site 1": VIEW, "wrong": WRONG}
ONE = frozenset({1})
GRANTS = {
    ROOT: Grant(Level.SUPERUSER), ADMIN: Grant(Level.ADMIN, ONE), WRITE: Grant(Level.WRITE, ONE),
    VIEW: Grant(Level.VIEW, ONE),
}  # fmt: skip
SITES = [SiteSetup(1, "http://localhost"), SiteSetup(SITE, "http://live.example", timezone=ZONE)]
DAYS = {"period": "range", "date": "2026-10-04,2026-10-06"}


def starting(path: Path, now: datetime) -> Receiver:
    verdicts = judges()
    return Receiver(
        path, is_bot=verdicts.is_bot, search_engine=verdicts.search_engine, grants=GRANTS, sites=SITES,
        clock=lambda: now,
    )  # fmt: skip


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with starting(tmp_path / "db", RECORDED) as one:
        yield one


def post(receiver: Receiver, hits: list[bytes]) -> None:
    body = {"requests": [hit.decode() for hit in hits], "token_auth": ROOT}
    assert requests.post(f"{receiver.url}/matomo.php", json=body, timeout=30).json()["tracked"] == len(hits)


def ask(receiver: Receiver, token: str = ROOT, site: str = f"{SITE}", **parameters: str) -> requests.Response:
    query = {"module": "API", "format": "json", "method": "Live.getLastVisitsDetails", "idSite": site}
    url = f"{receiver.url}/index.php?{urlencode(query | parameters)}"
    return requests.post(url, {"token_auth": token}, timeout=30)


def paths(receiver: Receiver, **parameters: str) -> list[str]:
    """Path and query of the actions found, in order; of a search its words."""
    visits = ask(receiver, **{"filter_limit": "-1", **DAYS, **parameters}).json()
    assert isinstance(visits, list), visits
    actions = [action for visit in visits for action in visit["actionDetails"]]
    return [(action["url"] or action["siteSearchKeyword"]).removeprefix("http://live.example") for action in actions]


def without(members: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


@pytest.mark.parametrize("call", CALLS, ids=[call["id"] for call in CALLS])
def test_a_call_is_answered_as_recorded(receiver: Receiver, call: dict[str, Any]) -> None:
    post(receiver, HITS)
    site = "1" if call["id"].startswith("rights-") else f"{SITE}"
    answer = ask(receiver, TOKENS[call["token"]], site, **call["parameters"])
    assert answer.status_code == call["status"]
    assert answer.headers["Content-Type"].partition(";")[0] == call["content_type"].partition(";")[0]
    found, recorded = answer.json(), call["reply"]
    if isinstance(recorded, dict):
        assert found == recorded
        return
    assert len(found) == len(recorded)
    for mine, theirs in zip(found, recorded, strict=True):
        sent = theirs["userId"] is not None or theirs["visitorId"] == "0123456789abcdef"  # others are drawn by chance
        left = {"other_members", "browserCode", "operatingSystemCode"} | (set() if sent else {"visitorId"})
        assert without(mine, left) == without(theirs, left)


@pytest.mark.parametrize(
    ("segment", "found"),
    [
        ("visitIp==203.0.113.2,visitIp==203.0.113.5", ["/u", "/f.pdf"]),
        ("visitIp==203.0.113.2;visitIp==203.0.113.5", []),
        ("visitIp==203.0.113.1,visitIp==203.0.113.2;pageUrl==http%3A%2F%2Flive.example%2Fa", ["/a"]),
        ("visitIp==2001%3ADB8%3A0%3A%3A7", ["/c%C3%A9"]),
        ("visitorId==0123456789ABCDEF", ["/u"]),
        ("userId==anna,pageUrl==https%3A%2F%2Fwww.live.example%2Ft", ["/v", "/t"]),
        ("pageUrl==http%3A%2F%2Flive.example%2Fc%25C3%25A9", ["/c%C3%A9"]),
        ("pageUrl==http%3A%2F%2Flive.example%2Ff.pdf", []),
        ("visitIp==nobody", []),
    ],
)  # fmt: skip
def test_a_segment_chooses(receiver: Receiver, segment: str, found: list[str]) -> None:
    post(receiver, HITS)
    assert paths(receiver, segment=segment) == found


def test_what_a_segment_says_is_never_sql(receiver: Receiver) -> None:
    post(receiver, HITS)
    value = quote("x' OR '1'='1", safe="")
    for name in ("visitIp", "visitorId", "userId", "pageUrl", "downloadUrl"):
        assert paths(receiver, segment=f"{name}=={value}") == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"segment": "visitIp!=1.2.3.4"}, "Segment 'visitIp' is not"),
        ({"segment": "visitIp"}, "Segment 'visitIp' is not"),
        ({"segment": ",".join(["visitIp==1.2.3.4"] * 101)}, "more than 100 conditions"),
        ({"date": "2026-02-30", "period": "day"}, "date '2026-02-30' is not"),
        ({"date": "0001-01-01", "period": "day"}, "date '0001-01-01' is not"),
        ({"date": "2026-10-05", "period": "range"}, "period 'range' with"),
        ({"period": "week"}, "period 'week' with"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_an_error_object(receiver: Receiver, parameters: dict[str, str], words: str) -> None:
    answer = ask(receiver, **(DAYS | parameters))
    assert (answer.status_code, answer.json()["result"]) == (200, "error")
    assert words in answer.json()["message"]


def test_limit_and_offset_cut_the_visits(receiver: Receiver) -> None:
    post(receiver, HITS)
    assert paths(receiver, filter_limit="2", filter_offset="1") == ["/v", "/u"]
    assert paths(receiver, filter_limit="0") == []


def test_today_is_that_of_the_site(tmp_path: Path) -> None:
    # 30 November in UTC, 29 in Los Angeles.
    with starting(tmp_path / "db", RECORDED.replace(hour=7)) as receiver:
        post(receiver, [HITS[0].replace(b"2026-10-05+06", b"2026-11-30+06")])
        assert paths(receiver, period="day", date="today") == ["/a"]
        assert paths(receiver, period="day", date="yesterday") == []
        assert paths(receiver, period="day", date="2026-11-29") == ["/a"]


def test_a_visit_ends_at_the_midnight_of_the_site(receiver: Receiver) -> None:
    visitor = HITS[7]  # known by an id, so that another day makes nobody else of it
    post(receiver, [visitor.replace(b"09%3A30", time) for time in (b"06%3A50", b"07%3A10")])
    post(receiver, [visitor.replace(b"05+09%3A30", time) for time in (b"05+23%3A50", b"06+00%3A10")])
    visits = ask(receiver, **DAYS, segment="visitorId==0123456789abcdef").json()
    assert [visit["actions"] for visit in visits] == [2, 1, 1]


def test_an_answer_is_bounded(receiver: Receiver) -> None:
    one = HITS[7]
    post(receiver, [one] * 600)
    (visit,) = ask(receiver, **DAYS).json()
    assert (visit["actions"], len(visit["actionDetails"])) == (600, 500)
    post(receiver, [one + b"&new_visit=1"] * 2001)
    assert ask(receiver, **DAYS, filter_limit="-1").json()["result"] == "error"
    assert len(ask(receiver, **DAYS, filter_limit="50").json()) == 50


def test_one_address_is_found_quickly_among_many_visits(receiver: Receiver, tmp_path: Path) -> None:
    post(receiver, HITS)
    with closing(sqlite3.connect(tmp_path / "db")) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(visit)") if row[1] != "idvisit"]
        values = [{"ip": "'10.' || value", "visitor": "'v' || value"}.get(name, name) for name in columns]
        database.execute(
            "WITH RECURSIVE counted(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM counted WHERE value < 300000)"
            f" INSERT INTO visit ({', '.join(columns)}) SELECT {', '.join(values)} FROM visit, counted"
            " WHERE idvisit = 1"
        )
    began = time.monotonic()
    for segment in ("visitIp==203.0.113.2", "visitorId==0123456789abcdef", "userId==anna"):
        assert len(paths(receiver, segment=segment)) == 1
    assert time.monotonic() - began < 0.5


def test_a_database_from_before_gets_what_it_lacks_and_its_zones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "old"
    Store(path, SITES).close()
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript("DROP INDEX visit_by_ip; DROP INDEX visit_by_user; PRAGMA user_version = 3")
    store = Store(path, [])
    indexes = {row[0] for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'index'", [])}
    assert {"visit_by_ip", "visit_by_user"} <= indexes
    assert (store.timezone(SITE), store.timezone(99)) == (ZONE, "UTC")
    store.close()
