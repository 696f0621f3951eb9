"""What a terabyte, a hundred, and a petabyte of logs cost in machines and hours, and where the bottleneck is.

From rates that this machine measures first (lines a second that one processor translates, bytes that it decompresses)
and from what a hit costs a Matomo (docs: 2.5 ms of a tracker's processor, 5 ms for each user agent that a batch holds,
15 ms for each post). How evenly lanes fill is simulated: the visitors of the log are dealt to lanes as an import deals
them, and the lanes to senders that each have one post under way.
"""

import argparse
import gzip
import heapq
import json
import sys
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.grown import DATA, grown
from bench.server_cost import cost_of, requests_of
from log_importer.model import Context, Request, Site
from log_importer.model.keys import finer
from log_importer.model.rows import Requests
from log_importer.settings.format_files import load_formats
from log_importer.translation.bot_rules import judges
from log_importer.translation.chunk import compile_translation
from log_importer.translation.plan import Plan

LINES = 100_000
TERABYTE = 10**12
SIZES = (1, 100, 1000)
"""Terabytes of plain text."""
FLEETS = ((2, 2), (16, 16), (64, 64), (64, 512), (512, 4096))
"""Processors that read, and processors of trackers."""
_ONE_MACHINE = 2
"""Readers of the fleet that is one machine. It reads and sends together; a cluster sorts all hits in between."""


@dataclass(frozen=True)
class Rates:
    """What was measured, and what follows for one line."""

    line_bytes: float
    lines_a_second: float  # that one processor translates
    unpacked_a_second: float  # bytes that one processor decompresses
    hits_a_line: float
    seconds_a_hit: float  # of a tracker's processor


@dataclass(frozen=True)
class Row:
    """One size on one fleet."""

    terabytes: int
    readers: int
    trackers: int
    senders: int
    hours_reading: float
    hours_storing: float
    hours: float
    bottleneck: str


def rates(lines: Sequence[bytes], requests: Sequence[Request]) -> Rates:
    """Measures this machine, one processor of it."""
    plan = Plan(Site(1, "http://site.example"), formats=load_formats(()))
    translate = compile_translation(plan, judges())
    chunks = [b"\n".join(lines[first : first + 4000]) + b"\n" for first in range(0, len(lines), 4000)]
    translate(chunks[0], Context("combined", "", 1, 0, 2e9))
    began = time.process_time()
    for chunk in chunks:
        translate(chunk, Context("combined", "", 1, 0, 2e9))
    read = time.process_time() - began
    packed = gzip.compress(b"".join(chunks), 6)
    began = time.process_time()
    unpacked = len(zlib.decompress(packed, 31))
    unpacking = time.process_time() - began
    ordered = Requests.in_batch_order([Requests.of(requests)])
    batches = [ordered[first : first + 2000] for first in range(0, len(ordered), 2000)]
    seconds = sum(map(cost_of, batches)) / len(requests)
    size = sum(map(len, lines)) / len(lines) + 1
    return Rates(size, len(lines) / read, unpacked / unpacking, len(requests) / len(lines), seconds)


def idle(requests: Sequence[Request], lanes: int, senders: int) -> float:
    """The share of the senders' time that is lost since lanes are not equally long.

    Each sender takes one lane after another, and the longest first.
    """
    rows = Requests.of(requests)
    lengths = Counter(finer(rows.column("lane"), rows.column("visitor"), lanes))
    ends = [0] * senders
    heapq.heapify(ends)
    for _, length in lengths.most_common():
        heapq.heappush(ends, heapq.heappop(ends) + length)
    return 1 - len(requests) / senders / max(ends)


def row(terabytes: int, readers: int, trackers: int, found: Rates, lost: float, *, together: bool) -> Row:
    """One size on one fleet; as many senders as trackers have processors."""
    lines = terabytes * TERABYTE / found.line_bytes
    reading = lines * (1 / found.lines_a_second + found.line_bytes / found.unpacked_a_second) / readers / 3600
    storing = lines * found.hits_a_line * found.seconds_a_hit / trackers / (1 - lost) / 3600
    whole = max(reading, storing) if together else reading + storing
    bottleneck = "trackers" if storing > reading else "reading"
    return Row(terabytes, readers, trackers, trackers, reading, storing, whole, bottleneck)


def table(lines: Sequence[bytes], everything: bool) -> tuple[Rates, list[Row], dict[int, float]]:
    """All sizes on all fleets, and the time that senders lose, by their number."""
    requests = requests_of(lines, everything)
    found = rates(lines, requests)
    lost = {trackers: idle(requests, max(64, 8 * trackers), trackers) for _, trackers in FLEETS if trackers <= 64}
    rows = [
        row(size, readers, trackers, found, lost.get(trackers, lost[64]), together=readers == _ONE_MACHINE)
        for size in SIZES
        for readers, trackers in FLEETS
    ]
    return found, rows, lost


def main() -> None:
    """Prints what was measured, and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--everything", action="store_true", help="track bots, static files, errors too")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.data.exists():
        sys.exit(f"There is no {given.data}.")
    lines = list(grown(gzip.decompress(given.data.read_bytes()), given.lines, 0.01))
    found, rows, lost = table(lines, given.everything)
    if given.json:
        print(json.dumps({"rates": asdict(found), "rows": list(map(asdict, rows)), "lost": lost}, indent=2))
        return
    print(
        f"one processor translates {found.lines_a_second:,.0f} lines a second and decompresses "
        f"{found.unpacked_a_second / 1e6:,.0f} MB; a line has {found.line_bytes:.0f} bytes, {found.hits_a_line:.0%} of "
        f"them are hits, and a hit takes {found.seconds_a_hit * 1e3:.1f} ms of a tracker's processor"
    )
    print(f"lost to uneven lanes: {', '.join(f'{share:.0%} of {count} senders' for count, share in lost.items())}")
    columns = ("TB", 6), ("readers", 9), ("trackers", 10), ("h reading", 14), ("h storing", 14), ("days", 12)
    print("".join(f"{name:>{width}}" for name, width in columns) + "  bottleneck")
    for one in rows:
        values = (one.terabytes, one.readers, one.trackers, one.hours_reading, one.hours_storing, one.hours / 24)
        cells = (f"{value:>{width},.1f}" if width > 10 else f"{value:>{width},}" for value, (_, width) in zip(
            values, columns, strict=True
        ))  # fmt: skip
        print("".join(cells) + f"  {one.bottleneck}")


if __name__ == "__main__":
    main()
