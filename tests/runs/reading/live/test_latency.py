"""A line that is alone in its log does not wait for others."""

import statistics
import time

import pytest

from tests.fault_server import serve
from tests.faults.test_crash import wait_for
from tests.oracle import line
from tests.runs.reading.live.follower import FLUSH_AFTER, PATIENCE, await_more, following, oracle
from tests.runs.reading.live.servers import ground


@pytest.mark.timeout(120)
def test_a_line_in_a_silent_log_is_stored_within_the_time_that_was_asked_for() -> None:
    stored = oracle()
    waits = []
    with serve(stored) as tracker, ground() as folder:
        log = folder / "access.log"
        log.write_bytes(line(0))
        with following(tracker.url, folder) as follower:
            await_more(stored, follower)
            for number in range(1, 6):
                time.sleep(0.3)
                began = time.monotonic()
                with log.open("ab") as file:
                    file.write(line(number))
                wait_for(lambda number=number: number in stored.stored, PATIENCE)
                waits.append(time.monotonic() - began)
            follower.stop()
    assert stored.stored == list(range(6))
    assert statistics.median(waits) < FLUSH_AFTER + 1, waits  # one of them may meet a machine that is busy
