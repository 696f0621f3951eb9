"""Where an import runs: all threads of the coordinator on one processor, workers on all, also one that is replaced."""

import os
import signal
import subprocess
from pathlib import Path

from log_importer.processors import on_one, processors
from tests.conftest import TOKENS, command, environment
from tests.fault_server import Posted, Told, good, serve
from tests.oracle import line
from tests.test_crash import alive, wait_for, workers


def places(pid: int) -> list[set[int]]:
    """The processors that each thread of a process may be on."""
    return [os.sched_getaffinity(int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()]


def slow(posted: Posted) -> Told:
    told = good(posted)
    told.delay = 0.1 if "/index.php" not in posted.path else 0
    return told


def test_threads_share_a_processor_and_workers_have_all(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"".join(map(line, range(120_000))))  # some chunks
    everywhere = os.sched_getaffinity(0)
    with serve() as server:
        server.script = slow
        given = command("import", "--url", server.url, "--idsite", 1, "--workers", 2, "--state-dir", "state", "a.log")
        with subprocess.Popen(
            given, cwd=tmp_path, env=environment(tmp_path, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin}),
            stdout=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                wait_for(lambda: server.bulk)
                one, *others = places(process.pid)
                assert len(one) == 1
                assert len(others) > 16, "those that post, that of the ledger, and more"
                assert all(other == one for other in others)
                first, second = workers(process.pid)
                os.kill(first, signal.SIGKILL)
                wait_for(lambda: not alive(first) and len(set(workers(process.pid)) - {first}) == 2)
                for worker in set(workers(process.pid)) - {first}:
                    wait_for(lambda pid=worker: places(pid) == [everywhere] * len(places(pid)))
                assert alive(second)
            finally:
                process.terminate()
                process.wait(30)


def test_who_comes_back_from_one_processor_has_all_of_them() -> None:
    before = os.sched_getaffinity(0)
    with on_one():
        assert len(os.sched_getaffinity(0)) == 1
        assert os.sched_getaffinity(0) <= processors()
    assert os.sched_getaffinity(0) == before == processors()
