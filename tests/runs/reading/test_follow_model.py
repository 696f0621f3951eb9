"""Whatever becomes of a followed log, each line is read once and in its order: random histories, each from its seed."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.follow_model import Model, run_models

SOAK = bool(os.environ.get("SOAK"))
SHARDS = 20
FIRST = int(time.time()) if SOAK else 0  # other histories each time, named by what they fail with


@pytest.mark.timeout(3600)
@pytest.mark.soak
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_line_of_a_followed_log_is_read_once_and_in_order(shard: int) -> None:
    count = 100 if SOAK else 10
    assert run_models(range(FIRST + shard * count, FIRST + (shard + 1) * count)) > 0


def test_what_was_rotated_away_before_runs_that_died_one_after_another_is_read(tmp_path: Path) -> None:
    """None of them came so far as to write down when it had read everything."""
    model = Model(0, tmp_path)
    model.pattern = "access.log"
    model.start()
    model.log.write(5)
    model.log.rotate()
    model.log.write(5)
    for _ in range(3):
        time.sleep(0.1)  # more than the clocks of files may be behind
        model.stop(killed=True)
        model.start()
    model.catch_up()
    model.stop(killed=False)
    assert model.settled == Counter(range(model.log.next))
