"""The state of all jobs in a shared folder, brought to this machine to be looked at, or changed and put back."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson

from log_importer.ledger.view import view
from log_importer.model.errors import JobLocked, StateError
from log_importer.runs.cluster.books import LEDGER, replace_ledger
from log_importer.runs.cluster.run import Run
from log_importer.runs.job import about_job
from log_importer.runs.takeover import is_destination, is_named
from log_importer.settings import Settings
from log_importer.sources.shared_folder import Shared, open_shared
from log_importer.sources.shared_folder.leased import Leased
from log_importer.sources.state_folder import job_folder, job_hash, ledgers, open_state


def place_of(settings: Settings) -> str:
    """Where the progress of a job lies in the shared folder: that of its destination.

    An older version kept one for each selection; where there is one such, it goes on. Raises `StateError`, also where
    nobody can tell which goes on.
    """
    own = job_hash(settings.job_key)
    place = f"{settings.shared_dir.rstrip('/')}/{own}"
    jobs = [] if settings.job else _jobs(settings.shared_dir)
    if settings.job or own in [key for key, _ in jobs]:
        return place
    with looked_at(settings.shared_dir) as (state, _):
        known = {path.stem: view(path).about for path in ledgers(state)}
    about = about_job(settings)
    mine = [key for key, other in known.items() if is_destination(other, about) and not is_named(key, other)]
    begun = [job.name for key, job in jobs if key not in known and Run(job).destination == ""]
    if len(mine) > 1 or begun:
        what = ", ".join([*(known[key]["job"] for key in mine), *(f"an unfinished run in {name}" for name in begun)])
        raise StateError(
            f"{settings.shared_dir}: holds progress of an older version that may be of this server and these sites "
            f"({what}); nothing was sent.",
            "Finish unfinished runs with that version, and move away what is not to go on; or, to send all of it "
            "once more, give this import a name with --job.",
        )
    return f"{settings.shared_dir.rstrip('/')}/{mine[0]}" if mine else place


RETRY = "retry"
"""An object that is there while held requests are sent again."""


@contextlib.contextmanager
def looked_at(place: str) -> Iterator[tuple[Path, list[str]]]:
    """A state folder with the ledgers of all jobs as they stand, and a sentence for each run that is not finished.

    Raises `StateError` and `UsageError`.
    """
    with tempfile.TemporaryDirectory(prefix="log-importer-") as folder:
        state = open_state(Path(folder) / "state")
        remarks = []
        for key, shared in _jobs(place):
            _fetch(shared, key, state)
            if remark := _unfinished(shared):
                remarks.append(remark)
        yield state, remarks


@contextlib.contextmanager
def taken(place: str) -> Iterator[Path]:
    """The same, with the lease of every job, for who sends what is held; changed ledgers are put back.

    Raises `JobLocked` where a job has a run that is not finished, `StateError` and `UsageError`.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="log-importer-"))
        state = open_state(Path(folder) / "state")
        jobs = _jobs(place)
        for _, shared in jobs:
            if stack.enter_context(Run(shared)).written is not None:
                raise JobLocked(_unfinished(shared), "Finish it first, with the same command again.")
        for key, shared in jobs:
            if not shared.create(RETRY, b""):
                raise StateError(
                    f"{shared.name}: an earlier retry died, and nobody knows which of the held requests it sent.",
                    f"Look at the server; to send them once more, delete {shared.name}/{RETRY} first.",
                )
            stack.callback(shared.delete, RETRY)
            _fetch(shared, key, state)
        try:
            yield state
        finally:
            for key, shared in jobs:
                if _ledger(state, key).exists():
                    replace_ledger(shared, _ledger(state, key))


def _jobs(place: str) -> list[tuple[str, Shared]]:
    shared = open_shared(place)
    found = [(key, open_shared(f"{place.rstrip('/')}/{key}")) for key in shared.names("")]
    return [(key, job) for key, job in found if job.read(LEDGER) is not None or job.names("run")]


def _fetch(shared: Shared, key: str, state: Path) -> None:
    data = shared.read(LEDGER)
    if data is not None:
        _ledger(state, key).write_bytes(data)


def _ledger(state: Path, key: str) -> Path:
    return job_folder(state) / f"{key}.sqlite3"


def _unfinished(shared: Shared) -> str:
    data = Leased(shared, "run").latest()
    run = orjson.loads(data).get("run") if data is not None else None
    if run is None:
        return ""
    sources = len(run["portions"])
    return f"{shared.name}: a run of {sources:,} sources is under way or unfinished; the next import goes on with it."
