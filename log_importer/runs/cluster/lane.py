"""One task of the second stage: the blocks of some lanes, one lane after another, sorted by time -> the sender."""

import contextlib
import threading
import uuid
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from log_importer.delivery.dates import Day
from log_importer.delivery.sender import Sender
from log_importer.model.errors import LogImporterError
from log_importer.model.rows import NONE, Requests
from log_importer.native import load
from log_importer.runs.cluster import counts
from log_importer.runs.cluster.account import SpanAccount
from log_importer.runs.cluster.portion import Portion
from log_importer.runs.cluster.progress import Progress, taken_over
from log_importer.runs.cluster.read import Block, Key
from log_importer.runs.cluster.run import check_seen, is_halted
from log_importer.runs.posting import end_sender, server_of, start_sender
from log_importer.settings import Settings
from log_importer.sources.shared_folder import Shared, open_shared
from log_importer.sources.shared_folder.leased import Leased
from log_importer.tracking.rules.ranges import Ranges

WINDOW = 8_000
"""Hits of a lane that wait, so that those with one user agent can be put together."""
_AT_ONCE = 4_096
"""Hits that come before those that wait are put in order again."""
_HANDED_OVER = 1_000
_LOOK = 2.0
"""Seconds between two looks whether the driver asks for an end."""


@dataclass(frozen=True, slots=True)
class Sending:
    """What all tasks of the second stage are told."""

    run: str
    settings: Settings
    url: str
    token: str
    portions: Sequence[Portion]
    lanes: int
    lines_before: Sequence[int]  # number of a span -> lines of its source before it
    days: frozenset[Day]  # begun already
    zones: Mapping[int, str]
    shared: str  # where the job's progress lies


@dataclass(slots=True)
class LaneReport:
    """What a lane's task says at its end; by the index of a portion."""

    lane: int
    counts: dict[str, Any]
    held: Sequence[dict[str, Any]] = ()
    again: Sequence[tuple[int, int]] = ()  # and the number of a line that was in flight when a task died
    unanswered: Mapping[int, int] = field(default_factory=dict)
    partial: Mapping[int, int] = field(default_factory=dict)  # lines that are further ranges of a download
    complete: bool = False
    error: LogImporterError | None = None
    said: Sequence[str] = ()


class _Memory:
    """What a lane knows of the server."""

    def __init__(self, days: Iterable[Day], progress: Progress) -> None:
        self.days = set(days)
        self.about = progress.about

    def begin_days(self, days: Iterable[Day]) -> None:
        self.days.update(days)

    def remember(self, **about: str) -> None:
        self.about.update(about)


@dataclass(slots=True)
class _Halting:
    """Set once the driver asks for an end."""

    halt: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)


def send(rows: Iterable[tuple[Key, Block | SpanAccount]], sending: Sending) -> Iterator[LaneReport]:
    """Sends the blocks of `rows`, which are sorted by their keys; one report for each lane.

    What ends one lane would end the next, so those behind it are left as they stand, and counted.
    """
    ended = False
    for lane, mine in groupby(rows, key=lambda row: row[0][0]):
        if lane == sending.lanes:
            continue
        blocks = (block for _, block in mine if isinstance(block, Block))
        report = _send_lane(lane, () if ended else blocks, sending, begin=not ended)
        ended = ended or not report.complete
        yield report


def _send_lane(lane: int, blocks: Iterable[Block], sending: Sending, *, begin: bool) -> LaneReport:
    said: dict[str, None] = {}
    report = LaneReport(lane, counts.as_json(counts.new_tally(sending.portions)))
    progress: Progress | None = None
    try:
        shared = open_shared(sending.shared)
        check_seen(shared, sending.run)

        def read() -> Progress:
            return Progress(
                Leased(shared, f"lanes/{lane:05}"), sending.run, uuid.uuid4().hex, counts.new_tally(sending.portions),
                hold=sending.settings.in_doubt == "hold",
            )  # fmt: skip

        progress = read()
        if begin and not progress.complete:
            progress = taken_over(read)
            with _halting(shared, sending.run) as halting:
                _deliver(blocks, sending, progress, halting, said)
                progress.complete = not halting.halt.is_set()
            progress.write()
    except LogImporterError as error:
        report.error = error
        with contextlib.suppress(LogImporterError):
            if progress is not None:
                progress.write()  # what was answered meanwhile
    if progress is not None:
        report.counts, report.held, report.partial = counts.as_json(progress.tally), progress.held, progress.partial
        report.again, report.unanswered = progress.again, progress.open
        report.complete = progress.complete and report.error is None
    report.said = list(said)
    return report


@contextlib.contextmanager
def _halting(shared: Shared, run: str) -> Iterator[_Halting]:
    """Becomes a halt when the driver asks for an end of the run."""
    halting, over = _Halting(), threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK):
            with contextlib.suppress(LogImporterError):
                if is_halted(shared, run):
                    halting.halt.set()
                    return

    watcher = threading.Thread(target=watch, name="halt", daemon=True)
    watcher.start()
    try:
        yield halting
    finally:
        over.set()
        watcher.join()


def _deliver(
    blocks: Iterable[Block], sending: Sending, progress: Progress, halting: _Halting, said: dict[str, None]
) -> None:
    server = server_of(sending.settings, sending.url, sending.token)
    ranges, partial = Ranges(load()), Counter[int]()

    def say(sentence: str) -> None:
        said[sentence] = None

    with contextlib.closing(server):
        progress.tally.zones = sending.zones
        memory = _Memory(sending.days, progress)
        sender = start_sender(
            sending.settings, server, sending.token, progress, memory, sending.zones, halting, say, 1, WINDOW, progress
        )  # fmt: skip
        try:
            for requests, downloads in _merged(blocks, sending.lines_before):
                repeats = _repeats(requests, downloads, ranges)
                for place in repeats:
                    partial[requests[place].source] += 1
                _put(sender, progress.new(requests.without(repeats) if repeats else requests))
                if halting.halt.is_set():
                    break
            sender.flush(sending.settings.grace)
            progress.partial = partial
        finally:
            end_sender(sender, memory, halting)


def _put(sender: Sender, requests: Requests) -> None:
    for first in range(0, len(requests), _HANDED_OVER):
        sender.put(requests[first : first + _HANDED_OVER])


Downloads = dict[tuple[int, int], tuple[int, int]]


def _merged(blocks: Iterable[Block], lines_before: Sequence[int]) -> Iterator[tuple[Requests, Downloads]]:
    """The requests of blocks, which come in the order of their first times, in time order."""
    waiting, fresh, come = NONE, list[Requests](), 0
    downloads: Downloads = {}
    for block in blocks:
        requests = block.requests
        before = lines_before[block.span]
        requests = requests.changed("number", [number + before for number in requests.column("number")])
        if come >= max(_AT_ONCE, len(waiting) // 2):
            waiting = Requests.in_time_order([waiting, *fresh])
            fresh, come = [], 0
            end = bisect_left(waiting.times, requests.times[0])
            yield waiting[:end], downloads
            waiting = waiting[end:]
        for offset, download in block.downloads.items():
            downloads[requests[0].source, offset] = download
        fresh.append(requests)
        come += len(requests)
    if waiting or fresh:
        yield Requests.in_time_order([waiting, *fresh]), downloads


def _repeats(requests: Requests, downloads: Downloads, ranges: Ranges) -> set[int]:
    """The places of those that are a further range of a download."""
    if not downloads:
        return set()
    places = zip(requests.column("source"), requests.column("offset"), strict=True)
    found = [downloads.pop(place, (0, 0)) for place in places]
    keys, partial = array("Q", [key for key, _ in found]), array("B", [part for _, part in found])
    return set(ranges.repeats(keys, array("d", requests.times), partial))
