"""`--max-rate`: posts are handed moments that are far enough apart, whoever asks."""

import pytest

from log_importer.delivery.rate import Rate


def test_posts_wait_for_the_hits_before_them() -> None:
    rate = Rate(10)
    pauses = [rate.pause(hits) for hits in (5, 20, 1)]
    assert pauses[0] == 0
    assert pauses[1:] == pytest.approx([0.5, 2.5], abs=0.05)


def test_without_a_limit_nobody_waits() -> None:
    rate = Rate(0)
    assert [rate.pause(10_000) for _ in range(3)] == [0, 0, 0]
