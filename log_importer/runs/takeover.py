"""A destination's ledger, opened; where older versions kept one for each selection, all of them become one first.

Killed at any instant, nothing is lost: the new ledger is made beside and renamed, it names those that it was made of,
and only then are they renamed too, to `.old`, and kept.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from log_importer.ledger.database import read_database, unwritable
from log_importer.ledger.ledger import Ledger
from log_importer.ledger.load import load_about
from log_importer.ledger.union import unite
from log_importer.runs.reading.watcher import CAUGHT_UP
from log_importer.settings import named_key
from log_importer.sources.state_folder import JobLock, job_hash
from log_importer.translation.sharing import ALL

_TAKING = "taking_over"
"""What the new ledger calls the names of those that are still to be renamed."""
_DESTINATION = ("url", "idsite", "receiver")


def open_ledger(
    path: Path, about: Mapping[str, str], say: Callable[[str], None], patience: float, *, named: bool
) -> Ledger:
    """The ledger at `path`, made where there is none; one of a job that the user `named` has always been one.

    Raises `JobLocked` and `StateError`.
    """
    if named or path.exists():
        ledger = Ledger(path, about, say, patience)
        _put_aside(ledger)
        return ledger
    with contextlib.ExitStack() as stack:
        old = [one for one in sorted(path.parent.glob("*.sqlite3")) if _is_of(one, about)]
        for one in old:
            stack.enter_context(JobLock(one))
        if old:
            unite(path, {**about, _TAKING: "\n".join(one.name for one in old)}, old, earliest=[CAUGHT_UP])
            say(
                f"What {_number(len(old), 'earlier job')} did with this server and these sites counts as done; of "
                f"{_number(len(old), 'ledger')} a copy is kept as {path.parent}/*.old."
            )
        ledger = Ledger(path, about, say, patience)
        _put_aside(ledger)
        return ledger


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count > 1)}"


def is_named(name: str, about: Mapping[str, str]) -> bool:
    """Whether a ledger, by the name of its file or folder, is of a job that the user gave a name."""
    return job_hash(named_key(job_name(about), _shard(about))) == name


def job_name(about: Mapping[str, str]) -> str:
    """The name of a job that the user gave one, by what its ledger says of it."""
    return about.get("job", "").removesuffix(f", shard {_shard(about)}")


def _shard(about: Mapping[str, str]) -> str:
    """The share of a job, "" where it is all."""
    shard = about.get("shard", "")
    return "" if shard == str(ALL) else shard


def is_destination(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two ledgers are of the same server and sites, by what they are about."""
    return all(one.get(key, "") == other.get(key, "") for key in _DESTINATION) and _shard(one) == _shard(other)


def _is_of(path: Path, about: Mapping[str, str]) -> bool:
    """Whether a ledger is an older one of the destination. Raises `StateError` where nobody can tell."""
    try:
        with contextlib.closing(read_database(path)) as database:
            known = load_about(database)
    except (sqlite3.Error, ValueError) as error:
        raise unwritable(path, error) from None
    return is_destination(known, about) and not is_named(path.stem, known)


def _put_aside(ledger: Ledger) -> None:
    """Renames the ledgers that this one was made of, each with its log of changes."""
    if names := ledger.about.get(_TAKING):
        for name in names.split("\n"):
            for end in ("-wal", "-shm", ""):
                with contextlib.suppress(FileNotFoundError):
                    ledger.path.with_name(name + end).rename(ledger.path.with_name(f"{name}.old{end}"))
        ledger.remember(**{_TAKING: ""})
