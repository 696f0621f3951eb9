"""Names browsers and systems in the receiver's database, apart from taking hits.

A user agent that was not seen before costs many times what storing its hit costs. So hits leave its row in `agent`
unnamed, and it is named when there is time: after an import, or while the receiver has nothing to do.
"""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

_AT_ONCE = 50
_QUIET = 1.0
"""Seconds without a change to the database before the receiver counts as idle."""
_UNNAMED = "SELECT user_agent FROM agent WHERE browser IS NULL LIMIT ?"
_NAME = (
    "UPDATE agent SET browser = ?, browser_version = ?, os = ?, os_version = ?, device_type = ? WHERE user_agent = ?"
)


def name_agents(database: Path) -> int:
    """Names every user agent in the receiver's database that has no name yet; how many."""
    named = 0
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        while done := _name_some(connection, _AT_ONCE):
            named += done
    return named


def name_when_idle(database: Path, over: threading.Event) -> None:
    """Names user agents one by one, whenever nobody has written to the database for a while, until `over` is set."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        seen = -1
        while not over.is_set():
            version = connection.execute("PRAGMA data_version").fetchone()[0]  # changes with others' commits
            if version != seen or not _name_some(connection, 1):
                seen = version
                over.wait(_QUIET)


def _name_some(connection: sqlite3.Connection, most: int) -> int:
    from log_importer.receiver.agents import describe  # loads the device detector when it is first asked

    agents = [row[0] for row in connection.execute(_UNNAMED, (most,))]
    names = [(*describe(agent), agent) for agent in agents]
    with connection:  # not open while the device detector works: a hit would wait for it
        connection.executemany(_NAME, names)
    return len(agents)
