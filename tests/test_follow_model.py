"""Whatever becomes of a followed log, each line is read once and in its order: random histories, each from its seed."""

import os
import time

import pytest

from tests.follow_model import run_models

SOAK = bool(os.environ.get("SOAK"))
SHARDS = 20
FIRST = int(time.time()) if SOAK else 0  # other histories each time, named by what they fail with


@pytest.mark.timeout(3600)
@pytest.mark.soak
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_line_of_a_followed_log_is_read_once_and_in_order(shard: int) -> None:
    count = 100 if SOAK else 10
    assert run_models(range(FIRST + shard * count, FIRST + (shard + 1) * count)) > 0
