"""The merger alone: what is in time order comes out in time order, what is not is counted, and memory is bounded."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from log_importer.model import Request
from log_importer.runs.merging import Merger


def request(time: float, source: int = 0, number: int = 0, size: int = 2) -> Request:
    return Request(source, number, number, time, 1, 1, 1, b"?" * size)


def times(entries: Sequence[Request]) -> list[float]:
    return [request.time for request in entries]


class Late(list[Request]):
    """The hits that came late."""

    def __call__(self, requests: Sequence[Request]) -> None:
        self += requests


@st.composite
def streams(draw: st.DrawFn) -> tuple[float, list[list[float]]]:
    """A disorder, and the times in several sources, each ordered within it."""
    disorder = draw(st.sampled_from([0, 1, 5, 60]))
    sources = []
    for _ in range(draw(st.integers(1, 5))):
        base, found = draw(st.integers(0, 50)), list[float]()
        for step, back in draw(st.lists(st.tuples(st.integers(0, 30), st.integers(0, disorder)), max_size=30)):
            base += step
            found.append(base - back)
        sources.append(found)
    return disorder, sources


@given(streams(), st.integers(1, 7))
def test_sources_that_are_ordered_within_the_disorder_come_out_in_time_order(
    drawn: tuple[float, list[list[float]]], size: int
) -> None:
    disorder, sources = drawn
    late = Late()
    merger = Merger(late)
    out: list[Request] = []
    left = [list(source) for source in sources]
    newest = [source[0] if source else float("inf") for source in sources]
    number = 0
    while any(left):
        which = min((at, index) for index, at in enumerate(newest) if left[index])[1]
        part, left[which] = left[which][:size], left[which][size:]
        entries = [request(time, which, number + place) for place, time in enumerate(part)]
        number += len(part)
        newest[which] = max(newest[which], *part) if left[which] else float("inf")
        out += merger.add(entries, min(newest) - disorder)
    out += merger.rest()
    assert times(out) == sorted(time for source in sources for time in source)
    assert late == []
    for which in range(len(sources)):
        same = [(request.time, request.number) for request in out if request.source == which]
        assert same == sorted(same), "what has one time stays in the order of its source"


def test_a_hit_goes_when_nothing_older_can_come_and_not_before() -> None:
    merger = Merger(Late())
    assert times(merger.add([request(30), request(10), request(20)], 5)) == []
    assert times(merger.add([request(15)], 15)) == [10, 15]
    assert times(merger.add([], 29)) == [20]
    assert times(merger.rest()) == [30]


def test_what_comes_later_than_the_disorder_goes_at_once_and_is_called_late() -> None:
    late = Late()
    merger = Merger(late)
    assert times(merger.add([request(100), request(200)], 100)) == [100]
    assert times(merger.add([request(99, source=3), request(100), request(150)], 150)) == [99, 100, 150]
    assert [(one.source, one.time) for one in late] == [(3, 99)]
    assert times(merger.rest()) == [200]
    assert len(late) == 1


def test_no_more_hits_wait_than_may_and_the_oldest_go() -> None:
    merger = Merger(Late(), most=10)
    out = [time for number in range(100, 0, -1) for time in times(merger.add([request(number)], 0))]
    assert (len(merger), len(out)) == (10, 90)
    assert times(merger.rest()) == [*range(91, 101)]


def test_no_more_bytes_wait_than_may() -> None:
    late = Late()
    merger = Merger(late, most_bytes=1000)
    assert times(merger.add([request(number, size=100) for number in range(12)], 0)) == [0, 1]
    assert times(merger.add([request(20, size=1500)], 0)) == [*range(2, 12), 20]
    assert (len(merger), late) == (0, [])


def test_hits_that_wait_for_no_others_pass_straight_through_behind_those_that_waited() -> None:
    late = Late()
    merger = Merger(late)
    assert times(merger.add([request(10), request(30)], 20)) == [10]
    assert times(merger.add([request(5), request(4)], None)) == [30, 5, 4]
    assert late == []


def test_what_waits_goes_up_to_a_time_and_the_rest_waits_on() -> None:
    merger = Merger(Late())
    merger.add([request(10), request(20), request(20), request(30)], 0)
    assert times(merger.rest(20)) == [10, 20, 20]
    assert times(merger.rest()) == [30]


def test_hits_that_wait_keep_hardly_more_than_their_own_queries() -> None:
    """Of each chunk one hit waits, by an odd clock, while a thousand go."""
    merger = Merger(Late(), most_bytes=10**9)
    for chunk in range(400):
        entries = [request(chunk, number=n, size=200) for n in range(1000)]
        merger.add([*entries, request(10_000 + chunk, number=1000, size=200)], float(chunk))
    assert len(merger) == 400
    assert merger._waiting.kept < 2 * (1 << 20)


def test_hits_that_come_one_by_one_are_not_looked_for_in_ever_more_places() -> None:
    merger = Merger(Late())
    for number in range(1000):
        merger.add([request(number, number=number)], -1.0)
        assert merger._waiting.text_count < 300
    assert len(merger) == 1000
