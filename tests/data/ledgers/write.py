"""Writes state as an older version of log-importer did: `python -m tests.data.ledgers.write CHECKOUT NAME`.

CHECKOUT is a work tree of that version. What is written lies in `tests/data/ledgers/NAME`: the ledgers of two imports
of one log into one site with different options, the second killed after the server had stored its third batch and
before it answered, the ledger and database of an import into the embedded receiver, and `stored.json`: what the server
had stored, mark by mark, and what of it was in doubt. Versions without a ledger write the receiver's database alone.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.conftest import TOKENS, environment
from tests.fault_server import Posted, Told
from tests.faults.common import Keeper, keeping, log, marks_of

URL = "http://matomo.example.org"
"""The server, which is reached through a proxy."""


def write(checkout: Path, name: str) -> None:
    """Has the version in `checkout` write its state."""
    target = Path(__file__).parent / name
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place, keeping() as keeper:
        folder = Path(place)
        variables = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser, "http_proxy": keeper.url}
        state, source = folder / "state", folder / "a.log"

        def start(*options: object) -> subprocess.Popen[bytes]:
            given = ["import", "--state-dir", state, *options, source]
            return subprocess.Popen(
                [sys.executable, "-m", "log_importer", *map(str, given)],
                cwd=checkout,
                env=environment(folder, variables),
            )

        source.write_bytes(log(range(40)))
        assert start("--local").wait() == 0
        doubted: list[str] = []
        if (checkout / "log_importer" / "ledger").exists():
            server = ("--url", URL, "--idsite", 1, "--recorder-max-payload-size", 10, "--recorders", 1)
            assert start(*server).wait() == 0
            source.write_bytes(log(range(60)))
            posts: list[Posted] = []

            def die(kept: Keeper, posted: Posted) -> Told | None:
                posts.append(posted)
                if len(posts) < 3:
                    return None
                told = kept.keep(posted)
                doubted.extend(marks_of(posted))
                os.kill(process.pid, signal.SIGKILL)
                return told

            keeper.fault = die
            process = start(*server, "--enable-http-errors")
            assert process.wait() == -signal.SIGKILL
        for path in (*(state / "jobs").glob("*.sqlite3"), state / "receiver.sqlite3"):
            to = target / path.relative_to(state)
            to.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(to)) as new:
                old.backup(new)
                new.execute("PRAGMA journal_mode = DELETE")
                new.executescript("PRAGMA page_size = 512; VACUUM;")
        stored = {"stored": dict(sorted(keeper.stored.items())), "in_doubt": doubted}
        (target / "stored.json").write_text(json.dumps(stored) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]).resolve(), sys.argv[2])
