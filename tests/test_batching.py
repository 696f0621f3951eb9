"""Requests as columns: what compiled loops make of them is what Python makes of them."""

from hypothesis import given
from hypothesis import strategies as st

from log_importer.batching import Requests
from log_importer.model import Request
from tests.conftest import compiled

LARGE = st.integers(0, 2**64 - 1)
ROWS = st.lists(
    st.builds(
        Request, st.integers(0, 3), LARGE, LARGE, st.floats(-1e9, 1e11), st.integers(0, 4) | LARGE, st.integers(0, 3),
        st.integers(1, 3), st.binary(max_size=20), st.integers(0, 2), st.integers(0, 2**16 - 1),
    ),
    max_size=60,
)  # fmt: skip


class InPython(Requests):
    """Without the library."""

    native = None


@given(ROWS, st.integers(1, 16))
def test_both_ways_are_the_same(rows: list[Request], lanes: int) -> None:
    compiled()
    natively, in_python = Requests.of(rows), InPython.of(rows)
    assert list(natively.in_batch_order()) == list(in_python.in_batch_order())
    assert natively.by_lane(lanes) == in_python.by_lane(lanes)
    assert sorted(place for _, places in natively.by_lane(lanes) for place in places) == list(range(len(rows)))


@given(ROWS, st.integers(0, 60), st.integers(0, 60))
def test_they_are_a_row_of_requests(rows: list[Request], first: int, end: int) -> None:
    requests = Requests.of(rows)
    assert list(requests) == rows
    assert requests == rows
    assert [requests[place] for place in range(len(rows))] == rows
    assert list(requests[first:end]) == rows[first:end]
    assert list(Requests.joined([requests[:first], requests[first:]])) == rows
    gone = {place for place in (first, end) if place < len(rows)}
    assert list(requests.without(gone)) == [row for place, row in enumerate(rows) if place not in gone]
    assert list(requests.in_time_order()) == sorted(rows, key=lambda row: row.time)
