"""`retry`: what was set aside or held in doubt is sent again; no source is read, the ledger has the requests."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from log_importer.delivery.server import Server
from log_importer.delivery.server.address import read_address
from log_importer.delivery.sites import PATIENCE, Wait, check, main_url, telling
from log_importer.ledger.ledger import Ledger
from log_importer.ledger.load import Held
from log_importer.ledger.view import View, view
from log_importer.model import Outcome, Request
from log_importer.model.errors import UsageError, worst
from log_importer.receiver.embedded import receiver_database
from log_importer.runs.job import Job, open_job
from log_importer.runs.output.ending import show
from log_importer.runs.output.progress import Progress, speaker
from log_importer.runs.output.run_report import Report
from log_importer.runs.output.summary import destination
from log_importer.runs.posting import end_sender, server_of, start_sender
from log_importer.runs.tally import Tally
from log_importer.settings import Settings
from log_importer.settings.arguments import make_settings
from log_importer.sources.state_folder import ledgers, open_state


def retry(given: Mapping[str, Any]) -> int:
    """Sends again what the ledgers hold, of all jobs or those that `given` names; the exit code."""
    say = speaker(Progress(bar=False))
    if not given["shared_dir"]:
        state = open_state(given["state_dir"])
        return _retry(given, state, str(state), say)
    from log_importer.runs.cluster.state import taken

    with taken(given["shared_dir"]) as state:
        return _retry(given, state, given["shared_dir"], say)


def _retry(given: Mapping[str, Any], state: Path, where: str, say: Callable[[str], None]) -> int:
    """`where` is the state folder's place, for people."""
    waiting = [one for one in (view(path) for path in ledgers(state)) if one.held and _meant(one, given)]
    if not waiting:
        say("Nothing waits for a retry.")
        return 0
    servers = sorted({one.url for one in waiting})
    if len(servers) > 1:  # one server's token is not for another's eyes
        names = ", ".join(name or "the embedded receiver" for name in servers)
        raise UsageError(f"Requests wait for several servers: {names}.", "Name one with --url, or use --local.")
    codes = []
    for one in waiting:
        options = {**given, "shared_dir": None, "idsite": int(one.about["idsite"]) or None, "local": not one.url}
        options["url"] = given["url"] or one.url or None
        options["endpoint"] = given["endpoint"] or one.about["endpoint"] or None
        codes.append(_retry_job(make_settings(options, terminal=True), one, state, where, say))
    return worst(codes)


def _meant(one: View, given: Mapping[str, Any]) -> bool:
    if given["job"]:
        return bool(one.about["job"] == given["job"])
    if given["local"]:
        return not one.url
    return not given["url"] or one.url == read_address(given["url"]).base


def _retry_job(settings: Settings, waiting: View, state: Path, where: str, say: Callable[[str], None]) -> int:
    with open_job(settings, waiting.path, say) as job:
        report = job.report = _run(settings, job, say)
    database = receiver_database(state)
    title = f"Retry into {destination(report.server, settings.site_title, str(database))}"
    return show(report, title, where, say, json=settings.json, look_at=database if settings.local else None)


def _run(settings: Settings, job: Job, say: Callable[[str], None]) -> Report:
    report = Report(Tally())
    server = server_of(settings, job.url, job.token)
    report.server = server.url if settings.url else ""
    requests = _requests(job.ledger, report.tally)
    with report.until_the_end(say, settings.grace) as interrupt, contextlib.closing(server):
        sites = sorted({request.site for request in requests})
        patience = min(PATIENCE, settings.give_up_after)
        zones = interrupt.wait_for(lambda: _checked(server, sites, patience, telling(say, patience)))
        job.ledger.zones = report.tally.zones = zones
        interrupt.begin()
        journal = _Retrial(job.ledger, report.tally)
        sender = start_sender(
            settings, server, job.token, journal, job.ledger, zones, interrupt, say, earlier=journal, retrying=True
        )
        try:
            sender.put([request._replace(lane=request.visitor & 0xFFFF) for request in requests])
            sender.flush(settings.grace)
        finally:
            end_sender(sender, job.ledger, interrupt)
    return report


def _checked(server: Server, sites: Sequence[int], patience: float, wait: Wait) -> dict[int, str]:
    zones = {idsite: main_url(server, idsite, patience, wait).timezone for idsite in sites}
    check(server, sites, time.time(), patience, wait)
    return zones


def _requests(ledger: Ledger, tally: Tally) -> list[Request]:
    """What is held, as requests of this run's sources; those in doubt are so until they are answered."""
    by_source: dict[int, list[Held]] = {}
    for held in ledger.held():
        by_source.setdefault(held.record.id, []).append(held)
    requests = []
    for group in by_source.values():
        index = tally.add_source(group[0].record.name, group[0].record.format)
        ledger.read_as(index, group[0].record)
        tally.sources[index].lines = len(group)
        mine = [held.request._replace(source=index) for held in group]
        tally.doubt([request for request in mine if request.doubts])
        requests += mine
    return sorted(requests, key=lambda request: request.time)


class _Retrial:
    """The journal of a retry: a request that is posted is in doubt until its receipt, and held until it is stored."""

    def __init__(self, ledger: Ledger, tally: Tally) -> None:
        self._ledger = ledger
        self._tally = tally
        self._held = {(held.record.id, held.request.offset): held for held in ledger.held()}  # as they are now
        self._before: dict[int, list[Held]] = {}  # number of a batch that was posted -> as they were before
        self.unanswered = ledger.unanswered
        self.batch_in_doubt = ledger.batch_in_doubt

    def intend(self, requests: Sequence[Request], witnesses: Sequence[Request] = ()) -> int:
        before = [self._held[self._ledger.place(one)] for one in requests]
        batch, after = self._ledger.intend_again(before, witnesses)
        self._before[batch] = before
        self._keep(after)
        return batch

    def release(self, batch: int) -> None:
        before = self._before.pop(batch)
        self._ledger.release_again(batch, before)
        self._keep(before)

    def _keep(self, some: Iterable[Held]) -> None:
        self._held.update({(held.record.id, held.request.offset): held for held in some})

    def doubt(self, requests: Sequence[Request]) -> None:
        self._tally.doubt(requests)

    def absent(self, batch: int, requests: Sequence[Request]) -> None:  # noqa: ARG002 - they are posted next, in another
        some = [self._held[self._ledger.place(one)] for one in requests]
        self._keep([held._replace(batch=0, request=held.request._replace(doubts=0)) for held in some])
        self._tally.doubt_no_longer(requests)

    def settle(self, outcomes: Iterable[Outcome], batch: int | None = None) -> None:
        self._before.pop(batch or 0, None)
        outcomes = list(outcomes)
        self._ledger.retried(outcomes, batch or 0)
        for outcome in outcomes:
            self._tally.settle(outcome)
