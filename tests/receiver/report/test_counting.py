"""The counts are those that SQL on the store gives, however the store came about, for any site and days."""

import random
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from log_importer.model.errors import StateError
from log_importer.receiver import Receiver
from log_importer.receiver.report.counting import behind, count_all, count_on, counts_database, open_counts
from log_importer.receiver.report.figures import AGENTS, REFERRERS, TABLES, Figures, Filter
from log_importer.receiver.report.spans import day_of, number, spans_of
from log_importer.receiver.settings import SiteSetup
from tests.conftest import GRANTS, TOKENS

FIRST = date(2026, 1, 27)
DAYS = 70
_PLACES = {
    "pages": ("action", "url", "type = 'view'"), "downloads": ("action", "url", "type = 'download'"),
    "searches": ("action", "search_keyword", "type = 'search'"), "entries": ("visit", "entry_url", "true"),
    "referrer_types": ("visit", "referrer_type", "true"), "countries": ("visit", "country", "true"),
    "languages": ("visit", "language", "true"),
}  # fmt: skip


def nobody(_text: str) -> bool:
    """No user agent is a bot, and no address a search engine's."""
    return False


@pytest.fixture
def receiver(tmp_path: Path) -> Any:
    """A receiver with two sites, one of which has a goal."""
    sites = (SiteSetup(1, "http://one.example", frozenset({1})), SiteSetup(2, "http://two.example"))
    with Receiver(tmp_path / "db.sqlite3", is_bot=nobody, search_engine=nobody, grants=GRANTS, sites=sites) as running:
        yield running


def hit(chance: random.Random, visitors: int = 40) -> str:
    """A tracking request of one of a few visitors, in no order of time."""
    visitor = chance.randrange(visitors)
    day = FIRST + timedelta(days=chance.randrange(0, DAYS, 5))
    moment = f"{day} {visitor % 24:02}:{chance.randrange(0, 60, 20):02}:00"  # so that many visits go on
    asked: dict[str, object] = {
        "idsite": chance.choice((1, 1, 2)), "rec": 1, "cdt": moment, "cip": "192.0.2.7",
        "cid": f"{visitor:016x}", "url": f"http://one.example/{chance.randrange(12)}",
        "ua": f"Browser {chance.randrange(3)}", "lang": chance.choice(("de-ch", "en", "")),
    }  # fmt: skip
    more: list[dict[str, object]] = [
        {}, {}, {}, {"download": f"http://one.example/{chance.randrange(3)}.pdf"}, {"search": chance.choice("abc")},
        {"urlref": chance.choice(("https://www.google.com/?q=x", "https://bsky.app/", "http://other.example/"))},
        {"link": "http://other.example/"}, {"idgoal": 1},
        {"idgoal": 0, "ec_id": str(chance.randrange(50)), "revenue": 3},
    ]  # fmt: skip
    return "?" + urlencode(asked | chance.choice(more))


def post(receiver: Receiver, hits: list[str]) -> None:
    body = {"requests": hits, "token_auth": TOKENS.superuser}
    assert requests.post(f"{receiver.url}/matomo.php", json=body, timeout=30).json()["tracked"] > 0.8 * len(hits)


def by_sql(store: Path, sql: str, wanted: Filter, column: str) -> list[Any]:
    """Rows of the store that a filter leaves; `column` holds their time."""
    conditions = ["true"]
    if wanted.idsite:
        conditions.append(f"idsite = {wanted.idsite}")
    if wanted.first:
        conditions.append(f"date({column}) >= '{wanted.first}'")
    if wanted.last:
        conditions.append(f"date({column}) <= '{wanted.last}'")
    with closing(sqlite3.connect(store)) as database:
        return database.execute(sql.replace("{where}", " AND ".join(conditions))).fetchall()


def check(store: Path, wanted: Filter) -> None:
    """Compares all figures with SQL on the store."""

    def visits(sql: str) -> list[Any]:
        return by_sql(store, sql, wanted, "first_action_time")

    def actions(sql: str) -> list[Any]:
        return by_sql(store, sql, wanted, "time")

    with closing(open_counts(store)) as database:
        assert count_on(database, 60, 37) == 0
        figures = Figures(database, wanted)
        types = Counter(dict(actions("SELECT type, count(*) FROM action WHERE {where} GROUP BY 1")))
        conversions = types["goal"] + types["order"]
        assert figures.totals() == {
            "visits": visits("SELECT count(*) FROM visit WHERE {where}")[0][0],
            "visitors": len(visits("SELECT DISTINCT idsite, visitor FROM visit WHERE {where}")),
            "actions": types.total() - conversions, "conversions": conversions, "views": types["view"],
            "downloads": types["download"], "searches": types["search"], "outlinks": types["outlink"],
        }  # fmt: skip
        tables = figures.tables(1000)
        for name in TABLES:
            table, column, condition = _PLACES[name]
            rows = visits if table == "visit" else actions
            sql = f"SELECT coalesce({column}, ''), count(*) FROM {table} WHERE {{where}} AND {condition} GROUP BY 1"
            assert dict(tables[name].rows) == dict(rows(sql)), name
            assert tables[name].total == sum(n for _, n in tables[name].rows), name
            few = figures.table(name, 2)
            assert [n for _, n in few.rows] == [n for _, n in tables[name].rows[:2]]
            assert (few.more, few.total) == (len(tables[name].rows) > 2, tables[name].total)
        for name, kind in REFERRERS.items():
            sql = "SELECT referrer_name, count(*) FROM visit WHERE {where} AND referrer_type = '%s' GROUP BY 1"
            assert dict(tables[name].rows) == dict(visits(sql % kind)), name
        whole = visits("SELECT count(*) FROM visit WHERE {where}")[0][0]
        assert {tables[name].total for name in AGENTS} == {whole}
        course, hours = figures.course(), figures.by_hour()
        days = dict(visits("SELECT date(first_action_time), count(*) FROM visit WHERE {where} GROUP BY 1"))
        assert {day: n for day, n in zip(course["days"], course["visits"], strict=True) if n} == days
        people = "SELECT date(first_action_time), count(DISTINCT idsite || visitor) FROM visit WHERE {where} GROUP BY 1"
        assert {day: n for day, n in zip(course["days"], course["visitors"], strict=True) if n} == dict(visits(people))
        sql = "SELECT substr(time, 12, 2), count(*) FROM action WHERE {where} AND idgoal IS NULL GROUP BY 1"
        assert {f"{hour:02}": n for hour, n in enumerate(hours["actions"]) if n} == dict(actions(sql))


def filters(chance: random.Random) -> list[Filter]:
    found = [Filter(), Filter(1), Filter(2)]
    for _ in range(8):
        first = FIRST + timedelta(days=chance.randrange(-5, DAYS))
        last = first + timedelta(days=chance.randrange(DAYS))
        found.append(Filter(chance.choice((None, 1, 2)), chance.choice((None, first)), chance.choice((None, last))))
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_counts_are_those_of_sql_also_where_visits_go_on_and_days_come_in_no_order(
    seed: int, receiver: Receiver, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    for _ in range(4):
        post(receiver, [hit(chance) for _ in range(150)])
        for wanted in filters(chance):
            check(tmp_path / "db.sqlite3", wanted)
    with closing(open_counts(tmp_path / "db.sqlite3")) as database:
        totals = Figures(database, Filter()).totals()
    assert all(totals.values())
    assert totals["visits"] > 3 * totals["visitors"] > 100


def test_a_visit_without_an_action_is_a_visit(receiver: Receiver, tmp_path: Path) -> None:
    order = "?idsite=1&rec=1&cdt=2026-02-01+10:00:00&cip=192.0.2.7&cid={:016x}&idgoal=0&ec_id=7&revenue=1"
    for visitor in (1, 2):
        post(receiver, [order.format(visitor)])
        check(tmp_path / "db.sqlite3", Filter())
    with closing(open_counts(tmp_path / "db.sqlite3")) as database:
        totals = Figures(database, Filter()).totals()
    assert (totals["visits"], totals["conversions"]) == (2, 1)


def test_what_is_still_to_be_counted_is_told(receiver: Receiver, tmp_path: Path) -> None:
    chance = random.Random(3)
    with closing(open_counts(tmp_path / "db.sqlite3")) as database:
        assert behind(database) == 0
        post(receiver, [hit(chance, 1000) for _ in range(200)])
        assert 100 < behind(database) <= 200
        assert count_on(database, 0) == 0 == behind(database)


def test_counts_of_another_store_are_thrown_away(tmp_path: Path) -> None:
    store = tmp_path / "db.sqlite3"
    for number_of_hits in (30, 20):
        with Receiver(store, is_bot=nobody, search_engine=nobody, grants=GRANTS) as running:
            chance = random.Random(number_of_hits)
            post(running, [hit(chance).replace("idsite=2", "idsite=1") for _ in range(number_of_hits)])
            check(store, Filter())
        for end in ("", "-wal", "-shm"):
            store.with_name(store.name + end).unlink(missing_ok=True)


def test_many_may_begin_to_count_at_once(receiver: Receiver, tmp_path: Path) -> None:
    chance = random.Random(6)
    post(receiver, [hit(chance) for _ in range(200)])
    store = tmp_path / "db.sqlite3"
    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(lambda _: count_all(store), range(16)):
            pass
    check(store, Filter())


def test_counts_that_are_no_database_are_told(tmp_path: Path) -> None:
    store = tmp_path / "db.sqlite3"
    with Receiver(store, is_bot=nobody, search_engine=nobody):
        pass
    counts_database(store).write_bytes(b"no database at all" * 100)
    with pytest.raises(StateError, match=r"db-report\.sqlite3: the report's counts cannot be used: .*Delete the file"):
        open_counts(store)


def test_spans_hold_each_day_once() -> None:
    chance = random.Random(4)
    for _ in range(300):
        first = date(2024, 1, 1) + timedelta(days=chance.randrange(500))
        last = first + timedelta(days=chance.randrange(200))
        spans = spans_of(first, last)
        counted: Counter[date] = Counter()
        for sign, some in ((1, spans.plus), (-1, spans.minus)):
            for span in some:
                for day in [day_of(span)] if span > 9_999_999 else part(span):
                    counted[day] += sign
        wanted = {first + timedelta(days=more) for more in range((last - first).days + 1)}
        assert {day: n for day, n in counted.items() if n} == dict.fromkeys(wanted, 1)
        assert day_of(number(first)) == first


def part(span: int) -> list[date]:
    """The days of a month, or of a third of it."""
    whole, third = (span, 0) if span < 1_000_000 else divmod(span, 10)
    first = date(whole // 100, whole % 100, 1)
    days = [first + timedelta(days=more) for more in range(31)]
    days = [day for day in days if day.month == first.month]
    return days if not third else (days[:10], days[10:20], days[20:])[third - 1]
