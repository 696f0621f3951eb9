"""Deadlines come in time and in their order, whatever the order in which they were set."""

import random
import threading
import time

from log_importer.delivery.server.deadline import Deadlines


def test_each_deadline_comes_once_and_not_before_its_time() -> None:
    deadlines, chance = Deadlines(), random.Random(1)
    began = time.monotonic()
    came: dict[int, float] = {}
    last = threading.Event()
    times = [chance.uniform(0.0, 0.2) for _ in range(200)]
    for number, seconds in enumerate(times):

        def late(number: int = number) -> None:
            assert number not in came
            came[number] = time.monotonic() - began
            if len(came) == len(times):
                last.set()

        deadlines.set(number, seconds, late)
    assert last.wait(5)
    assert all(came[number] >= seconds for number, seconds in enumerate(times))


def test_an_earlier_deadline_wakes_and_a_replaced_or_dropped_one_never_comes() -> None:
    deadlines, came, over = Deadlines(), list[str](), threading.Event()
    deadlines.set("far", 100.0, lambda: came.append("far"))
    deadlines.set("replaced", 0.01, lambda: came.append("replaced"))
    deadlines.set("replaced", 0.02, lambda: came.append("second"))
    deadlines.set("dropped", 0.01, lambda: came.append("dropped"))
    deadlines.drop("dropped")
    deadlines.drop("never set")
    deadlines.set("last", 0.05, over.set)
    assert over.wait(5)
    assert came == ["second"]
