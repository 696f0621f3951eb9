"""Replays recorded exchanges with a real Matomo against the receiver and compares replies and what is stored.

    make conformance FILE=tests/data/matomo-exchanges/exchanges.jsonl

The form of the file is in tests/data/matomo-exchanges/README.md.
"""

import base64
import gzip
import http.client
import json
import re
import sqlite3
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from log_importer.receiver import Receiver
from log_importer.receiver.access import Grant, Level
from log_importer.receiver.naming import name_agents
from log_importer.receiver.settings import Behaviour, SiteSetup
from log_importer.translation.bot_rules import judges

TOKENS = {
    "SUPERUSER_TOKEN": ("a" * 31 + "1", Grant(Level.SUPERUSER)),
    "ADMIN_TOKEN": ("a" * 31 + "2", Grant(Level.ADMIN, frozenset({1}))),
    "WRITE_TOKEN": ("a" * 31 + "3", Grant(Level.WRITE, frozenset({1}))),
    "VIEW_TOKEN": ("a" * 31 + "4", Grant(Level.VIEW, frozenset({1}))),
    "WRONG_TOKEN": ("a" * 31 + "5", None),
}
SITES = (SiteSetup(1, "http://example.org", goals=frozenset({1})), SiteSetup(2, "http://second.example"))
STRICT = {"auth", "bulk", "time", "sequence"}
"""Groups that must be as recorded to the last exchange."""


@dataclass(slots=True)
class Result:
    """How many exchanges of each group were answered and stored as recorded, and how the others differ."""

    right: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)
    differences: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def good_enough(self) -> bool:
        """Whether the thresholds hold."""
        shares = {group: self.right[group] / total for group, total in self.total.items()}
        strict = all(share == 1 for group, share in shares.items() if group in STRICT)
        return strict and min(shares.values()) >= 0.9 and self.right.total() >= 0.97 * self.total.total()

    def lines(self) -> Iterator[str]:
        """The table, a line a group, and the sum."""
        for group in sorted(self.total):
            yield f"{group:<12}{self.right[group]:>5} of {self.total[group]}"
        yield f"{self.right.total()} of {self.total.total()} exchanges as recorded"


def replay(exchanges: Iterable[dict[str, Any]], folder: Path) -> Result:
    """Replays `exchanges` in order, each from an empty store but for the later steps of a sequence."""
    result = Result()
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    with _receiver(folder / "receiver.sqlite3", lambda: noon) as (receiver, clear):
        for exchange in exchanges:
            if exchange.get("step", 1) == 1:
                clear()
            problems = list(_exchange(exchange, receiver, folder / "receiver.sqlite3", noon))
            result.total[exchange["group"]] += 1
            result.right[exchange["group"]] += not problems
            if problems:
                result.differences[exchange["id"]] = problems
    return result


@contextmanager
def _receiver(database: Path, clock: Callable[[], datetime]) -> Iterator[tuple[Receiver, Callable[[], None]]]:
    verdicts = judges()
    grants = {token: grant for token, grant in TOKENS.values() if grant is not None}
    with Receiver(
        database, is_bot=verdicts.is_bot, search_engine=verdicts.search_engine, grants=grants, sites=SITES,
        behaviour=Behaviour(debug_on_demand=True), clock=clock,
    ) as receiver:  # fmt: skip

        def clear() -> None:
            with closing(sqlite3.connect(database)) as connection, connection:
                connection.executescript("DELETE FROM action; DELETE FROM visit;")

        yield receiver, clear


def _exchange(exchange: dict[str, Any], receiver: Receiver, database: Path, noon: datetime) -> Iterator[str]:
    name_agents(database)
    before = _visits(database)
    last_action = _number(database, "SELECT max(idaction) FROM action")
    status, headers, body = _send(exchange["request"], receiver.url, noon)
    yield from _compare_reply(exchange["reply"], status, headers, body)
    name_agents(database)
    actual = _stored(database, before, last_action)
    expected = json.loads(_filled(json.dumps(exchange["stored"]), noon))
    yield from _compare_stored(expected, actual)


def _send(request: dict[str, Any], url: str, noon: datetime) -> tuple[int, dict[str, str], bytes]:
    query = _filled(request.get("query", ""), noon)
    body = _filled(request.get("body", ""), noon).encode()
    headers = {name: _filled(value, noon) for name, value in request.get("headers", {}).items()}
    if request.get("body_encoding") == "gzip":
        body = gzip.compress(body)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    with closing(connection):
        target = request["path"] + (f"?{query}" if query else "")
        connection.putrequest(request["method"], target.encode().decode("latin-1"), skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def _filled(text: str, noon: datetime) -> str:
    """`text` with its placeholders replaced."""
    for name, (token, _) in TOKENS.items():
        text = text.replace(name, token)

    def moment(match: re.Match[str]) -> str:
        amount, unit, layout = match.groups()
        units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
        then = noon + (timedelta(**{units[unit]: int(amount)}) if amount else timedelta())
        return then.strftime(layout.replace("%s", str(int(then.timestamp()))))

    text = re.sub(r"\{\{now(?:([+-][0-9]+)([smhd]))?\|([^}]*)\}\}", moment, text)
    return text.replace("{{client_ip}}", "127.0.0.1")


def _compare_reply(expected: dict[str, Any], status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    if status != expected["status"]:
        yield f"status {status}, recorded {expected['status']}"
    media = headers.get("content-type", "").partition(";")[0] or None
    recorded = (expected["content_type"] or "").partition(";")[0] or None
    if media != recorded:
        yield f"media type {media}, recorded {recorded}"
    if recorded == "application/json":
        found, wanted = _json(body), json.loads(expected["body"])
        if found != wanted:
            yield f"reply {found}, recorded {wanted}"
    elif "body_base64" in expected and body != base64.b64decode(expected["body_base64"]):
        yield f"body of {len(body)} bytes, recorded another"
    elif expected.get("body_kind") == "gif+html" and not body.startswith(b"GIF89a"):
        yield "the body does not begin with a GIF"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _compare_stored(expected: list[dict[str, Any]], actual: list[dict[str, Any]]) -> Iterator[str]:
    if len(expected) != len(actual):
        yield f"{len(actual)} visits, recorded {len(expected)}: {actual}"
        return
    for wanted, found in zip(expected, actual, strict=True):
        yield from _fields("visit", wanted["visit"], found["visit"])
        if len(wanted["actions"]) != len(found["actions"]):
            yield f"{len(found['actions'])} actions, recorded {len(wanted['actions'])}: {found['actions']}"
        for one, other in zip(wanted["actions"], found["actions"], strict=False):
            yield from _fields("action", one, other)


def _fields(what: str, wanted: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    wanted.pop("escaped", None)  # how a Matomo keeps it; ours keeps the text itself
    drawn = "idvisitor" not in wanted  # by chance or from a fingerprint
    for name in sorted(wanted.keys() | found.keys()):
        if name == "idvisitor" and drawn:
            continue
        if wanted.get(name) != found.get(name):
            yield f"{what}.{name} is {found.get(name)!r}, recorded {wanted.get(name)!r}"


def _number(database: Path, sql: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(sql).fetchone()[0] or 0)


def _rows(database: Path, sql: str, *values: object) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, values)]


def _visits(database: Path) -> dict[int, dict[str, Any]]:
    return {
        row["idvisit"]: row
        for row in _rows(database, "SELECT * FROM visit JOIN agent USING (user_agent) ORDER BY idvisit")
    }


def _stored(database: Path, before: dict[int, dict[str, Any]], last_action: int) -> list[dict[str, Any]]:
    stored = []
    for idvisit, row in _visits(database).items():
        actions = _rows(
            database, "SELECT * FROM action WHERE idvisit = ? AND idaction > ? ORDER BY idaction", idvisit, last_action
        )
        if before.get(idvisit) != row or actions:
            visit = _visit(row) | {"new": idvisit not in before}
            stored.append({"visit": visit, "actions": [_action(action) for action in actions]})
    return stored


def _visit(row: dict[str, Any]) -> dict[str, Any]:
    names = ("type", "name", "url", "keyword")
    referrer = {name: row[f"referrer_{name}"] for name in names if row[f"referrer_{name}"]}
    plain = (
        "idsite", "ip", "first_action_time", "last_action_time", "actions", "searches", "events", "visit_number",
        "seconds_since_first_visit", "seconds_since_last_visit", "language", "resolution", "country",
        "region", "city", "latitude", "longitude", "local_time", "user_id", "entry_url", "exit_url",
    )  # fmt: skip
    found = {name: row[name] for name in plain if row[name] not in (None, "", 0) or name == "actions"}
    found |= {"idvisitor": row["visitor"], "referrer": referrer}
    for name in ("browser", "os"):
        versioned = {"code": row[name], "version": row[f"{name}_version"]}
        found[name] = {key: value for key, value in versioned.items() if value}
    if row["device_type"]:
        found["device_type"] = row["device_type"]
    if row["returned_as"]:
        found["returning"] = row["returned_as"]
    if row["custom_variables"]:
        found["custom_variables"] = json.loads(row["custom_variables"])
    return found | ({"goal_converted": True} if row["goal_converted"] else {})


def _action(row: dict[str, Any]) -> dict[str, Any]:
    left = {"idaction", "idvisit", "idsite", "referrer_url", "custom_variables"}
    found = {name: value for name, value in row.items() if name not in left and value is not None}
    if row["custom_variables"]:
        found["custom_variables"] = json.loads(row["custom_variables"])
    return found


def main(file: str) -> int:
    """Replays `file` and prints the table; 0 where the thresholds hold."""
    exchanges = [json.loads(line) for line in Path(file).read_text("utf-8").splitlines() if line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        result = replay(exchanges, Path(folder))
    differences = [f"{exchange}: {one}" for exchange, problems in result.differences.items() for one in problems]
    for line in [*differences, "", *result.lines()]:
        sys.stdout.write(f"{line}\n")
    return 0 if result.good_enough else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
