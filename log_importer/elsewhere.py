"""Says it where files were imported under another job before: another job, and their lines count twice."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from log_importer.errors import StateError
from log_importer.ledger.database import read_database
from log_importer.ledger.ledger import Ledger
from log_importer.ledger.load import load_about
from log_importer.sharing import read_shard
from log_importer.sources.find import Source, lies_at

_SAME = ("url", "endpoint", "idsite")


def say_elsewhere(ledger: Ledger, files: Iterable[Source], say: Callable[[str], None]) -> None:
    """One sentence for each other job that read some of `files`, new to this one, into the same site."""
    new = {lies_at(file.name) for file in files if not file.stdin} - ledger.sources.names
    for path in sorted(ledger.path.parent.glob("*.sqlite3")) if new else ():
        if path == ledger.path:
            continue
        about, names = _sources(path)
        found = sorted(names & new)
        same = all(about.get(key) == ledger.about.get(key) for key in _SAME)
        if found and same and not _other_share(about.get("shard", ""), ledger.about.get("shard", "")):
            more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
            say(
                f"{found[0]}{more}: imported before, under the job '{about['job']}'; this is another job, so what was "
                "sent there is sent again."
            )


def _other_share(one: str, other: str) -> bool:
    """Whether two jobs are different shares of the same whole."""
    first, second = read_shard(one), read_shard(other)
    return first is not None and second is not None and first.shares == second.shares and first != second


def _sources(path: Path) -> tuple[dict[str, str], set[str]]:
    """What the ledger of another job is about, and the names of its sources; nothing where it cannot be read."""
    try:
        with closing(read_database(path)) as database:
            return load_about(database), {name for (name,) in database.execute("SELECT name FROM source")}
    except (StateError, sqlite3.Error, ValueError):
        return {}, set()  # whoever uses that job will hear of it
