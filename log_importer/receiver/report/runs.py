"""The accounts of imports into the receiver: what was read and why some of it was not sent, one JSON file a run.

They lie beside the store and not in it, so that whoever imports never waits for whoever tracks.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

_KEPT = 20
"""Accounts of the last so many runs."""
_ALIVE = 10.0
"""Seconds without news after which a run that never said that it had ended counts as dead."""


def runs_folder(store: Path) -> Path:
    """Where the accounts of runs into the store at `store` lie."""
    return store.with_name(f"{store.stem}-runs")


def write_run(folder: Path, name: str, account: Mapping[str, Any]) -> None:
    """Replaces the account `name`, which sorts by the time when the run began, at once. Raises `OSError`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{name}.json"
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_bytes(orjson.dumps(account))
    new = not path.exists()
    draft.replace(path)
    for old in sorted(folder.glob("*.json"))[:-_KEPT] if new else ():
        old.unlink(missing_ok=True)


def read_runs(store: Path, idstore: str) -> list[dict[str, Any]]:
    """The accounts of runs into the store whose id is `idstore`, the newest first; `state` is what became of each."""
    found = []
    for path in sorted(runs_folder(store).glob("*.json"), reverse=True):
        try:
            account = orjson.loads(path.read_bytes())
            age = time.time() - path.stat().st_mtime
        except (OSError, ValueError):  # taken away meanwhile, or written by whom we do not know
            continue
        if isinstance(account, dict) and account.get("store") == idstore:
            running = bool(account.get("running"))
            account["state"] = "ended" if not running else "running" if age < _ALIVE else "broken off"
            found.append(account)
    return found


def stamp_of_runs(store: Path) -> int:
    """A number that changes whenever an account does."""
    stamps = []
    for path in runs_folder(store).glob("*.json"):
        try:
            stamps.append(path.stat().st_mtime_ns)
        except OSError:
            continue
    return max(stamps, default=0)
