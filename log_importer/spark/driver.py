"""The driver: sources -> spans -> the cluster reads, sorts and posts -> the lanes' records are counted and entered."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from log_importer.delivery.dates import Dates
from log_importer.errors import LogImporterError
from log_importer.hosts import Hosts
from log_importer.interrupt import Interrupt
from log_importer.job import about_job, token_of
from log_importer.looking import check_hosts, look
from log_importer.model import Boundary, Site
from log_importer.pipeline import Report, plan_of
from log_importer.plan import Plan
from log_importer.posting import server_of
from log_importer.rejects import Rejects
from log_importer.server import Server
from log_importer.settings import Settings
from log_importer.shared import check_shared, open_shared
from log_importer.sources.find import lies_at
from log_importer.spark import counts
from log_importer.spark.books import Books, books
from log_importer.spark.choose import choose
from log_importer.spark.cluster import Cluster
from log_importer.spark.lane import LaneReport, Sending, send
from log_importer.spark.portion import Portion, Span, cut
from log_importer.spark.read import Block, Key, Reading, SpanAccount, as_result, headers, read, told
from log_importer.spark.run import Run, key_of
from log_importer.tally import Tally
from log_importer.tracking.bulk import body, parse_reply

LANES = 64
"""Lanes of a run; more senders than that make more."""
_HOSTS = 10_000
_PINGS = 1000
"""Pings in one post."""

Say = Callable[[str], None]


def import_on_cluster(settings: Settings, say: Say) -> Report:
    """Imports all sources on the cluster that the settings name. Raises what ends a run before it begins."""
    began = time.monotonic()
    report = Report(Tally())
    place = f"{settings.shared_dir.rstrip('/')}/{hashlib.sha256(settings.job_key.encode()).hexdigest()[:16]}"
    shared = open_shared(place)
    check_shared(shared)
    token = settings.token or token_of(settings)
    with (
        Interrupt(say, settings.grace) as interrupt,
        contextlib.closing(server_of(settings, settings.url, token)) as server,
    ):
        report.server = server.url
        try:
            with Run(shared) as run, books(shared, about_job(settings), say, settings.give_up_after) as kept:
                if kept.has(run.name):  # its driver died between the entry and the end
                    run.end()
                driver = _Driver(settings, place, server, token, run, kept, report, interrupt, say)
                driver.go()
        except LogImporterError as error:
            report.errors.append(error)
        except KeyboardInterrupt:
            pass  # the summary says what is pending
        report.interrupted = interrupt.exit_code
    report.seconds = time.monotonic() - began
    return report


@dataclass(slots=True)
class _Found:
    """What the first stage found."""

    accounts: list[SpanAccount]
    rows: Any  # the sorted blocks, on the cluster
    lines_before: list[int] = field(default_factory=list)
    ends: dict[int, Boundary] = field(default_factory=dict)


class _Driver:
    def __init__(
        self, settings: Settings, place: str, server: Server, token: str, run: Run, kept: Books, report: Report,
        interrupt: Interrupt, say: Say,
    ) -> None:  # fmt: skip
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
        self._sites: dict[str, Site | None] = {}  # of the hosts that were asked for

    def go(self) -> None:
        """Does the run, and enters it where all of it is done."""
        settings, report, run = self._settings, self._report, self._run
        inputs = look(settings, self._say, self._kept.ledger)
        report.errors.extend(inputs.errors)
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
            if settings.max_rate:
                settings = replace(settings, max_rate=settings.max_rate / settings.max_senders)
            found, portions = self._read(cluster, plan, portions)
            self._begin_dates(found.accounts)
            tally = self._report.tally = counts.new_tally(portions)
            for one, portion in zip(tally.sources, portions, strict=True):
                one.known_lines = portion.known_lines
            self._count_read(found, tally)
            if not portions:
                return
            reports = self._post(cluster, found, portions, settings)
        self._settle(found, portions, tally, reports)

    # The first stage

    def _read(self, cluster: Cluster, plan: Plan, portions: Sequence[Portion]) -> tuple[_Found, Sequence[Portion]]:
        """Reads until the sites of all hosts are known, and without sources that cannot be read."""
        while True:
            found = self._interrupt.wait_for(partial(self._read_once, cluster, plan, portions))
            broken = {account.span.source: account.error for account in found.accounts if account.error is not None}
            unknown = {host for account in found.accounts for host in account.unknown_hosts}
            if broken:
                self._report.errors.extend(broken.values())
                portions = [one for index, one in enumerate(portions) if index not in broken]
                self._run.begin(self._written("key"), portions, self._written("lanes"), self._written("now"))
            elif unknown:
                self._interrupt.wait_for(partial(self._learn, sorted(unknown)))
            else:
                return found, portions

    def _learn(self, hosts: Sequence[str]) -> None:
        """Finds the sites of hosts, as many at once as are remembered for sure."""
        for first in range(0, len(hosts), _HOSTS):
            some = hosts[first : first + _HOSTS]
            self._hosts.learn(some)
            self._sites.update(self._hosts.travelling(some) or {})

    def _written(self, name: str) -> Any:
        assert self._run.written is not None
        return self._run.written[name]

    def _read_once(self, cluster: Cluster, plan: Plan, portions: Sequence[Portion]) -> _Found:
        lanes, senders = self._written("lanes"), self._settings.max_senders
        sites = None if self._settings.idsite else dict(self._sites)
        spans = cut(portions, cluster.span)
        reading = cluster.told(
            Reading(plan, portions, lanes, self._written("now"), sites, self._settings.max_line_bytes)
        )  # fmt: skip
        spans = self._with_headers(cluster, spans, portions, reading)
        rows = cluster.spread(spans).mapPartitions(_Read(reading)).repartitionAndSortWithinPartitions(
            senders + 1, _Part(lanes, senders)
        )  # fmt: skip
        accounts: list[SpanAccount] = cluster.run(rows, _values, [senders]) if spans else []
        accounts.sort(key=lambda one: one.span.number)
        found = _Found(accounts, rows)
        line = 0
        for account in accounts:
            portion = portions[account.span.source]
            line = portion.start.line - 1 if account.span.first else line
            found.lines_before.append(line)
            after = account.after
            if account.span.first or after.line > 1:
                found.ends[account.span.source] = after._replace(line=after.line + line)
            line += account.newlines
        return found

    def _with_headers(
        self, cluster: Cluster, spans: list[Span], portions: Sequence[Portion], reading: Callable[[], Reading]
    ) -> list[Span]:  # fmt: skip
        """Spans of W3C logs with the `#Fields:` line in force; those of logs in several are looked at for that."""
        several = [one.source for one in spans if portions[one.source].headers and not one.first]
        mine = [one for one in spans if one.source in several]
        if not mine:
            return spans
        rows = cluster.spread(mine).mapPartitions(_Headers(reading))
        return told(spans, dict(cluster.run(rows, _all, range(len(mine)))))

    def _count_read(self, found: _Found, tally: Tally) -> None:
        with Rejects(self._settings.rejects) as rejects:
            for account, line in zip(found.accounts, found.lines_before, strict=True):
                account.rejected_lines = [
                    one._replace(number=one.number + line) for one in account.rejected_lines
                ]  # fmt: skip
                index = account.span.source
                tally.read(index, as_result(account))
                rejects.write(tally.sources[index].source, account.rejected_lines)
                if account.remark:
                    self._say(account.remark)
                tally.sources[index].incomplete = account.damage or tally.sources[index].incomplete

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

    # The second stage

    def _post(
        self, cluster: Cluster, found: _Found, portions: Sequence[Portion], settings: Settings
    ) -> list[LaneReport]:  # fmt: skip
        sending = cluster.told(
            Sending(
                self._run.name, settings, settings.url, self._token, portions, self._written("lanes"),
                found.lines_before, frozenset(self._kept.ledger.days), dict(self._hosts.zones), self._place,
            )
        )  # fmt: skip
        self._run.resume()
        self._interrupt.begin()
        reports: list[LaneReport] = []
        failure: list[LogImporterError] = []

        def work() -> None:
            try:
                reports.extend(cluster.run(found.rows, _Send(sending), range(settings.max_senders)))
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

    def _settle(
        self, found: _Found, portions: Sequence[Portion], tally: Tally, reports: Sequence[LaneReport]
    ) -> None:  # fmt: skip
        """Counts what the lanes did; where all of them are done, that is entered, and the run is over."""
        held: list[Mapping[str, Any]] = []
        for one in reports:
            counts.add(tally, one.counts)
            for index, lines in one.partial.items():
                tally.skip(index, "partial", lines)
            for index, lines in one.unanswered.items():
                tally.sources[index].in_doubt += lines
            for row in one.held:
                tally.sources[row["source"]].in_doubt += row["bucket"] == "in_doubt"
            held += one.held
            for index, number in one.again:
                self._report.in_flight.setdefault(tally.sources[index].source, []).append(number)
            for sentence in one.said:
                self._say(sentence)
        errors = _distinct(one.error for one in reports if one.error is not None)
        self._report.errors.extend(errors)
        if errors or self._interrupt.halt.is_set() or not all(one.complete for one in reports):
            return
        finished = {
            account.span.source: portions[account.span.source].disk
            for account in found.accounts
            if account.whole and account.disk is not None and _same(account.disk, portions[account.span.source].disk)
        }
        damages = {index: counts_.incomplete for index, counts_ in enumerate(tally.sources) if counts_.incomplete}
        self._kept.enter(self._run.name, portions, found.ends, finished, tally, held, damages)
        self._kept.put_back(self._report.exit_code)
        self._run.end()


def _same(one: Any, other: Any) -> bool:
    """Whether a file is as it was; another machine may call its device something else."""
    return bool(one.size == other.size and one.mtime_ns == other.mtime_ns)


def _distinct(errors: Iterable[LogImporterError]) -> list[LogImporterError]:
    found = {str(error): error for error in errors}
    return list(found.values())


# What travels to the executors: plain functions of this package, which is installed there too


class _Read:
    def __init__(self, reading: Callable[[], Reading]) -> None:
        self._reading = reading

    def __call__(self, spans: Iterable[Span]) -> Iterator[tuple[Key, Block | SpanAccount]]:
        return read(spans, self._reading())


class _Headers:
    def __init__(self, reading: Callable[[], Reading]) -> None:
        self._reading = reading

    def __call__(self, spans: Iterable[Span]) -> Iterator[tuple[int, str]]:
        return headers(spans, self._reading())


class _Send:
    def __init__(self, sending: Callable[[], Sending]) -> None:
        self._sending = sending

    def __call__(self, rows: Iterable[tuple[Key, Block | SpanAccount]]) -> Iterator[LaneReport]:
        return send(rows, self._sending())


class _Part:
    """The task that a lane belongs to; the accounts have one of their own."""

    def __init__(self, lanes: int, senders: int) -> None:
        self._lanes = lanes
        self._senders = senders

    def __call__(self, key: Key) -> int:
        return self._senders if key[0] == self._lanes else key[0] % self._senders


def _values(rows: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    return (value for _, value in rows)


def _all(rows: Iterable[Any]) -> Iterator[Any]:
    return iter(rows)
