"""The figures of a report, read from the counts: totals, courses by day and hour, and tables."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from log_importer.receiver.report.counting_sql import By
from log_importer.receiver.report.names import named
from log_importer.receiver.report.spans import ALL_TIME, Spans, day_of, number, spans_among

MOST_ROWS = 100_000
"""Rows of one table that are given at once."""
_MOST_DAYS = 800
"""A longer course goes by months."""


class Table(NamedTuple):
    """The largest rows of a table, whether it has more of them, and the sum of all of them."""

    rows: Sequence[tuple[str, int]]
    more: bool
    total: int


TABLES: Mapping[str, By] = {
    "pages": By.PAGE, "entries": By.ENTRY, "downloads": By.DOWNLOAD, "searches": By.SEARCH,
    "referrer_types": By.REFERRER_TYPE, "countries": By.COUNTRY, "languages": By.LANGUAGE,
}  # fmt: skip
"""Those whose labels are what was counted."""
_TYPES = {By.PAGE: "view", By.DOWNLOAD: "download", By.SEARCH: "search"}
"""What is counted in actions of a type, and not in visits."""
REFERRERS = {"search_engines": "search", "social_networks": "social", "websites": "website", "campaigns": "campaign"}
"""Table -> the type of its referrers."""
AGENTS = {"browsers": 0, "systems": 1, "devices": 2}
"""Table -> place among the names of an agent."""
NAMES = (*TABLES, *REFERRERS, *AGENTS)


@dataclass(frozen=True, slots=True)
class Filter:
    """What is to be counted; `None` is no limit."""

    idsite: int | None = None
    first: date | None = None
    last: date | None = None


class Figures:
    """The figures of what a filter leaves."""

    def __init__(self, database: sqlite3.Connection, wanted: Filter) -> None:
        """`database` is what `open_counts` gives."""
        self._database = database
        everything = [row[0] for row in database.execute("SELECT idsite FROM store.site")]
        self._sites = everything if wanted.idsite is None else [wanted.idsite]
        days = """SELECT min(span), max(span) FROM fact
            WHERE kind IN (:actions, :visits) AND site IN ({sites}) AND span > 9999999 AND n > 0"""
        ends = self._rows(days, actions=By.TYPE, visits=By.VISIT)[0]
        self.days = None if ends[0] is None else (day_of(ends[0]), day_of(ends[1]))
        """The first and the last day of which anything is known."""
        self.first, self.last = self._clipped(wanted)
        self._spans = ALL_TIME if self.days is None else spans_among(self.first, self.last, self.days)

    def _clipped(self, wanted: Filter) -> tuple[date, date]:
        first, last = self.days or (date.min, date.min)
        return max(first, wanted.first or first), min(last, wanted.last or last)

    def totals(self) -> dict[str, int]:
        """Visits, visitors, actions and what they were."""
        types = dict(self._labels(By.TYPE))
        conversions = types.pop("goal", 0) + types.pop("order", 0)
        return {
            "visits": self._sum(By.VISIT), "visitors": self._visitors(), "actions": sum(types.values()),
            "views": types.get("view", 0), "downloads": types.get("download", 0),
            "searches": types.get("search", 0), "outlinks": types.get("outlink", 0), "conversions": conversions,
        }  # fmt: skip

    def course(self) -> dict[str, list[Any]]:
        """The course by day, or where that is very long by month: `days` are the days that its parts begin with."""
        first, last = self.first, self.last
        empty = self.days is None or first > last
        monthly = (last - first).days >= _MOST_DAYS
        part = 100 if monthly else 1
        days = [] if empty else [first + timedelta(days=more) for more in range((last - first).days + 1)]
        days = [day for day in days if day.day == 1 or day == first] if monthly else days
        ends = {"first": number(first), "last": number(last), "part": part}
        fact = """SELECT span / :part, sum(n) FROM fact
            WHERE kind = :kind AND site IN ({sites}) AND span BETWEEN :first AND :last GROUP BY 1"""
        visitors = """SELECT day / :part, sum(n) FROM newcomer WHERE site IN ({sites})
            AND day BETWEEN :first AND :last AND before < max(:first, day / :part * :part) GROUP BY 1"""
        known = {
            "visits": dict(self._rows(fact, kind=By.VISIT, **ends)), "visitors": dict(self._rows(visitors, **ends)),
            "actions": dict(self._rows(fact, kind=By.HOUR, **ends)),
        }  # fmt: skip
        course: dict[str, list[Any]] = {"days": [day.isoformat() for day in days]}
        return course | {name: [n.get(number(day) // part, 0) for day in days] for name, n in known.items()}

    def by_hour(self) -> dict[str, list[int]]:
        """The course of the day, 24 hours of UTC over all days together."""
        course = {}
        for name, kind in (("visits", By.VISIT_HOUR), ("actions", By.HOUR)):
            known = dict(self._labels(kind))
            course[name] = [known.get(f"{hour:02}", 0) for hour in range(24)]
        return course

    def table(self, name: str, most: int = MOST_ROWS) -> Table:
        """The `most` largest rows of the table `name`, one of `NAMES`."""
        if name in TABLES:
            return self._top(TABLES[name], most)
        if name in REFERRERS:
            rows = [(text.partition("\t"), n) for text, n in self._labels(By.REFERRER)]
            return _table([(parts[2], n) for parts, n in rows if parts[0] == REFERRERS[name]], most)
        return self._agents()[AGENTS[name]]

    def tables(self, most: int) -> dict[str, Table]:
        """All tables with their largest rows."""
        found = {name: self._top(kind, most) for name, kind in TABLES.items()}
        by_type: dict[str, list[tuple[str, int]]] = {}
        for text, n in self._labels(By.REFERRER):
            kind, _, label = text.partition("\t")
            by_type.setdefault(kind, []).append((label, n))
        found |= {name: _table(by_type.get(kind, []), most) for name, kind in REFERRERS.items()}
        agents = self._agents()
        return found | {name: _table(agents[place].rows, most) for name, place in AGENTS.items()}

    def _agents(self) -> list[Table]:
        """Browsers, systems and devices."""
        rows = self._rows(
            f"SELECT browser, os, device_type, sum(total) FROM ({self._grouped()}) JOIN label ON label = id"  # noqa: S608
            " LEFT JOIN store.agent ON user_agent = text GROUP BY 1, 2, 3",
            kind=By.AGENT,
        )
        return [_table(names.items(), MOST_ROWS) for names in named(rows)]

    def _top(self, kind: By, most: int) -> Table:
        # To count all rows, or to add them up, would take as long again.
        rows = self._rows(f"{self._grouped()} ORDER BY total DESC, label LIMIT :most", kind=kind, most=most + 1)
        texts = self._texts([label for label, _ in rows[:most]])
        of_type = _TYPES.get(kind)
        total = self._sum(By.VISIT) if of_type is None else dict(self._labels(By.TYPE)).get(of_type, 0)
        return Table([(texts[label], n) for label, n in rows[:most]], len(rows) > most, total)

    def _labels(self, kind: By) -> list[tuple[str, int]]:
        """All labels of a kind that has few of them."""
        rows = self._rows(f"SELECT text, total FROM ({self._grouped()}) JOIN label ON label = id", kind=kind)  # noqa: S608
        return [(text, total) for text, total in rows]

    def _texts(self, labels: Sequence[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for first in range(0, len(labels), 500):
            some = ", ".join(map(str, labels[first : first + 500]))
            found |= dict(self._database.execute(f"SELECT id, text FROM label WHERE id IN ({some})"))  # noqa: S608
        return found

    def _sum(self, kind: By) -> int:
        return int(self._rows(f"SELECT coalesce(sum(total), 0) FROM ({self._grouped()})", kind=kind)[0][0])  # noqa: S608

    def _visitors(self) -> int:
        """Visitors of all the days together: on each those who had not come since the first of them."""
        ends = {"first": number(self.first), "last": number(self.last)}
        sql = "SELECT coalesce(sum(n), 0) FROM newcomer WHERE site IN ({sites}) AND day BETWEEN :first AND :last"
        return int(self._rows(f"{sql} AND before < :first", **ends)[0][0])

    def _grouped(self) -> str:
        """Label -> total over the spans."""

        def part(spans: Iterable[int], sign: str) -> str:
            listed = ", ".join(map(str, spans))
            where = f"kind = :kind AND site IN ({{sites}}) AND span IN ({listed})"
            return f"SELECT label, {sign}n AS n FROM fact WHERE {where}"  # noqa: S608 - numbers

        spans: Spans = self._spans
        parts = part(spans.plus, "") + (f" UNION ALL {part(spans.minus, '-')}" if spans.minus else "")
        return f"SELECT label, sum(n) AS total FROM ({parts}) GROUP BY label HAVING total > 0"  # noqa: S608

    def _rows(self, sql: str, **values: int) -> list[Any]:
        listed = ", ".join(map(str, self._sites)) or "0"
        return self._database.execute(sql.replace("{sites}", listed), values).fetchall()


def _table(rows: Iterable[tuple[str, int]], most: int) -> Table:
    ordered = sorted(rows, key=lambda row: (-row[1], row[0]))
    return Table(ordered[:most], len(ordered) > most, sum(n for _, n in ordered))
