"""Downloads in ranges count once, by compiled loops and without them."""

from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.tracking.rules.ranges import Ranges
from tests.conftest import compiled


@pytest.fixture(params=["compiled", "in Python"])
def ranges(request: pytest.FixtureRequest) -> Ranges:
    return Ranges(compiled() if request.param == "compiled" else None)


Asked = tuple[int, float, bool]
"""Key of a download, time, whether it is for a part."""


def repeats(ranges: Ranges, *asked: Asked) -> Sequence[int]:
    keys, times, partial = zip(*asked, strict=True) if asked else ((), (), ())
    return list(ranges.repeats(array("Q", keys), array("d", times), array("B", partial)))


def one(ranges: Ranges, download: int, time: float, partial: bool) -> bool:
    return repeats(ranges, (0, time, False), (download, time, partial), (0, time, True)) == [1]


def test_the_ranges_of_a_download_count_once(ranges: Ranges) -> None:
    assert [one(ranges, 1, time, True) for time in (0, 5, 1000, 2700, 4600)] == [False, True, True, True, False]
    assert one(ranges, 2, 4600, True) is False, "another visitor or file"
    assert one(ranges, 1, 4601, False) is False, "the whole file again is another download"
    assert one(ranges, 1, 4602, True) is True, "and a range after it belongs to it"
    assert repeats(ranges) == []


def test_what_is_remembered_of_downloads_is_bounded(ranges: Ranges) -> None:
    for number in range(70_000):
        one(ranges, number, 0, True)
    assert one(ranges, 1, 0, True) is False
    assert one(ranges, 69_999, 0, True) is True


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([0, 1, 2, 3, 1 << 20, 1 << 63]), st.floats(0, 6000), st.booleans()), max_size=30
        )
    ),
    st.sampled_from([0, 32_766, 32_767, 32_768, 32_769]),
)
def test_compiled_loops_find_what_python_does(chunks: list[list[Asked]], others: int) -> None:
    """Before and behind where the first that are remembered are forgotten."""
    ways = [Ranges(compiled()), Ranges(None)]
    for chunk in [[(key, 0.0, False) for key in range(1 << 30, (1 << 30) + others)], *chunks]:
        natively, in_python = (repeats(way, *chunk) for way in ways)
        assert natively == in_python
