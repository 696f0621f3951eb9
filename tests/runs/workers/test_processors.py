"""Where an import runs: the threads of the coordinator on one processor, workers on all, also one that is replaced."""

import bz2
import lzma
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from log_importer.runs.workers.processors import on_one, processors
from tests.conftest import TOKENS, command, environment
from tests.fault_server import Posted, Told, good, serve
from tests.faults.test_crash import alive, wait_for, workers
from tests.oracle import line


def places(pid: int) -> list[set[int]]:
    """The processors that each thread of a process may be on."""
    return [os.sched_getaffinity(int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()]


def slow(posted: Posted) -> Told:
    told = good(posted)
    told.delay = 0.1 if "/index.php" not in posted.path else 0
    return told


@contextmanager
def importing(folder: Path, pack: Callable[[bytes], bytes] = bytes) -> Iterator[int]:
    """An import of some chunks, which has posted something: its process id."""
    (folder / "a.log").write_bytes(pack(b"".join(map(line, range(120_000)))))
    with serve() as server:
        server.script = slow
        given = command("import", "--url", server.url, "--idsite", 1, "--workers", 2, "--state-dir", "state", "a.log")
        with subprocess.Popen(
            given, cwd=folder, env=environment(folder, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin}),
            stdout=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                wait_for(lambda: server.bulk)
                yield process.pid
            finally:
                process.terminate()
                process.wait(30)


def test_threads_share_a_processor_and_workers_have_all(tmp_path: Path) -> None:
    everywhere = os.sched_getaffinity(0)
    with importing(tmp_path) as coordinator:
        one, *others = places(coordinator)
        assert len(one) == 1
        assert len(others) > 16, "those that post, that of the ledger, and more"
        assert all(other == one for other in others)
        first, second = workers(coordinator)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not alive(first) and len(set(workers(coordinator)) - {first}) == 2)
        for worker in set(workers(coordinator)) - {first}:
            wait_for(lambda pid=worker: places(pid) == [everywhere] * len(places(pid)))
        assert alive(second)


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_who_decompresses_for_long_leaves_the_others_their_processor(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    with importing(tmp_path, pack) as coordinator:
        reading, *others = places(coordinator)
    assert reading == os.sched_getaffinity(0)
    assert [len(other) for other in others].count(1) > 16  # all but those that hand chunks over


def test_who_comes_back_from_one_processor_has_all_of_them() -> None:
    before = os.sched_getaffinity(0)
    with on_one():
        assert len(os.sched_getaffinity(0)) == 1
        assert os.sched_getaffinity(0) <= processors()
    assert os.sched_getaffinity(0) == before == processors()
