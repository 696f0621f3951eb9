"""A store with a million actions, written with SQL at once, as the receiver would have left it."""

import random
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from log_importer.receiver.settings import SiteSetup
from log_importer.receiver.store import Store

_FIRST = datetime(2026, 1, 1)
_TYPES = ("view",) * 90 + ("download",) * 6 + ("search",) * 3 + ("outlink",)
_REFERRERS = (
    ("direct", None), ("direct", None), ("search", "Google"), ("search", "Bing"), ("social", "reddit"),
    ("website", "news.example.org"), ("campaign", "spring"),
)  # fmt: skip


def fill(path: Path, actions: int, *, days: int = 120, pages: int = 20_000, agents: int = 2_000, sites: int = 2) -> int:
    """Fills a new store with `actions` in visits of four, some visitors coming back; how many visits."""
    setups = [SiteSetup(number, f"http://site{number}.example") for number in range(1, sites + 1)]
    Store(path, setups).close()
    chance = random.Random(7)  # noqa: S311 - the same store each time
    database = sqlite3.connect(path)
    with database:
        visits = actions // 4
        database.executemany(
            "INSERT INTO visit (idvisit, idsite, visitor, fingerprint, first_action_time, last_action_time, actions,"
            " searches, events, goal_converted, visit_number, ip, user_agent, language, country, resolution,"
            " referrer_type, referrer_name, entry_url) VALUES (?, ?, ?, '', ?, ?, 4, 0, 0, 0, 1, '192.0.2.1', ?, ?, ?,"
            " 'unknown', ?, ?, ?)",
            _visits(chance, visits, days, pages, agents, sites),
        )
        database.executemany(
            "INSERT INTO action (idvisit, idsite, time, type, url, search_keyword) VALUES (?, ?, ?, ?, ?, ?)",
            _actions(random.Random(7), chance, visits, days, pages, agents, sites),  # noqa: S311
        )
        database.execute("UPDATE agent SET browser = 'FF', os = 'LIN', device_type = 'desktop'")  # as if named by now
    database.close()
    return visits


def _begun(chance: random.Random, number: int, visits: int, days: int) -> datetime:
    return _FIRST + timedelta(seconds=number * days * 86_400 // visits + chance.randrange(60))


def _page(chance: random.Random, pages: int) -> str:
    """A few pages get most of the views."""
    return f"http://site.example/section/{int(pages * chance.random() ** 4)}"


def _visits(
    chance: random.Random, visits: int, days: int, pages: int, agents: int, sites: int
) -> Iterator[tuple[Any, ...]]:  # fmt: skip
    for number in range(visits):
        begun = _begun(chance, number, visits, days)
        visitor = f"{chance.randrange(visits * 2 // 3):016x}"
        kind, name = chance.choice(_REFERRERS)
        agent = f"Mozilla/5.0 (X11; Linux x86_64; rv:{int(agents * chance.random() ** 3)}.0) Gecko Firefox/140.0"
        country = chance.choice(("de", "fr", "us", "gb", "xx"))
        yield (
            number + 1, number % sites + 1, visitor, str(begun), str(begun + timedelta(minutes=3)), agent,
            chance.choice(("en", "de-de", "fr")), country, kind, name, _page(chance, pages),
        )  # fmt: skip


def _actions(
    begins: random.Random, chance: random.Random, visits: int, days: int, pages: int, agents: int, sites: int
) -> Iterator[tuple[Any, ...]]:  # fmt: skip
    for number, visit in enumerate(_visits(begins, visits, days, pages, agents, sites)):
        begun = datetime.fromisoformat(visit[3])
        for step in range(4):
            kind = chance.choice(_TYPES)
            keyword = f"word {int(500 * chance.random() ** 2)}" if kind == "search" else None
            url = None if keyword else visit[10] if step == 0 else _page(chance, pages)
            yield number + 1, visit[1], str(begun + timedelta(minutes=step)), kind, url, keyword
