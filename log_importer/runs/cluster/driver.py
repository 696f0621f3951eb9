"""The driver: sources -> spans -> the cluster reads, sorts and posts -> the lanes' records are counted and entered."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from log_importer.delivery.dates import Dates
from log_importer.delivery.server import Server
from log_importer.model.errors import LogImporterError
from log_importer.runs.cluster import counts
from log_importer.runs.cluster.account import SpanAccount
from log_importer.runs.cluster.books import Books, books
from log_importer.runs.cluster.choose import choose
from log_importer.runs.cluster.cluster import Cluster
from log_importer.runs.cluster.lane import LaneReport, Sending, send
from log_importer.runs.cluster.portion import Portion
from log_importer.runs.cluster.run import Run, key_of
from log_importer.runs.cluster.state import looked_at, place_of
from log_importer.runs.cluster.survey import Found, Survey
from log_importer.runs.hosts import Hosts
from log_importer.runs.interrupt import Interrupt
from log_importer.runs.job import about_job, token_of
from log_importer.runs.other_jobs import check_elsewhere, say_other_options
from log_importer.runs.output.rejects import Rejects
from log_importer.runs.output.run_report import Report
from log_importer.runs.planning import plan_of
from log_importer.runs.posting import server_of
from log_importer.runs.reading.survey import check_hosts, look
from log_importer.runs.tally import Tally
from log_importer.settings import Settings
from log_importer.sources.find import lies_at
from log_importer.sources.shared_folder import check_shared, open_shared
from log_importer.sources.shared_folder.leased import LeaseLost
from log_importer.sources.state_folder import ledgers
from log_importer.tracking.bulk import body, parse_reply
from log_importer.translation.plan import Plan

LANES = 64
"""Lanes of a run; more senders than that make more."""
_MORE = 3
"""How often the second stage is done again for lanes that tasks of this run took from each other."""
_PINGS = 1000
"""Pings in one post."""

Say = Callable[[str], None]


def import_on_cluster(settings: Settings, say: Say) -> Report:
    """Imports all sources on the cluster that the settings name. Raises what ends a run before it begins."""
    report = Report(Tally())
    place = place_of(settings)
    shared = open_shared(place)
    check_shared(shared)
    token = settings.token or token_of(settings)
    server = server_of(settings, settings.url, token)
    report.server = server.url
    with (
        report.until_the_end(say, settings.grace) as interrupt, contextlib.closing(server),
        Run(shared, settings.job_key) as run,
        books(shared, about_job(settings), say, settings.give_up_after) as kept,
    ):  # fmt: skip
        if kept.has(run.name):  # its driver died between the entry and the end
            run.end()
        _Driver(settings, place, server, token, run, kept, report, interrupt, say).go()
    return report


class _Driver:
    def __init__(
        self,
        settings: Settings,
        place: str,
        server: Server,
        token: str,
        run: Run,
        kept: Books,
        report: Report,
        interrupt: Interrupt,
        say: Say,
    ) -> None:
        self._settings = settings
        self._place = place
        self._server = server
        self._token = token
        self._run = run
        self._kept = kept
        self._report = report
        self._interrupt = interrupt
        self._say = say
        self._hosts = Hosts(settings, server, time.time, say)

    def go(self) -> None:
        """Does the run, and enters it where all of it is done."""
        settings, report, run = self._settings, self._report, self._run
        inputs = look(settings, self._say, self._kept.ledger)
        report.errors.extend(inputs.errors)
        with looked_at(settings.shared_dir) as (state, _):
            others = [path for path in ledgers(state) if path.stem != self._place.rpartition("/")[2]]
            check_elsewhere(self._kept.ledger, inputs.files, others, settings, self._say)
        say_other_options(self._kept.ledger, settings, self._say)
        check_hosts(settings, inputs)
        self._interrupt.wait_for(self._hosts.begin)
        plan = plan_of(settings, inputs, self._hosts.one, self._hosts.sites, ai_bots=self._hosts.ai_bots)
        known = Tally()
        if run.written is not None:
            portions = run.go_on(key_of(plan), {lies_at(one.source.name): one.source for one in inputs.probes})
            self._say("An unfinished run of this job goes on; new sources and lines are for the next one.")
        else:
            portions = choose(inputs, self._kept.ledger, known, report.errors, again=settings.again)
            if portions:
                lanes = max(LANES, settings.max_senders)
                run.begin(key_of(plan), portions, lanes, time.time())
        report.created = self._hosts.created
        if portions:
            self._import(plan, portions)
        report.tally.sources += known.sources

    def _import(self, plan: Plan, portions: Sequence[Portion]) -> None:
        settings = self._settings
        with Cluster(settings.spark, settings.job_title) as cluster:
            survey = Survey(
                cluster, plan, self._hosts, self._run, self._interrupt, settings.max_senders,
                by_host=not settings.idsite,
            )  # fmt: skip
            found = survey.read(portions)
            self._report.errors.extend(survey.errors)
            tally = self._report.tally = counts.new_tally(found.portions)
            tally.zones = self._hosts.zones
            self._count_read(found, tally)
            if not found.portions:
                return
            self._begin_dates(found.accounts)
            reports = self._post(cluster, found)
            for _ in range(_MORE):
                if self._interrupt.halt.is_set() or not any(isinstance(one.error, LeaseLost) for one in reports):
                    break
                # This run is ours: a task that Spark began once more has taken the lane from the one that told of it.
                reports = self._post(cluster, found)
        self._settle(found, tally, reports)

    def _count_read(self, found: Found, tally: Tally) -> None:
        for counted, portion in zip(tally.sources, found.portions, strict=True):
            counted.known_lines = portion.known_lines
        with Rejects(self._settings.rejects, self._report.errors.append) as rejects:
            for account, line in zip(found.accounts, found.lines_before, strict=True):
                account.rejected_lines = [
                    one._replace(number=one.number + line) for one in account.rejected_lines
                ]  # fmt: skip
                counted = tally.sources[account.span.source]
                tally.read(account.span.source, account)
                rejects.write(counted.source, account.rejected_lines)
                if account.ending.remark:
                    self._say(account.ending.remark)
                counted.incomplete = account.ending.damage or counted.incomplete

    def _begin_dates(self, accounts: Sequence[SpanAccount]) -> None:
        """Pings the dates of all hits that were not begun yet, here alone; who fails to is told by the first post."""
        quarters = {quarter for account in accounts for quarter in account.quarters}
        ledger = self._kept.ledger
        dates = Dates(ledger.days, self._hosts.zones, ledger.begin_days)
        with contextlib.closing(self._server.session()) as session:

            def post(pings: list[bytes]) -> bool:
                for first in range(0, len(pings), _PINGS):
                    answer = session.post(body(pings[first : first + _PINGS], self._token))
                    reply = parse_reply(answer.body) if answer.status == 200 and not answer.cut else None
                    if reply is None or not reply.tracked + reply.invalid:
                        return False
                return True

            dates.begin_quarters(quarters, post)

    def _post(self, cluster: Cluster, found: Found) -> list[LaneReport]:
        """The second stage: the cluster sends what it has read."""
        settings = self._settings
        if settings.max_rate:
            settings = replace(settings, max_rate=settings.max_rate / settings.max_senders)
        task = cluster.task(
            send,
            Sending(
                self._run.name, settings, settings.url, self._token, found.portions, self._run.lanes,
                found.lines_before, frozenset(self._kept.ledger.days), dict(self._hosts.zones), self._place,
            ),
        )  # fmt: skip
        self._run.resume()
        self._interrupt.begin()
        reports: list[LaneReport] = []
        failure: list[LogImporterError] = []

        def work() -> None:
            try:
                reports.extend(cluster.run(found.rows, task, range(settings.max_senders)))
            except LogImporterError as error:
                failure.append(error)

        worker = threading.Thread(target=work, name="posting", daemon=True)
        worker.start()
        halted = False
        while worker.is_alive():
            worker.join(0.2)
            if self._run.lost is not None or self._interrupt.stop.is_set():
                cluster.cancel()
            elif self._interrupt.halt.is_set() and not halted:
                self._run.halt()
                halted = True
        if self._run.lost is not None:
            raise self._run.lost
        if failure and not self._interrupt.halt.is_set():
            raise failure[0]
        return reports

    def _settle(self, found: Found, tally: Tally, reports: Sequence[LaneReport]) -> None:
        """Counts what the lanes did; where all of them are done, that is entered, and the run is over."""
        held: list[Mapping[str, Any]] = []
        for one in reports:
            counts.add(tally, one.counts)
            counts.add_doubts(tally, one.held, one.unanswered)
            held += one.held
            for index, lines in one.partial.items():
                tally.skip(index, "partial", lines)
            for index, number in one.again:
                self._report.in_flight.setdefault(tally.sources[index].source, []).append(number)
            for sentence in one.said:
                self._say(sentence)
        errors = {str(one.error): one.error for one in reports if one.error is not None}
        self._report.errors.extend(errors.values())
        if self._interrupt.halt.is_set() or not all(one.complete for one in reports):
            return
        self._kept.enter(self._run.name, found, tally, held)
        self._kept.put_back(self._report.exit_code)
        self._run.end()
