"""Samples of all formats, broken at random: each line is a hit with valid fields or rejected, and nothing raises."""

import math
import os
import random
import re
from ipaddress import ip_address

import pytest

from log_importer.model import Hit, Site
from log_importer.parsing.w3c_driver import is_header
from log_importer.settings.format_files import load_formats
from log_importer.translation.bot_rules import judges
from log_importer.translation.line import Translator
from log_importer.translation.plan import Plan

FORMATS = load_formats()
MUTATIONS, SHARDS = (1_000_000, 20) if os.environ.get("SOAK") else (20_000, 2)
PIECES = [
    *(text.encode() for text in (
        "", " ", '"', '\\"', "\\", "\\x", "\\xff", "[", "]", "{", "}", "|", "\t", "\0", "\r", "%", "%zz", "?", "#",
        "#Fields: ",
        "1e999", "-1", "nan", "Infinity", "\\ud800", "null", "true", "[]", "::1", "1.2.3.4, 5.6.7.8", "+9999", "http://",
        "://", "-",
        "99/Foo/9999", "HTTP/1.1", ";", ",", ":", "2024-02-30", "9999-12-31T23:59:59.999999999+23:59", "\x1b[31m",
        "\u00e9\u4e2d\U0001f600", "9" * 400, "a" * 3000,
    )),
    b"\xff\xfe", b"\xc3", b"\xed\xa0\x80",
]  # fmt: skip
SKIPPED = re.compile(r"[a-z]+(-[a-z]+)*")


def lines_of(name: str) -> list[tuple[str, bytes]]:
    """The sample lines of a format, each with the `#Fields:` line in force."""
    header, found = "", []
    for sample in FORMATS[name].samples:
        for line in sample.log.splitlines():
            if is_header(line):
                header = line
            found.append((header, line.encode("utf-8", "surrogateescape")))
    return found


def mutated(line: bytes, others: list[tuple[str, bytes]], chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        place, end = sorted(chance.randrange(len(line) + 1) for _ in range(2))
        kind = chance.randrange(6)
        if kind == 0:
            line = line[:place] + chance.choice(PIECES) + line[place:]
        elif kind == 1:
            line = line[:place] + chance.choice(PIECES) + line[min(end, place + 12) :]
        elif kind == 2:
            line = line[:place] + line[place + 1 :]
        elif kind == 3:
            line = line[:end] + line[place:]  # a part twice
        elif kind == 4:
            line = line[:place]
        else:
            line = line[:place] + chance.choice(others)[1][place:]
    return line.replace(b"\n", b" ")


def valid(hit: Hit) -> bool:
    ip_address(hit.client_ip)
    texts = [value for name, value in hit._asdict().items() if name not in NUMBERS]
    counts = [value for value in (hit.status, hit.bytes_sent) if value is not None]
    return (
        math.isfinite(hit.time)
        and all(text is None or isinstance(text, str) for text in texts)
        and isinstance(hit.path, str)
        and all(isinstance(count, int) and 0 <= count < 10**20 for count in counts)
        and (hit.duration is None or (math.isfinite(hit.duration) and hit.duration >= 0))
    )


NUMBERS = {"time", "status", "bytes_sent", "duration"}


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_broken_line_is_a_hit_with_valid_fields_or_rejected(shard: int) -> None:
    chance = random.Random(shard)
    plan = Plan(Site(1, "http://example.org"), formats=FORMATS)
    verdicts = judges()
    translators = {name: Translator(plan, verdicts, name) for name in FORMATS}
    lines = {name: lines_of(name) for name in FORMATS}
    hits = rejected = 0
    for _ in range(MUTATIONS // SHARDS):
        name = chance.choice(list(FORMATS))
        header, line = chance.choice(lines[name])
        broken = mutated(line, lines[name], chance)
        reader = name if chance.random() < 0.8 else chance.choice(list(FORMATS))
        translator = translators[reader]
        translator.use(header if FORMATS[reader].driver == "w3c" else "")
        outcome = translator.line(broken, 1_800_000_000.0, 1)
        if outcome.hit is not None:
            hits += 1
            assert valid(outcome.hit), (reader, broken, outcome.hit)
            assert (outcome.query is None) == bool(outcome.reason), (reader, broken)
            assert outcome.query is None or outcome.query.isascii()
        else:
            rejected += outcome.rejected
            assert outcome.query is None
            assert SKIPPED.fullmatch(outcome.reason), (reader, broken)
    assert min(hits, rejected) > MUTATIONS // SHARDS / 10, (hits, rejected)
