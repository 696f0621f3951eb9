"""The main job, wired: sources -> workers -> lanes -> sender -> tally. The only module that knows all stages."""

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from log_importer.delivery.server import Server
from log_importer.ledger.ledger import Ledger
from log_importer.model import Chunk, ChunkResult, Outcome, Site
from log_importer.model.rows import Requests
from log_importer.model.visible import visible
from log_importer.native import load
from log_importer.runs.account import Account
from log_importer.runs.hosts import Hosts
from log_importer.runs.interrupt import Interrupt, Stopped
from log_importer.runs.merging import Merger
from log_importer.runs.other_jobs import check_elsewhere, say_other_options
from log_importer.runs.output.progress import Progress
from log_importer.runs.output.rejects import Rejects
from log_importer.runs.output.run_report import Report
from log_importer.runs.planning import plan_of
from log_importer.runs.posting import end_sender, server_of, start_sender
from log_importer.runs.reading.chunks_in_order import Inputs, Reader, Wait
from log_importer.runs.reading.overlap import check_overlap
from log_importer.runs.reading.survey import check_hosts, look
from log_importer.runs.reading.watcher import Follower, follow
from log_importer.runs.tally import Tally
from log_importer.runs.workers.pools import start_pool
from log_importer.runs.workers.worker import Pool
from log_importer.settings import Settings
from log_importer.sources.spool import Spool
from log_importer.tracking.rules.ranges import Ranges
from log_importer.translation.line import why_one_by_one
from log_importer.translation.plan import Plan

_HANDED_OVER = 2500
"""Requests handed to the lanes at once, so that the window is kept to."""
_COLLECT = 50_000
"""Objects made until those that refer to each other are looked for, which requests, made by the thousand, never do."""
_UNNOTICED = 0.5
"""Seconds that a line may have waited before it was read and handed over."""


See = Callable[[Chunk, ChunkResult], None]
"""Is shown each chunk and what became of it."""


def run_import(
    settings: Settings,
    url: str,
    token: str,
    ledger: Ledger,
    say: Callable[[str], None],
    progress: Progress,
    watch: Callable[[Report], None] = lambda _: None,
    spool: Spool | None = None,
    witness: Callable[[Report, Plan], See] = lambda _report, _plan: lambda _chunk, _result: None,
) -> Report:
    """Imports all sources into the server at `url`. What went wrong is in the report; only usage errors are raised.

    `watch` is shown the report now and then while the run goes on; what `spool` writes is read, where there is one.
    What `witness` gives, told by what plan lines are read, is shown each chunk and what became of it.
    """
    gc.set_threshold(_COLLECT)
    report = Report(Tally())
    server = server_of(settings, url, token)
    report.server = server.url if settings.url else ""
    inputs = look(settings, say, ledger)
    report.errors.extend(() if settings.follows else inputs.errors)
    others = [path for path in sorted(ledger.path.parent.glob("*.sqlite3")) if path != ledger.path]
    check_elsewhere(ledger, inputs.files, others, settings, say)
    say_other_options(ledger, settings, say)
    if not inputs.probes and not settings.follows:
        return report
    check_hosts(settings, inputs)
    if not settings.follows:
        check_overlap(inputs.probes, inputs.ends)
    with (
        report.until_the_end(say, settings.grace) as interrupt, start_pool(settings, inputs) as pool,
        contextlib.closing(server), Rejects(settings.rejects, report.errors.append) as rejects,
        _reader(settings, inputs, ledger, report, progress, interrupt, say, spool) as reader,
    ):  # fmt: skip
        chunks = reader.chunks()
        if not settings.live and all(one.finished for one in inputs.probes):  # nobody needs to be asked
            for _ in chunks:
                pass
            return report
        hosts = Hosts(settings, server, time.time, say)
        ledger.zones = report.tally.zones = hosts.zones
        interrupt.wait_for(hosts.begin)
        plan = plan_of(settings, inputs, hosts.one, hosts.sites, ai_bots=hosts.ai_bots)
        if why := why_one_by_one(plan):
            say(f"Each line is translated by itself, which takes several times as long: {why}.")
        pool.use(plan)
        see = witness(report, plan)
        progress.start(None if settings.live else inputs.size)
        interrupt.begin()

        def look_on() -> None:
            report.clock()
            watch(report)

        run = _Run(
            settings, server, token, hosts, ledger, report.tally, rejects, progress, interrupt, say, look_on, see,
        )  # fmt: skip
        report.created = hosts.created
        report.limited = settings.debug_request_limit > 0
        run.go(pool, chunks, reader)
    return report


def _reader(
    settings: Settings,
    inputs: Inputs,
    ledger: Ledger,
    report: Report,
    progress: Progress,
    interrupt: Interrupt,
    say: Callable[[str], None],
    spool: Spool | None,
) -> contextlib.AbstractContextManager[Reader | Follower]:
    """What reads the sources: once, or as they grow."""
    if settings.follows:
        return follow(settings, inputs, ledger, report.tally, report.errors, progress, interrupt.halt.wait, say, spool)
    return contextlib.nullcontext(
        Reader(
            inputs, report.tally, report.errors, progress, settings.max_line_bytes, interrupt.halt.is_set, say,
            ledger, again=settings.again, disorder=settings.disorder, shift=settings.changes.add_to_date,
        )
    )  # fmt: skip


def _told(chunk: Chunk, sites: Mapping[str, Site | None] | None) -> Chunk:
    return chunk if sites is None else replace(chunk, context=replace(chunk.context, sites=sites))


class _Run:
    """Results in the order of their chunks -> merged by time -> lanes -> sender."""

    def __init__(
        self,
        settings: Settings,
        server: Server,
        token: str,
        hosts: Hosts,
        ledger: Ledger,
        tally: Tally,
        rejects: Rejects,
        progress: Progress,
        interrupt: Interrupt,
        say: Callable[[str], None],
        look_on: Callable[[], None],
        see: See,
    ) -> None:
        self._live = settings.live
        self._waits = not settings.follows  # for the server, as long as more waits than memory is meant for
        self._flush_after = max(0.0, settings.flush_after - _UNNOTICED)
        self._look_on = look_on
        self._see = see
        self._grace = settings.grace
        self._disorder = settings.disorder
        self._reached = math.inf  # seconds since 1970 UTC up to which all sources that wait for each other are read
        self._hold = settings.in_doubt == "hold"
        self._ledger = ledger
        self._tally = tally
        self._account = Account(ledger, tally)
        self._rejects = rejects
        self._progress = progress
        self._interrupt = interrupt
        self._hosts = hosts
        self._left = settings.debug_request_limit or None  # so many requests may still be sent
        self._tell_lines = settings.debug > 1
        self._ranges = Ranges(load())
        self._merger = Merger(tally.late)
        self._sender = start_sender(
            settings, server, token, self._account, ledger, hosts.zones, interrupt, say, earlier=self._account
        )

    def go(self, pool: Pool, chunks: Iterator[Chunk | Wait], reader: Reader | Follower) -> None:
        """Does all of `chunks`, which `reader` gives, or until a signal comes; raises what ended the sender."""
        reader.room = lambda: not self._sender.full
        try:
            with contextlib.suppress(Stopped):  # while a host's site was asked for: what was handed over is sent
                self._all(pool, chunks)
            # What a signal leaves unread comes before the rest of what waits, which is left to be read again.
            self._send(self._merger.rest(self._reached if self._interrupt.halt.is_set() else math.inf))
            self._sender.flush(self._grace)
        finally:
            end_sender(self._sender, self._ledger, self._interrupt)
            self._progress.update(self._tally, 0)

    def _all(self, pool: Pool, chunks: Iterator[Chunk | Wait]) -> None:
        for item in chunks:
            if self._left == 0:
                return
            if isinstance(item, Chunk):
                pool.submit(_told(item, self._hosts.travelling()))
            while pool.full or (isinstance(item, Wait) and pool.busy):
                self._hand_over(*self._next(pool))
            if item is Wait.QUIET:
                self._send(self._merger.rest())
            if self._live:
                self._sender.ripen(self._flush_after)
                self._progress.update(self._tally, self._sender.in_flight)
            self._look_on()
        while pool.busy:
            self._hand_over(*self._next(pool))

    def _next(self, pool: Pool) -> tuple[Chunk, ChunkResult]:
        """The next chunk and its result, translated anew once the sites of all its hosts are known."""
        chunk, result = pool.next()
        if not result.unknown_hosts:
            return chunk, result
        self._interrupt.wait_for(lambda: self._hosts.learn(result.unknown_hosts))
        chunk = _told(chunk, self._hosts.travelling(result.unknown_hosts))
        return chunk, pool.redo(chunk)

    def _hand_over(self, chunk: Chunk, result: ChunkResult) -> None:
        self._tally.read(chunk.source, result)
        self._see(chunk, result)
        name = self._tally.sources[chunk.source].source
        self._rejects.write(name, result.rejected_lines)
        if self._tell_lines:
            rejected = [(line.number, line.reason) for line in result.rejected_lines]
            for number, reason in sorted([*result.skipped_lines, *rejected]):
                self._progress.say(f"{visible(name)}:{number}: {reason}")
        doubts = self._ledger.doubts(chunk.source)
        requests = Requests.of_chunk(result, chunk.source, doubts)
        partial = set(self._ranges.repeats(result.downloads, result.times, result.ranges))
        skipped = dict(result.skipped)
        if partial:
            requests = requests.without(partial)
            skipped["partial"] = len(partial)
            self._tally.skip(chunk.source, "partial", len(partial))
        self._ledger.parsed(chunk, requests.lines()[1], skipped, result.rejected)
        if doubts:
            requests = self._settle_doubts(requests)
        self._send(self._merger.add(requests, chunk.floor))
        self._reached = math.inf if chunk.floor is None else chunk.floor + self._disorder
        self._progress.update(self._tally, self._sender.in_flight)

    def _send(self, requests: Requests) -> None:
        if self._left is not None:
            requests = requests[: self._left]
            self._left -= len(requests)
        for first in range(0, len(requests), _HANDED_OVER):
            self._sender.put(requests[first : first + _HANDED_OVER], wait=self._waits)

    def _settle_doubts(self, requests: Requests) -> Requests:
        """Requests that were in flight when an earlier run died: held, or sent again and in doubt until they are."""
        doubted = [request for request in requests if request.doubts]
        self._tally.doubt(doubted)
        if not self._hold:
            return requests
        self._account.settle([Outcome(doubted, "in_doubt", "interrupted", posted=False)])
        return requests.without(place for place, request in enumerate(requests) if request.doubts)
