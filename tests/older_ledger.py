"""A ledger turned back into one that a former version of the program would have left."""

import sqlite3
from contextlib import closing
from pathlib import Path

from log_importer.ledger.database import held_proof
from log_importer.ledger.versions import version_of

_OF_PROOF = "offset, line, reason, answer, site, time, visitor, agent, query, doubts"


def turn_back(path: Path) -> bool:
    """The latest version -> version 1, which knew neither when a batch was posted, nor by what the server is asked for
    it, nor on which days what was sent.

    Returns whether anything was in doubt.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        if version_of(database) == 1:
            return False
        database.execute("BEGIN IMMEDIATE")
        doubted = database.execute("SELECT EXISTS (SELECT 1 FROM intent)").fetchone()[0]
        for table in ("intent", "sent", "zone"):
            database.execute(f"DROP TABLE {table}")
        database.execute("DROP INDEX held_by_batch")
        database.execute("ALTER TABLE held DROP COLUMN batch")
        for source, *row in database.execute(f"SELECT source, {_OF_PROOF} FROM held").fetchall():
            database.execute(
                "UPDATE held SET proof = ? WHERE source = ? AND offset = ?",
                (held_proof(source, row, 0), source, row[0]),
            )
        database.execute("DELETE FROM meta WHERE key LIKE 'proof of site %'")
        database.execute("PRAGMA user_version = 1")
        database.execute("COMMIT")
    return bool(doubted)
