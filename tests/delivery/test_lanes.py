"""Lanes fill the last batch of what was sorted up from others, and nobody's hits overtake each other for it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from log_importer.delivery.lanes import Lanes
from log_importer.model import Batch, Request

SIZE, WINDOW = 10, 40


def request(number: int, lane: int) -> Request:
    return Request(0, number, number, float(number), lane * 10 + number % 3, lane, 1, b"?n=%04d" % number, 0, lane)


def filled(each: Sequence[int], size_bytes: int = 10**6) -> Lanes:
    """Lanes of which each has so many hits, together a window full."""
    lanes = Lanes(lambda: SIZE, size_bytes, count=len(each), window=sum(each))
    number = 0
    for lane, count in enumerate(each):
        for _ in range(count):
            lanes.put([request(number, lane)])
            number += 1
    return lanes


def sizes(batch: Batch | None) -> tuple[list[int], int]:
    assert batch is not None
    return list(batch.lanes), len(batch.requests)


def test_the_rest_of_a_lane_takes_the_first_of_another_with_it() -> None:
    lanes = filled([13, 12, 3, 2])
    first = lanes.take(flushing=False, leave=0)
    assert sizes(first) == ([0], SIZE), "a whole batch needs no other lane"
    assert first is not None
    lanes.release(first)
    for number in range(100, 110):
        lanes.put([request(number, 3)])
    assert sizes(lanes.take(flushing=False, leave=0)) == ([0, 1], SIZE)


def test_it_goes_alone_where_other_posts_would_want_for_lanes() -> None:
    for leave, expected in ((3, ([0], 3)), (None, ([0], 3)), (2, ([0, 1], SIZE))):
        lanes = filled([13, 12, 3, 2])
        first = lanes.take(flushing=False, leave=leave)
        assert first is not None
        lanes.release(first)
        for number in range(100, 110):
            lanes.put([request(number, 3)])
        assert sizes(lanes.take(flushing=False, leave=leave)) == expected


def test_what_is_filled_up_stays_under_the_bytes_that_servers_take() -> None:
    query = len(request(1, 0).query) + 3
    lanes = filled([SIZE - 3, 5, 1], size_bytes=query * 4 + 1)
    found = []
    for number in range(3):
        batch = lanes.take(flushing=False, leave=0)
        assert batch is not None
        found.append(sizes(batch))
        lanes.release(batch)
        for more in range(4):
            lanes.put([request(10 * number + more, 2)])
    assert found == [([0], 4), ([0, 1], 4), ([1], 4)]


@given(
    st.lists(st.integers(0, 5), min_size=80, max_size=200), st.integers(0, 4), st.integers(1, 4),
    st.lists(st.booleans(), min_size=1, max_size=20),
)  # fmt: skip
def test_each_hit_is_taken_once_and_no_lane_is_in_two_posts(
    hits: list[int], leave: int, under_way: int, keep: list[bool]
) -> None:  # fmt: skip
    lanes, posts, taken = Lanes(lambda: SIZE, 10**6, count=6, window=WINDOW), list[Batch](), list[Request]()

    def take(*, flushing: bool) -> bool:
        waits = lanes.waits(flushing)
        batch = lanes.take(flushing, leave)
        assert waits == (batch is not None)
        if batch is None:
            return False
        busy = [lane for post in posts for lane in post.lanes]
        assert not set(busy) & set(batch.lanes)
        assert len(set(batch.lanes)) == len(batch.lanes)
        assert 0 < len(batch.requests) <= SIZE
        if len(batch.lanes) > 1 and not flushing:
            assert 6 - len(busy) - len(batch.lanes) >= leave
        taken.extend(batch.requests)
        posts.append(batch)
        return True

    for number, lane in enumerate(hits):
        lanes.put([request(number, lane)])
        while lanes.full and take(flushing=False):
            if len(posts) > under_way or keep[number % len(keep)]:
                lanes.release(posts.pop(0))
    while not lanes.idle:
        if not take(flushing=True):
            lanes.release(posts.pop(0))
    assert sorted(one.number for one in taken) == list(range(len(hits)))
    for visitor in {one.visitor for one in taken}:
        mine = [one.number for one in taken if one.visitor == visitor]
        assert mine == sorted(mine)


def test_what_is_filled_with_whole_lanes_stays_under_the_bytes_that_servers_take() -> None:
    query = len(request(1, 0).query) + 3
    lanes, found = filled([3, 3, 2, 2, 1], size_bytes=query * 5 + 1), []
    while (batch := lanes.take(flushing=True)) is not None:
        found.append(sizes(batch))
    assert found == [([0, 2], 5), ([1, 3], 5), ([4], 1)]
