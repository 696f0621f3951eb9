"""A source that is read in spans gives what it gives as a whole: the same requests, with their lines and places."""

import gzip
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from log_importer.model import BEGINNING, Disk
from log_importer.model.keys import finer, spread, visitor_keys
from log_importer.runs.cluster.account import SpanAccount
from log_importer.runs.cluster.portion import Portion
from log_importer.runs.cluster.read import Block, Reading, read
from log_importer.runs.cluster.spans import cut, headers, told
from log_importer.sources.chunks import Chunker
from log_importer.sources.find import find_sources
from log_importer.sources.fingerprint import fingerprint
from log_importer.sources.stream import Stream
from log_importer.translation.bot_rules import judges
from log_importer.translation.chunk import compile_translation
from log_importer.translation.plan import Plan
from tests.conftest import SAMPLES
from tests.faults.test_merge import MIDNIGHT, hit
from tests.translation.test_by_column import NOW, PLANS

LANES = 7
PLAN = PLANS["everything"]


def portion(path: Path, form: str, *, with_headers: bool = False) -> Portion:
    (source,), _ = find_sources([str(path)])
    with Stream(source) as stream:
        head = stream.head()
        end = path.stat().st_size if stream.plain else None
    known = len(head), fingerprint(head)
    return Portion(source, str(path), form, with_headers, Disk(0, 0, 0, 0, b""), *known, BEGINNING, False, 0, end)


def reading(one: Portion, plan: Plan = PLAN) -> Reading:
    return Reading(plan, [one], LANES, NOW, None)


Row = tuple[int, int, float, bytes]


def whole(one: Portion, plan: Plan = PLAN) -> tuple[list[Row], dict[str, int], dict[str, int]]:
    """Offset, line, time and query of each request; what was skipped; what was rejected."""
    translate = compile_translation(plan, judges())
    rows: list[Row] = []
    skipped: dict[str, int] = {}
    rejected: dict[str, int] = {}
    with Stream(one.source) as stream:
        for chunk in Chunker(stream, plan.max_line_bytes).chunks(0, one.format, one.headers, lambda: NOW):
            assert chunk is not None
            result = translate(chunk.data, chunk.context)
            at = 0
            for place, length in enumerate(result.lengths):
                query = result.blob[at : at + length]
                rows.append((result.offsets[place], result.numbers[place], result.times[place], query))
                at += length
            for total, some in ((skipped, result.skipped), (rejected, result.rejected)):
                for reason, lines in some.items():
                    total[reason] = total.get(reason, 0) + lines
    return sorted(rows), skipped, rejected


def in_spans(one: Portion, size: int, plan: Plan = PLAN) -> tuple[list[Row], dict[str, int], dict[str, int], int]:
    """The same of spans of so many bytes, and how many spans there were."""
    spans = cut([one], size)
    if one.headers and len(spans) > 1:
        spans = told(spans, dict(headers(spans, ([one], plan.max_line_bytes))))
    found: list[Any] = list(read(spans, reading(one, plan)))
    accounts = [value for _, value in found if isinstance(value, SpanAccount)]
    before, line = [], 0
    for account in accounts:
        before.append(line)
        line += account.ending.newlines
    rows: list[Row] = []
    skipped: dict[str, int] = {}
    rejected: dict[str, int] = {}
    for (lane, first, _, offset), block in found:
        if not isinstance(block, Block):
            continue
        requests = block.requests
        assert list(requests.times) == sorted(requests.times)
        assert (first, offset) == (requests.times[0], requests[0].offset)
        assert set(requests.column("lane")) == {lane}
        numbers = [number + before[block.span] for number in requests.column("number")]
        rows += zip(requests.column("offset"), numbers, requests.times, requests.queries, strict=True)
    for account in accounts:
        assert account.error is None
        for total, some in ((skipped, account.skipped), (rejected, account.rejected)):
            for reason, lines in some.items():
                total[reason] = total.get(reason, 0) + lines
    return sorted(rows), skipped, rejected, len(spans)


def same(one: Portion, sizes: Sequence[int]) -> None:
    rows, skipped, rejected = whole(one)
    assert rows
    for size in sizes:
        found = in_spans(one, size)
        assert found[:3] == (rows, skipped, rejected), size
        assert one.end is None or found[3] == -(-one.end // size)


def test_spans_of_any_size_give_what_the_whole_gives(tmp_path: Path) -> None:
    data = (SAMPLES / "apache-combined.log").read_bytes()
    (tmp_path / "a.log").write_bytes(data + b"no hit\n" + data.rstrip(b"\n"))  # the last line has no end
    same(portion(tmp_path / "a.log", "combined"), [1 << 30, 20_000, 4096, 997, 101, 37])


def test_each_span_of_a_w3c_log_has_the_columns_in_force(tmp_path: Path) -> None:
    first = (SAMPLES / "iis-w3c.log").read_bytes()
    head = b"#Fields: date time c-ip cs-method cs-uri-stem sc-status cs(User-Agent)\n"
    rows = b"".join(
        b"2026-03-01 10:00:%02d 192.0.2.%d GET /other%d 200 Mozilla/5.0+(X11)+Firefox/1%d\n" % (n % 60, n % 9, n, n % 7)
        for n in range(200)
    )
    (tmp_path / "a.log").write_bytes(first + head + rows)
    same(portion(tmp_path / "a.log", "w3c_extended", with_headers=True), [1 << 30, 5000, 997, 301])


def test_what_is_compressed_is_one_span(tmp_path: Path) -> None:
    (tmp_path / "a.log.gz").write_bytes(gzip.compress((SAMPLES / "apache-combined.log").read_bytes()))
    one = portion(tmp_path / "a.log.gz", "combined")
    assert len(cut([one], 100)) == 1
    same(one, [100])


def test_lines_longer_than_a_span_and_than_is_allowed(tmp_path: Path) -> None:
    long = hit(MIDNIGHT, 1, "/" + "x" * 3000)
    huge = b"y" * 200_000 + b"\n"
    (tmp_path / "a.log").write_bytes(hit(MIDNIGHT, 1, "/a") + long + huge + hit(MIDNIGHT, 2, "/b") + long)
    same(portion(tmp_path / "a.log", "combined"), [1 << 30, 5000, 100, 64])


def test_a_lane_is_the_same_for_a_visitor_in_all_files(tmp_path: Path) -> None:
    chance = random.Random("lanes")
    lanes: dict[int, set[int]] = {}
    for name in ("a.log", "b.log"):
        hits = [hit(MIDNIGHT + n, chance.randrange(500), f"/{n}") for n in range(2000)]
        (tmp_path / name).write_bytes(b"".join(hits))
        one = portion(tmp_path / name, "combined")
        for (lane, *_), block in read(cut([one], 10_000), reading(one)):
            for visitor in block.requests.column("visitor") if isinstance(block, Block) else ():
                lanes.setdefault(visitor, set()).add(lane)
    assert len(lanes) > 400
    assert all(len(found) == 1 for found in lanes.values())
    assert set().union(*lanes.values()) <= set(range(LANES))


def test_a_popular_user_agent_is_in_the_more_lanes_the_more_there_are() -> None:
    keys = [
        visitor_keys(f"192.0.{number >> 8}.{number & 255}", "Mozilla/5.0 (X11) Firefox/1") for number in range(2000)
    ]
    visitors, _, lanes = zip(*keys, strict=True)
    for count, least in ((16, 3), (64, 8), (512, 60)):
        found = finer(lanes, visitors, count)
        assert found == finer(lanes, visitors, count)
        assert max(found) < count
        assert len(set(found)) >= least


@pytest.mark.parametrize("count", [1, 7, 64])
def test_keys_of_lanes_are_spread_evenly(count: int) -> None:
    found = [0] * count
    for key in range(1 << 16):
        found[spread(key, count)] += 1
    assert max(found) < 1.05 * min(found)


def test_a_log_that_was_rotated_away_meanwhile_gives_nothing(tmp_path: Path) -> None:
    data = (SAMPLES / "apache-combined.log").read_bytes()
    (tmp_path / "a.log").write_bytes(data)
    one = portion(tmp_path / "a.log", "combined")
    (tmp_path / "a.log").write_bytes(data[::-1])
    found = list(read(cut([one], 4000), reading(one)))
    assert len(found) > 2
    for _, account in found:
        assert isinstance(account, SpanAccount)
        assert "was replaced while the cluster read it" in str(account.error)
