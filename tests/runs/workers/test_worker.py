"""Worker processes: those that were started early do what others do, and none is left."""

from multiprocessing import active_children

import pytest

from log_importer.model import Boundary, Chunk, Context, Site
from log_importer.runs.workers.worker import InProcess, Pool, WorkerPool, start_early, stop_early
from log_importer.settings.format_files import load_formats
from log_importer.translation.plan import Plan
from tests.conftest import SAMPLES

PLAN = Plan(Site(1, "https://www.example.org"), formats=load_formats())
DATA = (SAMPLES / "nginx-combined.log").read_bytes()


def made(pool: Pool) -> list[object]:
    """What a pool makes of some chunks."""
    pool.use(PLAN)
    found: list[object] = []
    for number in range(4):
        context = Context("combined", "", 1 + number, 0, 1_790_000_000.0)
        pool.submit(Chunk(0, DATA, context, Boundary(len(DATA), 1)))
        while pool.full:
            found.append(pool.next()[1])
    while pool.busy:
        found.append(pool.next()[1])
    return found


@pytest.mark.parametrize("early", [0, 1, 2, 3])
def test_those_that_were_started_early_do_what_others_do(early: int) -> None:
    start_early(early)
    try:
        assert len(active_children()) == early
        with WorkerPool(2) as pool:
            assert len(active_children()) == 2
            assert made(pool) == made(InProcess())
    finally:
        stop_early()
    assert active_children() == []


def test_those_that_no_pool_takes_are_ended() -> None:
    start_early(2)
    children = active_children()
    stop_early()
    assert [child.exitcode for child in children] == [0, 0]
