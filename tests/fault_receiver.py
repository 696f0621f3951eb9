"""The real receiver behind faults: what is posted is stored and rolled back for real, and the answers go wrong.

    python -m tests.fault_receiver --database DB --token TOKEN --fault reset-after@0.5 --fault delay=0.2 --seed 7

Each fault may have a value (`=0.2`) and a share of the posts that it hits (`@0.5`); of those that hit a post, the first
named wins, but a delay adds to any. What it would have cost a real server is accounted, not burnt, and printed as JSON
when it stops. The faults are the keys of `FAULTS`.
"""

import argparse
import json
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs

import orjson
import requests

from log_importer.receiver import Receiver
from log_importer.receiver.access import Grant, Level
from log_importer.translation.bot_rules import judges
from tests.fault_server import FaultServer, Posted, Script, Told, counted, serve, told_json

Forward = Callable[[Posted], Told]
"""Posts to the receiver, which stores and commits, and gives its answer."""
Fault = Callable[[str], Callable[[Posted, Forward], Told | None]]
"""A fault's value -> what it does to a post; `None` where it leaves it alone."""


def _before(told: Told) -> Fault:
    """Nothing is stored."""
    return lambda _value: lambda _posted, _forward: told


def _after(told: Callable[[Told], Told]) -> Fault:
    """All is stored, and the answer goes wrong."""
    return lambda _value: lambda posted, forward: told(forward(posted))


def _busy(status: int) -> Fault:
    def make(value: str) -> Callable[[Posted, Forward], Told]:
        headers = {"Retry-After": _retry_after(value)} if value else {}
        return lambda _posted, _forward: Told(status, b"busy", headers)

    return make


def _retry_after(value: str) -> str:
    """Seconds as they stand, however absurd; `date+5` is the date five seconds from now."""
    if not value.startswith("date"):
        return value
    moment = datetime.now(UTC) + timedelta(seconds=float(value.removeprefix("date") or 0))
    return format_datetime(moment, usegmt=True)


def _too_large(value: str) -> Callable[[Posted, Forward], Told | None]:
    return lambda posted, _forward: Told(413, b"<html>413</html>") if len(posted.body) > int(value) else None


def _shortfall(value: str) -> Callable[[Posted, Forward], Told]:
    """The last requests of a batch are dropped without a word, as on a lock wait."""

    def fault(posted: Posted, forward: Forward) -> Told:
        document = orjson.loads(posted.body)
        document["requests"] = document["requests"][: -int(value or 1)]
        return forward(Posted(posted.path, posted.headers, orjson.dumps(document)))

    return fault


def _poison(value: str) -> Callable[[Posted, Forward], Told | None]:
    """A batch that holds the text fails as a whole, and says how far it came."""

    def fault(posted: Posted, _forward: Forward) -> Told | None:
        place = next((index for index, query in enumerate(posted.queries) if value in query), None)
        if place is None:
            return None
        return told_json({"status": "error", "tracked": place, "invalid": 0, "invalid_indices": []}, 500)

    return fault


def _late(value: str) -> Callable[[Posted, Forward], Told]:
    """A proxy that gives up: it answers at once, and the batch is stored some seconds later."""

    def fault(posted: Posted, forward: Forward) -> Told:
        def store() -> None:
            with suppress(requests.ConnectionError):  # the receiver has ended
                forward(posted)

        timer = threading.Timer(float(value or 0.5), store)
        timer.daemon = True
        timer.start()
        return Told(504, _PAGE)

    return fault


def _drop(value: str) -> Callable[[Posted, Forward], Told]:
    """Requests that hold the text are counted as tracked, and not stored."""

    def fault(posted: Posted, forward: Forward) -> Told:
        document = orjson.loads(posted.body)
        sent, kept = document["requests"], [query for query in document["requests"] if value not in query]
        if kept:
            answer = forward(Posted(posted.path, posted.headers, orjson.dumps(document | {"requests": kept})))
            if orjson.loads(answer.body).get("tracked") != len(kept):
                return answer
        return counted(len(sent))

    return fault


def _slow(value: str) -> Callable[[Posted, Forward], Told]:
    def fault(posted: Posted, forward: Forward) -> Told:
        answer = forward(posted)
        answer.drip = float(value or 1)
        return answer

    return fault


_PAGE = b"<!doctype html><title>Welcome</title>"
_WARNING = b"<br />\n<b>Warning</b>: Undefined variable in <b>x.php</b> on line <b>1</b><br />\n"

FAULTS: dict[str, Fault] = {
    "delay": lambda value: lambda _posted, _forward: Told(delay=float(value)),
    "reset-before": _before(Told(reset=True)),
    "reset-after": _after(lambda _told: Told(reset=True)),
    "hang-up-after": _after(lambda _told: Told(hang_up=True)),
    "cut": _after(lambda told: Told(told.status, told.body[:-5], told.headers, length=len(told.body))),
    "html": _before(Told(200, _PAGE)),
    "html-after": _after(lambda _told: Told(200, _PAGE)),
    "php-warning": _after(lambda told: Told(told.status, _WARNING + told.body, told.headers)),
    "empty": _after(lambda _told: Told(204)),
    "sql-error": _before(Told(200, b"Error:SQLSTATE[HY000]: General error: 2006 MySQL server has gone away")),
    "bad-gateway": _after(lambda _told: Told(502, _PAGE)),
    "late": _late,
    "drop": _drop,
    "too-large": _too_large,
    "busy-429": _busy(429),
    "busy-503": _busy(503),
    "slow": _slow,
    "shortfall": _shortfall,
    "poison": _poison,
    "redirect": lambda value: lambda posted, _forward: Told(301, headers={"Location": value + posted.path}),
}


@dataclass(slots=True)
class Cost:
    """What the posts would have cost a measured Matomo: 2.5 ms a hit, 5 ms a user agent in a batch, 15 ms a post."""

    posts: int = 0
    hits: int = 0
    agents: int = 0  # distinct ones of each batch, added up
    under_way: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def server_seconds(self) -> float:
        """The time of one of its processors."""
        return 0.0025 * self.hits + 0.005 * self.agents + 0.015 * self.posts

    @contextmanager
    def of(self, posted: Posted) -> Iterator[None]:
        """Accounts a post while it is under way."""
        queries = posted.queries
        agents = {parse_qs(query[1:]).get("ua", [""])[0] for query in queries}
        with self.lock:
            self.posts, self.hits, self.agents = self.posts + 1, self.hits + len(queries), self.agents + len(agents)
            self.under_way += 1
            self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            yield
        finally:
            with self.lock:
                self.under_way -= 1

    def as_json(self) -> str:
        """The account, one line."""
        names = ("posts", "hits", "agents", "most_at_once")
        return json.dumps({name: getattr(self, name) for name in names} | {"server_seconds": self.server_seconds})


def parse_fault(text: str) -> tuple[str, str, float]:
    """`NAME[=VALUE][@SHARE]` -> name, value, share."""
    text, _, share = text.partition("@")
    name, _, value = text.partition("=")
    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"there is no fault {name}; there are {', '.join(FAULTS)}")
    return name, value, float(share or 1)


def faulty(url: str, faults: Sequence[tuple[str, str, float]], seed: int, cost: Cost) -> Script:
    """A script for `fault_server.serve` that forwards to the receiver at `url`; pings and the API stay sound."""
    chance = random.Random(seed)
    made = [(name, FAULTS[name](value), share) for name, value, share in faults]
    lock = threading.Lock()

    def forward(posted: Posted) -> Told:
        answer = requests.request(
            posted.method, url + posted.path, data=posted.body, timeout=60,
            headers={"Content-Type": posted.headers.get("Content-Type", "")},
        )  # fmt: skip
        return Told(answer.status_code, answer.content, {"Content-Type": answer.headers.get("Content-Type", "")})

    def script(posted: Posted) -> Told:
        if b'"requests"' not in posted.body or b"ping=1" in posted.body:
            return forward(posted)
        with lock:  # the dice fall in the order of the posts
            struck = [(name, fault) for name, fault, share in made if chance.random() < share]
        with cost.of(posted):
            delay = sum(told.delay for name, fault in struck if name == "delay" and (told := fault(posted, forward)))
            others = (fault(posted, forward) for name, fault in struck if name != "delay")
            answer = next((told for told in others if told is not None), None) or forward(posted)
        answer.delay += delay
        return answer

    return script


@contextmanager
def fault_receiver(
    database: Path, token: str, faults: Sequence[str], seed: int = 0
) -> Iterator[tuple[FaultServer, Cost]]:  # fmt: skip
    """The receiver on `database` behind `faults`, at the fault server's URL."""
    verdicts, cost = judges(), Cost()
    with Receiver(
        database, is_bot=verdicts.is_bot, search_engine=verdicts.search_engine, grants={token: Grant(Level.SUPERUSER)}
    ) as receiver, serve() as server:  # fmt: skip
        server.script = faulty(receiver.url, [parse_fault(text) for text in faults], seed, cost)
        yield server, cost


def main() -> None:
    """Runs it until SIGINT or SIGTERM; prints its URL first and the account last."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--fault", action="append", default=[], help="NAME[=VALUE][@SHARE]")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with fault_receiver(given.database, given.token, given.fault, given.seed) as (server, cost):
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        stop.wait()
        sys.stdout.write(f"{cost.as_json()}\n")


if __name__ == "__main__":
    main()
