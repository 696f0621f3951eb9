"""`import --dry-run`: everything but the server. What would be tracked stays pending."""

from collections.abc import Callable
from dataclasses import replace

from log_importer.model import Chunk, ChunkResult
from log_importer.native import load
from log_importer.runs.commands.explain import PLACEHOLDER
from log_importer.runs.hosts import OfflineHosts
from log_importer.runs.output.progress import Progress
from log_importer.runs.output.rejects import Rejects
from log_importer.runs.output.run_report import Report
from log_importer.runs.planning import plan_of
from log_importer.runs.reading.chunks_in_order import Reader
from log_importer.runs.reading.overlap import check_overlap
from log_importer.runs.reading.survey import look
from log_importer.runs.tally import Tally
from log_importer.runs.workers.pools import start_pool
from log_importer.runs.workers.worker import Pool
from log_importer.settings import Settings
from log_importer.tracking.rules.ranges import Ranges


def dry_run(settings: Settings, say: Callable[[str], None], progress: Progress) -> Report:
    """Counts what an import of all sources would do, as if nothing had been imported before."""
    report = Report(Tally(), dry=True)
    inputs = look(settings, say)
    report.errors.extend(inputs.errors)
    hosts = OfflineHosts(settings, PLACEHOLDER)
    sites = {idsite: hosts.site(idsite) for idsite in settings.rule_sites}
    ranges = Ranges(load())
    check_overlap(inputs.probes, inputs.ends)
    reader = Reader(
        inputs, report.tally, report.errors, progress, settings.max_line_bytes, lambda: False, say,
        disorder=settings.disorder, shift=settings.changes.add_to_date,
    )  # fmt: skip
    with start_pool(settings, inputs) as pool, Rejects(settings.rejects, report.errors.append) as rejects:
        pool.use(plan_of(settings, inputs, hosts.one, sites, ai_bots=settings.ai_bots))
        progress.start(inputs.size)

        def count() -> None:
            chunk, result = _told(pool, hosts)
            report.tally.read(chunk.source, result)
            rejects.write(report.tally.sources[chunk.source].source, result.rejected_lines)
            again = len(ranges.repeats(result.downloads, result.times, result.ranges))
            if again:
                report.tally.skip(chunk.source, "partial", again)
            progress.update(report.tally, 0)

        for chunk in reader.chunks():
            if isinstance(chunk, Chunk):
                pool.submit(chunk)
            while pool.full or (pool.busy and not isinstance(chunk, Chunk)):
                count()
        while pool.busy:
            count()
    report.clock()
    return report


def _told(pool: Pool, hosts: OfflineHosts) -> tuple[Chunk, ChunkResult]:
    chunk, result = pool.next()
    if not result.unknown_hosts:
        return chunk, result
    sites = {host: hosts.find(host) for host in result.unknown_hosts}
    chunk = replace(chunk, context=replace(chunk.context, sites=sites))
    return chunk, pool.redo(chunk)
