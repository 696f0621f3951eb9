"""How many hits a second the receiver takes in bulk, with everything stored: medians of five runs."""

import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import requests

from log_importer.receiver import Receiver
from log_importer.tracking.bulk import body
from log_importer.translation.bot_rules import judges

HITS, BATCH = 10_000, 1_000


def queries() -> list[bytes]:
    """Hits of 500 pages, 3,000 addresses and 300 user agents."""
    return [
        b"?"
        + urlencode(
            {
                "idsite": 1, "rec": 1, "url": f"http://x.example/page/{number % 500}", "bw_bytes": 1234,
                "cip": f"10.{number % 100}.{number % 31}.7", "cdt": f"2024-01-10 10:{number % 60:02}:00",
                "ua": f"Mozilla/5.0 (X11; Linux) Firefox/{number % 300}", "urlref": "https://www.google.com/",
            }
        ).encode()
        for number in range(HITS)
    ]  # fmt: skip


def run(hits: list[bytes]) -> float:
    """Hits a second of one run into a new database."""
    verdicts = judges()
    with tempfile.TemporaryDirectory() as folder, Receiver(
        Path(folder) / "db", is_bot=verdicts.is_bot, search_engine=verdicts.search_engine
    ) as receiver, requests.Session() as session:  # fmt: skip
        began = time.perf_counter()
        for start in range(0, HITS, BATCH):
            answer = session.post(f"{receiver.url}/matomo.php", body(hits[start : start + BATCH], receiver.token))
            assert answer.json()["tracked"] == BATCH
        return HITS / (time.perf_counter() - began)


if __name__ == "__main__":
    hits = queries()
    rates = sorted(run(hits) for _ in range(5))
    print(
        f"receiver: {statistics.median(rates):,.0f} hits/s in bulk (median of 5, {rates[0]:,.0f} to {rates[-1]:,.0f})"
    )
