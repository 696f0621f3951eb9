"""The main job, wired: sources -> workers -> lanes -> sender -> tally. The only module that knows all stages."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from log_importer.delivery.lanes import Lanes
from log_importer.delivery.poster import Delivery, Post
from log_importer.delivery.sender import Sender
from log_importer.errors import LogImporterError, SourceError, worst
from log_importer.format_files import find_format, load_formats
from log_importer.interrupt import Interrupt
from log_importer.model import Chunk, ChunkResult, Request, Site
from log_importer.parsing.parser import Reading, named_zone
from log_importer.parsing.spec import FormatSpec
from log_importer.probe import Probe, probe
from log_importer.progress import Progress
from log_importer.rejects import Rejects
from log_importer.rules.exclusions import Selection
from log_importer.rules.ranges import Ranges
from log_importer.server import Server
from log_importer.settings import Settings, processors
from log_importer.sites import PATIENCE, check, main_url
from log_importer.sources.chunks import Chunker
from log_importer.sources.find import find_sources
from log_importer.sources.stream import Stream
from log_importer.tally import Tally
from log_importer.tracking.bulk import MAX_BODY, body
from log_importer.tracking.requests import Tracking
from log_importer.translate import Plan
from log_importer.worker import InProcess, Pool, WorkerPool

_SMALL = 4 << 20
"""Bytes of input that are done before a worker process would have started."""
_HANDED_OVER = 1000
"""Requests handed to the lanes at once, so that the window is kept to."""


@dataclass(slots=True)
class Report:
    """What a run did, for the summary."""

    tally: Tally
    errors: list[LogImporterError] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: int = 0  # exit code of the signal, 0 for none
    server: str = ""  # its address without credentials; "" is the embedded receiver

    @property
    def exit_code(self) -> int:
        """By the README's table; a signal comes first."""
        return worst([self.interrupted, *(error.exit_code for error in self.errors), *self.tally.exit_codes()])


@dataclass(frozen=True, slots=True)
class Inputs:
    """The sources of a run, looked at, and the formats they need."""

    probes: Sequence[Probe]
    formats: dict[str, FormatSpec]
    errors: Sequence[LogImporterError]

    @property
    def size(self) -> int | None:
        """Bytes as they lie on disk; `None` where a pipe is among them."""
        sizes = [probe.source.size for probe in self.probes]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def look(settings: Settings, say: Callable[[str], None]) -> Inputs:
    """Finds the sources, oldest first, and detects their formats. Raises `UsageError` for what the user asked for."""
    formats = load_formats(settings.format_files)
    chosen = find_format(settings.log_format_name, formats) if settings.log_format_name else None
    sources, errors = find_sources(settings.sources)
    reading = reading_of(settings)
    probes = []
    for source in sources:
        try:
            probes.append(probe(source, formats, chosen, reading, settings.max_line_bytes))
        except SourceError as error:
            errors.append(error)
    for one in probes:
        if one.remark:
            say(one.remark)
    # A visit goes on over log rotation, so what is older is read first; a pipe may never end.
    probes.sort(key=lambda one: (one.source.size is None, one.first_time is None, one.first_time or 0.0))
    used = {one.format: formats[one.format] for one in probes if one.format}
    return Inputs(probes, used, errors)


def reading_of(settings: Settings) -> Reading:
    """How lines are read."""
    return Reading(named_zone(settings.timezone, "--timezone"), settings.accept_any_client)


def plan_of(settings: Settings, inputs: Inputs, site: Site) -> Plan:
    """What the workers compile."""
    return Plan(
        site=site,
        formats=inputs.formats,
        reading=reading_of(settings),
        selection=Selection(
            static=settings.enable_static,
            bots=settings.enable_bots,
            http_errors=settings.enable_http_errors,
            http_redirects=settings.enable_http_redirects,
            downloads=settings.download_extensions,
        ),
        tracking=Tracking(
            bots=settings.enable_bots,
            static=settings.enable_static,
            reverse_dns=settings.enable_reverse_dns,
            log_hostname=settings.log_hostname,
            downloads=settings.download_extensions,
        ),
        max_line_bytes=settings.max_line_bytes,
        keep_rejected=settings.rejects is not None,
    )


def start_pool(settings: Settings, inputs: Inputs) -> Pool:
    """The worker processes, or none where the input is too small for them."""
    small = inputs.size is not None and inputs.size < _SMALL
    count = settings.workers if settings.workers is not None else 0 if small else processors()
    return WorkerPool(count) if count else InProcess()


def chunks_of(inputs: Inputs, tally: Tally, errors: list[LogImporterError], progress: Progress, max_line_bytes: int,
              halt: Callable[[], bool]) -> Iterator[Chunk | None]:  # fmt: skip
    """The chunks of all sources, one source after the other; sources that fail are noted and left."""
    for one in inputs.probes:
        if halt():
            return
        index = tally.add_source(one.source.name, one.format)
        try:
            with one.stream or Stream(one.source) as stream:
                chunker = one.chunker or Chunker(stream, max_line_bytes)
                for chunk in chunker.chunks(index, one.format, one.headers, time.time):
                    progress.read(index, stream.raw_position)
                    yield chunk
                    if halt():
                        break
                tally.sources[index].incomplete = stream.damage
        except SourceError as error:
            errors.append(error)


def run_import(settings: Settings, url: str, token: str, say: Callable[[str], None], progress: Progress) -> Report:
    """Imports all sources into the server at `url`. What went wrong is in the report; only usage errors are raised."""
    began = time.monotonic()
    report = Report(Tally())
    server = Server(url, token, endpoint=settings.endpoint, request_timeout=settings.request_timeout)
    report.server = server.url if settings.url else ""
    inputs = look(settings, say)
    report.errors.extend(inputs.errors)
    if not inputs.probes:
        return report
    with Interrupt(say, settings.grace) as interrupt, start_pool(settings, inputs) as pool:
        try:
            with contextlib.closing(server):
                patience = min(PATIENCE, settings.give_up_after)
                site = main_url(server, settings.idsite, patience)
                check(server, [settings.idsite], time.time(), patience)
                pool.use(plan_of(settings, inputs, site))
                progress.start(inputs.size)
                interrupt.begin()
                with Rejects(settings.rejects) as rejects:
                    run = _Run(settings, server, token, report.tally, rejects, progress, interrupt, say)
                    run.go(pool, chunks_of(
                        inputs, report.tally, report.errors, progress, settings.max_line_bytes, interrupt.halt.is_set,
                    ))  # fmt: skip
        except LogImporterError as error:
            report.errors.append(error)
        except KeyboardInterrupt:
            pass  # the summary says what is pending
        report.interrupted = interrupt.exit_code
    report.seconds = time.monotonic() - began
    return report


class _Run:
    """Results in source order -> lanes -> sender."""

    def __init__(
        self, settings: Settings, server: Server, token: str, tally: Tally, rejects: Rejects, progress: Progress,
        interrupt: Interrupt, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._grace = settings.grace
        self._tally = tally
        self._rejects = rejects
        self._progress = progress
        self._halt = interrupt.halt
        self._ranges = Ranges()

        def connect() -> Post:
            session = server.session()
            return lambda requests: session.post(body([request.query for request in requests], token))

        lanes = Lanes(settings.recorder_max_payload_size, MAX_BODY)
        delivery = Delivery(tally.settle, server.tracks, say, give_up_after=settings.give_up_after)
        self._sender = Sender(lanes, delivery, connect, settings.recorders, self._halt)

    def go(self, pool: Pool, chunks: Iterator[Chunk | None]) -> None:
        """Does all of `chunks`, or until a signal comes; raises what ended the sender."""
        try:
            for chunk in chunks:
                if chunk is not None:
                    pool.submit(chunk)
                while pool.full or (chunk is None and pool.busy):
                    self._hand_over(*pool.next())
                if chunk is None:
                    self._sender.flush(self._grace)  # a silent pipe: nobody should wait for what it said before
            while pool.busy:
                self._hand_over(*pool.next())
            self._sender.flush(self._grace)
        finally:
            # After a signal and its grace, nobody waits for a server that may take minutes.
            self._sender.close(0.5 if self._halt.is_set() else None)
            self._progress.update(self._tally, 0)

    def _hand_over(self, chunk: Chunk, result: ChunkResult) -> None:
        self._tally.read(chunk.source, result)
        self._rejects.write(self._tally.sources[chunk.source].source, result.rejected_lines)
        entries: list[tuple[int, Request]] = []
        start = 0
        for number, offset, at, visitor, agent, lane, site, length, download, partial in zip(
            result.numbers, result.offsets, result.times, result.visitors, result.agents, result.lanes, result.sites,
            result.lengths, result.downloads, result.ranges, strict=True,
        ):  # fmt: skip
            query = result.blob[start : start + length]
            start += length
            if download and self._ranges.repeats(download, at, bool(partial)):
                self._tally.skip(chunk.source, "partial")
                continue
            entries.append((lane, Request(chunk.source, number, offset, at, visitor, agent, site, query)))
            if len(entries) >= _HANDED_OVER:
                self._sender.put(entries)
                entries = []
        self._sender.put(entries)
        self._progress.update(self._tally, self._sender.in_flight)
