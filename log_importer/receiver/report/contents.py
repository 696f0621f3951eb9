"""All that a report shows, as one value: what the page asks for, and what the file holds."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from log_importer.model.visible import visible
from log_importer.receiver.report.counting import behind
from log_importer.receiver.report.figures import Figures, Filter, Table
from log_importer.receiver.report.runs import read_runs, stamp_of_runs

_LONGEST = 1100
"""Characters of a label: an address has 1,024 at most, a keyword may have any number."""


def version_of(database: sqlite3.Connection, store: Path) -> str:
    """What changes whenever the contents of a report may."""
    sql = """SELECT action, (SELECT count(*) FROM store.agent WHERE browser IS NULL), (SELECT count(*) FROM store.site)
        FROM known"""
    parts = [*database.execute(sql).fetchone(), stamp_of_runs(store)]
    return "-".join(map(str, parts))


def contents(database: sqlite3.Connection, store: Path, wanted: Filter, most: int) -> dict[str, Any]:
    """The report of what `wanted` leaves, with `most` rows of each table; `database` is what `open_counts` gives."""
    figures = Figures(database, wanted)
    idstore = database.execute("SELECT store FROM known").fetchone()[0]
    sites = database.execute("SELECT idsite, name, main_url FROM store.site ORDER BY idsite").fetchall()
    unnamed = database.execute("SELECT count(*) FROM store.agent WHERE browser IS NULL").fetchone()[0]
    known = figures.days is not None
    return {
        "version": version_of(database, store),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "behind": behind(database),
        "unnamed": unnamed,
        "sites": [{"idsite": number, "name": visible(name), "url": visible(url)} for number, name, url in sites],
        "idsite": wanted.idsite,
        "days": [day.isoformat() for day in figures.days or ()],
        "from": figures.first.isoformat() if known else None,
        "to": figures.last.isoformat() if known else None,
        "totals": figures.totals(),
        "course": figures.course(),
        "by_hour": figures.by_hour(),
        "tables": {name: shown(table) for name, table in figures.tables(most).items()},
        "runs": read_runs(store, idstore),
    }


def shown(table: Table) -> dict[str, Any]:
    """A table with labels that can be shown."""
    return {
        "rows": [[visible(label, _LONGEST), n] for label, n in table.rows],
        "more": table.more,
        "total": table.total,
    }
