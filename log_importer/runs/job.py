"""A job opened: its lock held, its server known, its ledger at hand."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from log_importer.delivery.sites import PATIENCE, make_token
from log_importer.ledger.ledger import Ledger
from log_importer.ledger.view import View
from log_importer.model.errors import StateError, UsageError
from log_importer.receiver.embedded import open_receiver
from log_importer.runs.output.run_report import Report
from log_importer.runs.posting import server_of
from log_importer.runs.takeover import open_ledger
from log_importer.settings import Settings
from log_importer.sources.state_folder import JobLock

if TYPE_CHECKING:
    from log_importer.receiver import Receiver


class Job:
    """What a run needs of its job; `report` is how the run ended, once it has."""

    def __init__(self, url: str, token: str, ledger: Ledger) -> None:
        self.url = url
        self.token = token
        self.ledger = ledger
        self.report: Report | None = None

    def close(self) -> None:
        """Writes down how the run ended; what cannot be written is one more error of the report."""
        try:
            self.ledger.close(1 if self.report is None else self.report.exit_code)
        except StateError as error:
            if self.report is not None and not any(isinstance(known, StateError) for known in self.report.errors):
                self.report.errors.append(error)


@contextlib.contextmanager
def open_job(
    settings: Settings, path: Path, say: Callable[[str], None], receiver: "Receiver | None" = None
) -> Iterator[Job]:
    """The job whose ledger is at `path`; `receiver` is the embedded one, where it runs already.

    Raises `JobLocked` and `StateError`.
    """
    with JobLock(path), server_for(settings, path.parent.parent, receiver) as (url, token, database):
        new, refused = not path.exists(), False
        job = Job(url, token, _ledger(path, settings, database, say))
        try:
            yield job
        except UsageError:
            refused = True
            raise
        finally:
            job.close()
            if refused and new and not job.ledger.sources.names:  # nothing was begun that there would be a state of
                _delete(path)


@contextlib.contextmanager
def server_for(settings: Settings, state: Path, running: "Receiver | None" = None) -> Iterator[tuple[str, str, str]]:
    """URL and token of the server; where none is named, the embedded receiver's for the run, and its database's id."""
    if settings.url:
        yield settings.url, settings.token or token_of(settings), ""
        return
    with open_receiver(state) if running is None else contextlib.nullcontext(running) as receiver:
        yield receiver.url, receiver.token, receiver.store.id


def one_job(views: Sequence[View], name: str | None, state: str) -> View:
    """The job of that name, or the only one. Raises `UsageError`."""
    found = [one for one in views if name is None or one.about["job"] == name]
    if len(found) == 1:
        return found[0]
    if not found:
        what = f"There is no job {name} in {state}." if name else f"Nothing has been imported yet: {state} has no job."
        raise UsageError(what, "See log-importer status for those there.")
    listed = "; ".join(one.about["job"] for one in found)
    raise UsageError(f"{state} has several jobs: {listed}.", "Name one with --job.")


def token_of(settings: Settings) -> str:
    """A token for the login that the user gave. Raises `ServerRefused` and `ServerUnreachable`."""
    with contextlib.closing(server_of(settings, settings.url, "")) as server:
        return make_token(server, settings.login, settings.password, min(PATIENCE, settings.give_up_after))


def about_job(settings: Settings, receiver: str = "") -> dict[str, str]:
    """What a new ledger says of its job; `receiver` is the id of the embedded one's database."""
    return {
        "job": settings.job_title, "url": settings.address, "endpoint": settings.endpoint,
        "idsite": str(settings.idsite), "receiver": receiver, "shard": str(settings.shard),
    }  # fmt: skip


def _ledger(path: Path, settings: Settings, receiver: str, say: Callable[[str], None]) -> Ledger:
    """The job's ledger. One of a receiver's database that is no longer there is begun anew. Raises `StateError`."""
    about = about_job(settings, receiver)
    ledger = open_ledger(path, about, say, settings.give_up_after, named=bool(settings.job))
    if ledger.about.get("receiver", "") == receiver:
        return ledger
    ledger.close(0)
    say("The embedded receiver's database is a new one, so no line counts as done.")
    _delete(path)
    return open_ledger(path, about, say, settings.give_up_after, named=bool(settings.job))


def _delete(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
