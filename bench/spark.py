"""How much faster a Spark cluster reads with two executor cores than with one: the first stage alone, no post.

Run by the environment that has Spark (`.spark/bin/python -m bench.spark`, `make .spark/.ready`). A real standalone
cluster on this machine, its workers of one core each; the same spans by one of them and by both, in turn. What is timed
is reading, translating and sorting into lanes, once all processes are there and warm.
"""

import argparse
import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.grown import DATA, grown
from log_importer.model import BEGINNING, Disk, Site
from log_importer.runs.cluster.cluster import Cluster
from log_importer.runs.cluster.portion import Portion
from log_importer.runs.cluster.read import Reading, read
from log_importer.runs.cluster.spans import Span, cut
from log_importer.settings.format_files import load_formats
from log_importer.sources.find import find_sources
from log_importer.sources.fingerprint import fingerprint
from log_importer.translation.plan import Plan
from tests.runs.cluster.cluster import running, variables

LINES, ROUNDS, SPANS = 4_000_000, 5, 8
LANES = 64


def _count(spans: Iterable[Span], reading: Reading) -> Iterator[int]:
    """What would be shuffled stays where it is."""
    yield sum(1 for _ in read(spans, reading))


def seconds(path: Path, workers: int, rounds: int) -> list[float]:
    """What each round took with so many workers."""
    (source,), _ = find_sources([str(path)])
    size = path.stat().st_size
    one = Portion(
        source, str(path), "combined", False, Disk(0, 0, 0, 0, b""), 0, fingerprint(b""), BEGINNING, False, 0, size
    )
    plan = Plan(Site(1, "http://site.example"), formats=load_formats(()))
    spans = cut([one], size // SPANS + 1)
    found = []
    with running(path.parent, workers) as cluster:
        os.environ.update(variables())
        with Cluster(cluster.master, "bench") as spark:
            task = spark.task(_count, Reading(plan, [one], LANES, 2e9, None))
            for number in range(rounds + 1):
                began = time.monotonic()
                spark.run(spark.spread(spans), task, range(len(spans)))
                if number:  # the first starts what is needed
                    found.append(time.monotonic() - began)
    return found


def main() -> None:
    """Prints the seconds, and the share of twice the speed that two cores give."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"There is no {DATA}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        path.write_bytes(
            b"".join(line + b"\n" for line in grown(gzip.decompress(DATA.read_bytes()), given.lines, 0.01))
        )
        by_one, by_two = (seconds(path, workers, given.rounds) for workers in (1, 2))
    first, second = statistics.median(by_one), statistics.median(by_two)
    efficiency = first / second / 2
    if given.json:
        print(json.dumps({"one": by_one, "two": by_two, "efficiency": efficiency}))
        return
    print(f"one executor core {first:.2f} s, two {second:.2f} s: efficiency {efficiency:.0%} ({given.lines:,} lines)")


if __name__ == "__main__":
    main()
