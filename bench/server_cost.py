"""What an import costs a Matomo by its measured costs: our lanes and batches against the incumbent's order.

A hit takes 2.5 ms of one of the server's processors, each user agent that a batch holds 5 ms, each post 15 ms. The
server has two processors and is simulated in virtual time; hits, lanes, batches and pace are the real ones.
"""

import argparse
import gzip
import heapq
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

from bench.grown import DATA, grown
from log_importer.delivery.lanes import Lanes
from log_importer.delivery.pace import Pace
from log_importer.model import Batch, Context, Request, Site
from log_importer.settings.format_files import load_formats
from log_importer.tracking.bulk import MAX_BODY
from log_importer.tracking.requests import Tracking
from log_importer.tracking.rules.selection import Selection
from log_importer.translation.bot_rules import judges
from log_importer.translation.chunk import compile_translation
from log_importer.translation.plan import Plan

LINES = 200_000
CORES = 2


def requests_of(lines: Sequence[bytes], everything: bool) -> list[Request]:
    """The tracking requests of the lines."""
    plan = Plan(
        Site(1, "http://site.example"), formats=load_formats(()), tracking=Tracking(bots=everything, static=everything),
        selection=Selection(static=everything, bots=everything, http_errors=everything, http_redirects=everything),
    )  # fmt: skip
    result = compile_translation(plan, judges())(b"\n".join(lines) + b"\n", Context("combined", "", 1, 0, 2e9))
    entries, start = [], 0
    columns = zip(result.numbers, result.offsets, result.times, result.visitors, result.agents, strict=True)
    for (number, offset, time, visitor, agent), lane, length in zip(columns, result.lanes, result.lengths, strict=True):
        query = result.blob[start : start + length]
        start += length
        entries.append(Request(0, number, offset, time, visitor, agent, 1, query, 0, lane))
    return entries


@dataclass
class Cost:
    """What the server did."""

    server_seconds: float = 0.0
    posts: int = 0
    agents: int = 0  # distinct ones of each batch, added up
    wall: float = 0.0
    at_once: int = 0  # the level that it had most of the time


def cost_of(batch: Sequence[Request]) -> float:
    """Seconds of one of the server's processors."""
    return 0.0025 * len(batch) + 0.005 * len({request.agent for request in batch}) + 0.015


def ours(entries: Sequence[Request]) -> Cost:
    """Lanes, batches and pace as they are, with a backlog: the server is the brake."""
    pace, cost = Pace(), Cost()
    lanes = Lanes(lambda: pace.size, MAX_BODY)
    source, under_way, levels = iter(entries), list[tuple[float, int, float, Batch]](), list[int]()
    ended = False
    while True:
        while not lanes.full and not ended:
            entry = next(source, None)
            ended = entry is None
            if entry is not None:
                lanes.put([entry])
        while (
            len(under_way) < pace.at_once
            and (batch := lanes.take(flushing=ended, leave=pace.at_once - len(under_way) - 1)) is not None
        ):
            work = cost_of(batch.requests)
            cost.server_seconds += work
            cost.posts += 1
            cost.agents += len({request.agent for request in batch.requests})
            heapq.heappush(under_way, (work, cost.posts, cost.wall, batch))
            levels.append(pace.at_once)
        if len(under_way) < pace.at_once:
            pace.starved()
        if not under_way:
            break
        least = under_way[0][0]
        cost.wall += least / min(1.0, CORES / len(under_way))
        under_way = [(work - least, number, began, batch) for work, number, began, batch in under_way]
        _, _, began, done = heapq.heappop(under_way)
        pace.stored(len(done.requests), cost.wall - began, cost.wall)
        lanes.release(done)
    cost.at_once = max(set(levels), key=levels.count)
    return cost


def incumbents(entries: Sequence[Request]) -> Cost:
    """In the log's order, by address to two recorders, 200 a batch, both at once."""
    queues: list[list[Request]] = [[], []]
    for request in entries:
        queues[(request.visitor >> 32) % 2].append(request)
    batches = [queue[first : first + 200] for queue in queues for first in range(0, len(queue), 200)]
    agents = sum(len({request.agent for request in batch}) for batch in batches)
    total = sum(map(cost_of, batches))
    return Cost(total, len(batches), agents, total / 2, 2)


def measure(everything: bool, lines: int = LINES, data: Path = DATA) -> dict[str, object]:
    """Both, and the best that is possible."""
    entries = requests_of(list(grown(gzip.decompress(data.read_bytes()), lines)), everything)
    us, them = ours(entries), incumbents(entries)
    distinct = len({request.agent for request in entries})
    best = 0.0025 * len(entries) + 0.005 * distinct + 0.015 * ceil(len(entries) / 2000)
    return {
        "mode": "everything" if everything else "default filters", "hits": len(entries), "best_seconds": best,
        "ours": asdict(us), "incumbent": asdict(them), "less": 1 - us.server_seconds / them.server_seconds,
        "over_best": us.server_seconds / best - 1,
    }  # fmt: skip


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"There is no {DATA}.")
    rows = [measure(everything, given.lines) for everything in (False, True)]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    columns = ("hits", 9), ("posts", 7), ("agents", 8), ("server s", 10), ("less", 7), ("over best", 11), ("at once", 9)
    print(f"{'mode':<18}{'who':<12}" + "".join(f"{name:>{width}}" for name, width in columns))
    for row in rows:
        for who in ("incumbent", "ours"):
            cost = row[who]
            assert isinstance(cost, dict)
            less = f"{row['less']:.1%}" if who == "ours" else ""
            over = f"{cost['server_seconds'] / row['best_seconds'] - 1:.1%}"
            print(
                f"{row['mode']!s:<18}{who:<12}{row['hits']:>9,}{cost['posts']:>7,}{cost['agents']:>8,}"
                f"{cost['server_seconds']:>10.1f}{less:>7}{over:>11}{cost['at_once']:>9}"
            )


if __name__ == "__main__":
    main()
