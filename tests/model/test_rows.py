"""Requests in rows: what compiled loops make of them is what Python makes of them."""

import pickle
from array import array
from collections.abc import Iterable, Mapping
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from log_importer.ledger.offsets import pack, steps_in_python, unpack
from log_importer.model import ChunkResult, Request
from log_importer.model.rows import Requests
from log_importer.model.rows.in_python import InPython
from log_importer.tracking.bulk import body
from tests.conftest import compiled

LARGE = st.integers(0, 2**64 - 1)
TIMES = st.floats(-6.3e10, 2.6e11) | st.integers(-3, 3).map(lambda n: 900.0 * n) | st.sampled_from([-0.25, 899.75])
ROWS = st.lists(
    st.builds(
        Request, st.integers(0, 3), LARGE, LARGE, TIMES, st.integers(0, 4) | LARGE, st.integers(0, 3),
        st.integers(1, 3), st.binary(max_size=20), st.integers(0, 2), st.integers(0, 2**16 - 1),
    ),
    max_size=60,
)  # fmt: skip


class Plain(Requests):
    """Without the library."""

    way = InPython()


def both(rows: Iterable[Request]) -> tuple[Requests, Requests]:
    """The same requests, each way."""
    assert compiled()
    requests = Requests.of(rows)
    return requests, Plain(requests.part)


@given(ROWS, st.integers(1, 16), st.integers(0, 300))
def test_both_ways_are_the_same(rows: list[Request], lanes: int, room: int) -> None:
    natively, in_python = both(rows)
    for first, second in ((natively, in_python), (natively[2:], Plain(natively[2:].part))):
        parts, same_parts = [first[:3], first[3:]], [Plain(first[:3].part), Plain(first[3:].part)]
        assert list(Requests.in_batch_order(parts)) == list(Plain.in_batch_order(same_parts))
        assert list(Requests.in_batch_order(parts)) == list(Requests.in_batch_order([second]))
        assert list(Requests.in_time_order(parts)) == list(Plain.in_time_order(same_parts))
        assert first.by_lane(lanes) == second.by_lane(lanes)
        assert body(first.queries, "token") == body(second.queries, "token") == body([*first.queries], "token")
    assert natively.spans(900) == in_python.spans(900)
    assert natively.lines() == in_python.lines()
    assert natively.fitting(3, room) == in_python.fitting(3, room)
    assert (natively.sources, natively.sites) == (in_python.sources, in_python.sites)
    assert natively.doubted == in_python.doubted
    assert not rows or natively.latest == in_python.latest


@given(ROWS, st.integers(0, 60), st.integers(0, 60), st.integers(1, 3))
def test_they_are_a_row_of_requests(rows: list[Request], first: int, end: int, step: int) -> None:
    for requests in both(rows):
        assert list(requests) == rows
        assert requests == rows
        assert [requests[place] for place in range(-len(rows), len(rows))] == rows * 2
        assert list(requests[first:end]) == rows[first:end]
        assert list(requests[first:end:step]) == rows[first:end:step]
        assert list(requests.queries) == [row.query for row in rows]
        assert list(requests.times) == [row.time for row in rows]
        assert list(requests.joined([requests[:first], requests[first:]])) == rows
        gone = {place for place in (first, end) if place < len(rows)}
        assert list(requests.without(gone)) == [row for place, row in enumerate(rows) if place not in gone]
        assert list(requests.in_time_order([requests])) == sorted(
            rows, key=lambda row: (row.time, row.source, row.offset)
        )
        changed = requests.changed("number", range(len(rows)))
        assert list(changed) == [row._replace(number=number) for number, row in enumerate(rows)]
        assert list(requests.column("visitor")) == [row.visitor for row in rows]
        some = requests[first:end].compact()
        assert some.part.texts == (b"".join(row.query for row in rows[first:end]),)
        assert list(some) == rows[first:end]
        assert list(pickle.loads(pickle.dumps(requests[first:end]))) == rows[first:end]
        assert requests[first:end].size == sum(len(row.query) for row in rows[first:end])


@given(ROWS, st.integers(1, 16))
def test_lanes_have_each_request_once_in_order(rows: list[Request], lanes: int) -> None:
    for requests in both(rows):
        found = requests.by_lane(lanes)
        assert {lane: list(mine) for lane, _, mine in found} == {
            lane: mine for lane in range(lanes) if (mine := [row for row in rows if row.lane % lanes == lane])
        }
        assert all(mine[0] == rows[first] for _, first, mine in found)


def test_rows_of_more_texts_than_can_be_numbered_are_joined() -> None:
    rows = [Request(0, n, n, 0.0, 1, 1, 1, b"?%d" % n) for n in range(70_000)]
    for way in (Requests, Plain):
        parts = [way.of([row]) for row in rows]
        assert list(way.joined(parts)) == rows
        halves = [way.joined(parts[:40_000]), way.joined(parts[40_000:])]
        assert list(way.joined(halves)) == rows


@given(ROWS)
def test_spans_count_by_whole_seconds(rows: list[Request]) -> None:
    for requests in both(rows):
        found = requests.spans(60)
        assert sum(found.values()) == len(rows)
        assert found.keys() == {(row.site, int(row.time // 1) // 60) for row in rows}


@given(ROWS, st.sampled_from([{}, {7: 2}]))
def test_a_chunk_becomes_rows(rows: list[Request], doubts: Mapping[int, int]) -> None:
    rows = [row._replace(source=3, doubts=doubts.get(row.offset, 0)) for row in rows]
    result = ChunkResult(
        lines=len(rows), blob=b"".join([row.query for row in rows]),
        lengths=array("I", [len(row.query) for row in rows]),
        numbers=array("Q", [row.number for row in rows]), offsets=array("Q", [row.offset for row in rows]),
        times=array("d", [row.time for row in rows]), visitors=array("Q", [row.visitor for row in rows]),
        agents=array("I", [row.agent for row in rows]), lanes=array("H", [row.lane for row in rows]),
        sites=array("I", [row.site for row in rows]), downloads=array("Q"), ranges=array("B"), skipped={}, rejected={},
        rejected_lines=(), skipped_lines=(), cut_urls=0, left_out={}, ais={}, details={}, without_site={},
        unknown_hosts=(),
    )  # fmt: skip
    for way in (Requests, Plain):
        assert list(way.of_chunk(result, 3, doubts)) == rows


@given(st.lists(st.sampled_from([1, 0, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32]), max_size=30), st.integers(0, 9))
def test_ascending_numbers_are_packed_in_the_same_bytes(steps: list[int], first: int) -> None:
    compiled()
    values = array("Q", accumulate(steps, initial=first))
    packed = pack(values)
    code, body_of_steps = steps_in_python(values)
    assert packed[4:] == code.encode() + values[:1].tobytes() + body_of_steps
    assert unpack(packed) == values
    assert pack(list(values)) == packed
    assert unpack(pack([])) == array("Q")
