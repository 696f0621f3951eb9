"""How far our verdicts on bots agree with Matomo's own, and what a user agent costs that was never seen before.

    .venv/bin/python -m bench.bots FILE

FILE holds one JSON object a line (gzip): `ua`, and the verdicts `bot` and `bot_newer` of two versions of Matomo's
device detector; where these differ, either is right. The fifth whose crc32 is divisible by 5 is told apart.
"""

import gzip
import json
import statistics
import sys
import time
from zlib import crc32

from log_importer.translation.bot_rules import judges


def main(path: str) -> None:
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    agreed = [row for row in rows if row["bot"] == row["bot_newer"]]
    is_bot = judges().is_bot
    is_bot("warm up")
    seconds = []
    verdicts = {}
    for row in agreed:
        began = time.perf_counter()
        verdicts[row["ua"]] = is_bot(row["ua"]) is not None
        seconds.append(time.perf_counter() - began)
    for title, part in (
        ("looked at while building", [row for row in agreed if crc32(row["ua"].encode()) % 5]),
        ("held out", [row for row in agreed if not crc32(row["ua"].encode()) % 5]),
    ):
        right = sum(verdicts[row["ua"]] == row["bot"] for row in part)
        people = sum(verdicts[row["ua"]] and not row["bot"] for row in part)
        print(f"{title}: {right / len(part):.3%} of {len(part):,} agree; {people} called a bot that are none")
    print(
        f"{statistics.mean(seconds) * 1e3:.3f} ms a distinct user agent, {statistics.median(seconds) * 1e3:.3f} median"
    )


if __name__ == "__main__":
    main(sys.argv[1])
