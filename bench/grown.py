"""The ten thousand real lines grown to as many as are wanted, in several formats, always the same ones.

Each repeat has addresses of its own and is later by the time that the log spans; user agents and paths stay, but for a
share that is fresh.
"""

import gzip
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any
from zlib import crc32

DATA = Path(__file__).parents[2] / "shared" / "data" / "apache-combined-10k.log.gz"
SEED = 8
_ADDRESS = re.compile(rb"^\S+")
_TIME = re.compile(rb"\[([^]]+)\]")
_PATH = re.compile(rb'"([A-Z]+) (/)')
_AGENT = re.compile(rb'"([^"]+)"$')
_FORMAT = "%d/%b/%Y:%H:%M:%S %z"
_COMBINED = re.compile(
    r'(\S+) \S+ (\S+) \[([^]]+)\] "([A-Z]+) ([^ "?]*)(?:\?([^ "]*))? (HTTP/[0-9.]+)" (\d+) (\d+|-) "([^"]*)" "([^"]*)"'
)


def grown(raw: bytes, lines: int, fresh: float = 0.0) -> Iterator[bytes]:
    """So many lines; the share `fresh` has a path that was not there before, and as many have such a user agent."""
    chance = random.Random(SEED)  # noqa: S311 - no secret hangs on it
    found = raw.splitlines()
    moments = [_moment(line) for line in found]
    known = [moment for moment in moments if moment]
    span = max(known) - min(known) + timedelta(seconds=1)
    for repeat in range(ceil(lines / len(found))):
        for line, moment in list(zip(found, moments, strict=True))[: lines - repeat * len(found)]:
            number = crc32(b"%d %b" % (repeat, line.split(b" ", 1)[0]))
            line = _ADDRESS.sub(b"%d.%d.%d.%d" % (11 + repeat % 200, *number.to_bytes(4)[:3]), line)
            if moment:
                line = _TIME.sub(b"[%b]" % (moment + repeat * span).strftime(_FORMAT).encode(), line)
            if chance.random() < fresh:
                line = _PATH.sub(rb'"\1 /%d\2' % chance.randrange(1 << 30), line)
            if chance.random() < fresh:
                line = _AGENT.sub(rb'"\1 %d"' % chance.randrange(1 << 30), line)
            yield line


def _moment(line: bytes) -> datetime | None:
    match = _TIME.search(line)
    return datetime.strptime(match[1].decode(), _FORMAT) if match else None


Turn = Callable[[Iterable[bytes]], Iterator[bytes]]


def write(path: Path, lines: Iterable[bytes], turned: Turn = iter) -> str:
    """Writes the lines, compressed where the name ends in .gz; the SHA-256 of what they are uncompressed."""
    digest = hashlib.sha256()
    with gzip.open(path, "wb", 6) if path.suffix == ".gz" else path.open("wb") as file:
        for line in turned(lines):
            file.write(line + b"\n")
            digest.update(line + b"\n")
    return digest.hexdigest()


def nginx_json(lines: Iterable[bytes]) -> Iterator[bytes]:
    """As nginx writes it by the definition that import_logs.py documents."""
    for address, _, when, _, path, query, _, status, size, referrer, agent in _fields(lines):
        yield json.dumps({
            "ip": address, "host": "www.example.org", "path": path if query is None else f"{path}?{query}",
            "status": status, "referrer": referrer, "user_agent": agent, "length": 0 if size == "-" else int(size),
            "generation_time_milli": 0.001, "date": when.isoformat(),
        }).encode()  # fmt: skip


def iis(lines: Iterable[bytes]) -> Iterator[bytes]:
    """As IIS 10 writes it."""
    yield b"#Software: Microsoft Internet Information Services 10.0"
    yield (
        b"#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) "
        b"cs(Referer) sc-status sc-substatus sc-win32-status time-taken"
    )
    for address, user, when, method, path, query, _, status, _, referrer, agent in _fields(lines):
        yield (
            f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} 192.0.2.80 {method} {path} {query or '-'} 80 {user} {address} "
            f"{agent.replace(' ', '+') or '-'} {referrer.replace(' ', '+') or '-'} {status} 0 0 1"
        ).encode("utf-8", "surrogateescape")


def _fields(lines: Iterable[bytes]) -> Iterator[tuple[Any, ...]]:
    for line in lines:
        if match := _COMBINED.fullmatch(line.decode("utf-8", "surrogateescape")):
            address, user, when, *rest = match.groups()
            yield address, user, datetime.strptime(when, _FORMAT), *rest
