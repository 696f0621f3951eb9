"""A ledger turned back into one that a former version of the program would have left."""

import sqlite3
from contextlib import closing
from pathlib import Path

from log_importer.ledger.database import held_proof
from log_importer.versions import version_of

_OF_PROOF = "offset, line, reason, answer, site, time, visitor, agent, query, doubts"


def turn_back(path: Path) -> bool:
    """Version 2 -> version 1, which knew neither when a batch was posted nor by what the server is asked for it.

    Returns whether anything was in doubt.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        if version_of(database) == 1:
            return False
        database.execute("BEGIN IMMEDIATE")
        doubted = database.execute("SELECT EXISTS (SELECT 1 FROM intent)").fetchone()[0]
        database.execute("DROP TABLE intent")
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
