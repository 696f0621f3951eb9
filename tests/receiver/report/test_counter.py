"""The counts are made in the background: at once where somebody looks, else when nobody posts."""

import random
from contextlib import closing
from pathlib import Path

from log_importer.receiver import Receiver
from log_importer.receiver.report.counter import Counter
from log_importer.receiver.report.counting import behind, open_counts
from tests.conftest import GRANTS
from tests.faults.test_crash import wait_for
from tests.receiver.report.test_counting import hit, nobody, post


def left(store: Path) -> int:
    """How many actions are still to be counted."""
    with closing(open_counts(store)) as database:
        return behind(database)


def test_who_looks_sees_what_came_until_now(tmp_path: Path) -> None:
    store, chance = tmp_path / "db.sqlite3", random.Random(1)
    with Receiver(store, is_bot=nobody, search_engine=nobody, grants=GRANTS) as receiver:
        counter = Counter(store)
        for _ in range(3):
            post(receiver, [hit(chance).replace("idsite=2", "idsite=1") for _ in range(50)])
            counter.catch_up(30)
            assert left(store) == 0
        counter.stop()


def test_what_nobody_asks_for_is_counted_when_the_store_is_left_alone(tmp_path: Path) -> None:
    store, chance = tmp_path / "db.sqlite3", random.Random(2)
    with Receiver(store, is_bot=nobody, search_engine=nobody, grants=GRANTS) as receiver:
        post(receiver, [hit(chance).replace("idsite=2", "idsite=1") for _ in range(50)])
        assert left(store) > 0
        ready: list[int] = []
        counter = Counter(store, lambda: ready.append(left(store)))
        counter.start()
        wait_for(lambda: bool(ready), 20)
        counter.stop()
        assert ready[0] == 0, "and whatever is asked for first can be made ready"


def test_it_ends_while_there_is_more_to_be_counted(tmp_path: Path) -> None:
    store, chance = tmp_path / "db.sqlite3", random.Random(3)
    with Receiver(store, is_bot=nobody, search_engine=nobody, grants=GRANTS) as receiver:
        post(receiver, [hit(chance).replace("idsite=2", "idsite=1") for _ in range(50)])
        counter = Counter(store)
        counter.start()
        counter.stop()
        counter.stop()
