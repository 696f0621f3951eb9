"""Imports on a real Spark cluster: they store what one machine does, whatever dies in the middle."""

import contextlib
import gzip
import json
import os
import random
import shlex
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from log_importer.sources.shared_folder import open_shared
from log_importer.sources.shared_folder.leased import Leased, LeaseLost
from tests.conftest import TOKENS, Run
from tests.fault_server import serve
from tests.faults.common import soak
from tests.faults.test_merge import stored
from tests.oracle import Oracle, lines
from tests.runs.cluster.cluster import Cluster, kill_tree, running
from tests.runs.test_shard import forty_files, summed
from tests.sources.remote.s3 import S3
from tests.test_docs import command_lines

TOKEN = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}
LINES, VISITORS = 12_000, 3000
RESENT = ("--recorder-max-payload-size", 200, "--in-doubt", "resend")

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("spark")]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running(tmp_path) as found:
        yield found


def ended(process: subprocess.Popen[bytes], timeout: float = 300) -> tuple[int, Any, str]:
    """Exit code, summary and messages of an import."""
    out, error = process.communicate(timeout=timeout)
    text = error.decode()
    assert "Traceback" not in text, text
    return process.returncode, json.loads(out) if out else None, text


def test_the_cluster_stores_what_one_machine_does_row_for_row(
    cluster: Cluster, run: Run, tmp_path: Path, receive: Any
) -> None:  # fmt: skip
    names = forty_files(tmp_path)
    one, other = receive(tmp_path / "one.sqlite3"), receive(tmp_path / "other.sqlite3")
    alone = run("import", "--json", "--url", one.url, "--idsite", 1, *names, timeout=200, **TOKEN)
    code, summary, error = ended(cluster.start(other.url, *names))
    assert (code, alone.code) == (1, 1), error  # one file is cut short
    visits, actions = stored(tmp_path / "one.sqlite3")
    assert len(actions) > 5000
    assert stored(tmp_path / "other.sqlite3") == (visits, actions)
    assert summed([summary]) == summed([alone.summary])
    incomplete = [source["source"] for source in summary["sources"] if source["incomplete"]]
    assert incomplete == [source["source"] for source in alone.summary["sources"] if source["incomplete"]]
    (tmp_path / names[-1]).write_bytes((tmp_path / names[-1]).read_bytes() + more(tmp_path / names[-1]))
    code, again, error = ended(cluster.start(other.url, *names))
    assert (again["tracked"], again["known_lines"], code) == (3, summary["lines"], 1), error


def more(path: Path) -> bytes:
    """Three hits that a log has grown by."""
    last = path.read_bytes().splitlines(keepends=True)[0]
    return b"".join(last.replace(b"GET /", b"GET /new%d/" % number) for number in range(3))


def in_flight(shared: Path) -> Counter[int]:
    """Number of a line, from 0 -> how often the lanes' records say that it was posted without an answer."""
    found: Counter[int] = Counter()
    text = lines(range(LINES), VISITORS)
    starts = {0: 0}
    at = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        at += len(line)
        starts[at] = number
    for lane in shared.glob("*/lanes/*"):
        records = sorted(path for path in lane.iterdir() if not path.name.startswith("."))
        for _, offset, times, _ in orjson.loads(records[-1].read_bytes())["open"] if records else ():
            found[starts[offset]] += times
    return found


def posting(oracle: Oracle, process: subprocess.Popen[bytes], hits: int) -> None:
    """Waits until so many hits are stored, and a post is under way."""
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        if len(oracle.stored) >= hits and oracle._posts:
            return
        time.sleep(0.005)
    assert process.stderr is not None
    raise AssertionError((process.poll(), len(oracle.stored), process.stderr.read()[-2000:]))


def test_executors_that_are_killed_while_they_post_lose_nothing_and_what_may_be_twice_is_listed(
    cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(lines(range(LINES), VISITORS))
    oracle = Oracle(seconds_per_hit=0.004, visitors=VISITORS)
    chance = random.Random("executors")
    with serve(oracle) as server:
        process = cluster.start(server.url, *RESENT, "--max-senders", 4, "a.log")
        for killed in range(3):
            posting(oracle, process, (killed + 1) * LINES // 5)
            executor = chance.choice(cluster.executors())
            if killed == 1:
                os.kill(executor, signal.SIGKILL)  # its Python processes find out by themselves
            else:
                kill_tree(executor)
        code, summary, error = ended(process)
    held = summary["in_doubt"]  # what was in flight twice
    assert (code, len(oracle.missing(range(LINES))) <= held) == (int(held > 0), True), error
    assert oracle.out_of_order() == []
    listed = Counter(number - 1 for number in summary["in_flight"]["a.log"])
    assert 0 < len(listed) <= 3 * 4 * 200
    assert {line: times for line, times in oracle.repeated().items() if times > min(1, listed[line])} == {}
    assert (summary["tracked"] + held, summary["maybe_twice"], summary["pending"]) == (LINES, len(listed), 0)


def take_a_lane(shared: Path) -> None:
    """Does what a task does that Spark begins once more elsewhere: takes over a lane that is being posted."""
    (job,) = (path.parent for path in shared.glob("*/lanes"))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for lane in sorted((job / "lanes").iterdir()):
            record = Leased(open_shared(str(job)), f"lanes/{lane.name}")
            found = orjson.loads(record.latest() or b"{}")
            if found.get("open") and not found["complete"]:
                with contextlib.suppress(LeaseLost):  # its task was quicker
                    record.write(orjson.dumps(found | {"owner": "another task"}))
                    return
    raise AssertionError("no lane is being posted")


def test_a_lane_that_was_taken_from_its_task_is_done_all_the_same(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(lines(range(LINES), VISITORS))
    oracle = Oracle(seconds_per_hit=0.002, visitors=VISITORS)
    with serve(oracle) as server:
        process = cluster.start(server.url, *RESENT, "--max-senders", 2, "a.log")
        posting(oracle, process, LINES // 4)
        take_a_lane(tmp_path / "shared")
        code, summary, error = ended(process)
    assert (code, oracle.missing(range(LINES)), oracle.out_of_order()) == (0, [], []), error
    listed = Counter(number - 1 for number in summary.get("in_flight", {}).get("a.log", ()))
    assert {line: times for line, times in oracle.repeated().items() if times > listed[line]} == {}
    assert (summary["tracked"], summary["maybe_twice"], summary["pending"]) == (LINES, len(listed), 0)


@pytest.mark.parametrize("in_doubt", ["resend", pytest.param("hold", marks=soak)])
def test_a_driver_that_is_killed_goes_on_where_it_was_when_it_is_run_again(
    in_doubt: str, cluster: Cluster, run: Run, tmp_path: Path
) -> None:  # fmt: skip
    (tmp_path / "a.log").write_bytes(lines(range(LINES), VISITORS))
    oracle = Oracle(seconds_per_hit=0.004, visitors=VISITORS)
    options = ("--recorder-max-payload-size", 200, "--max-senders", 2, "--in-doubt", in_doubt, "a.log")
    with serve(oracle) as server:
        process = cluster.start(server.url, *options)
        posting(oracle, process, LINES // 3)
        kill_tree(process.pid)
        process.communicate()
        for executor in cluster.executors():
            kill_tree(executor)
        while oracle._posts:
            time.sleep(0.01)
        flying = in_flight(tmp_path / "shared")
        state = run("status", "--shared-dir", "shared", "--json").summary
        assert ["a run of 1 sources is under way or unfinished" in one for one in state["unfinished"]] == [True]
        assert 0 < len(flying) <= 2 * 200
        before = len(oracle.stored)
        other = ended(cluster.start(server.url, *options, "--add-to-date", 1))
        assert (other[0], other[1]["lines"]) == (2, 0), other
        assert "had other options" in other[2]
        assert len(oracle.stored) == before
        code, summary, error = ended(cluster.start(server.url, *options))
        again = ended(cluster.start(server.url, *options))
        held = run("status", "--shared-dir", "shared", "--json").summary["jobs"][0]["sources"][0]["held"]
        missing = oracle.missing(range(LINES))
        sent = run("retry", "--shared-dir", "shared", "--json", "--url", server.url, **TOKEN)
        nothing = run("retry", "--shared-dir", "shared", "--url", server.url, **TOKEN)
    assert (nothing.code, "Nothing waits" in nothing.err, oracle.missing(range(LINES))) == (0, True, [])
    if in_doubt == "resend":
        assert (code, oracle.missing(range(LINES)), summary["tracked"]) == (0, [], LINES), error
        assert {line: times for line, times in oracle.repeated().items() if times > flying[line]} == {}
        assert summary["maybe_twice"] == len(flying)
    else:
        assert (code, summary["in_doubt"]) == (1, len(flying)), error
        assert set(missing) <= set(flying) == {one["line"] - 1 for one in held}
        assert (sent.code, sent.summary["tracked"]) == (0, len(flying))
    assert sorted(summary["in_flight"]["a.log"]) == sorted(number + 1 for number in flying)
    assert oracle.out_of_order() == []
    assert (again[1]["tracked"], again[1]["known_lines"]) == (0, LINES)


def test_logs_and_progress_in_an_object_store_by_spark_submit(
    cluster: Cluster, run: Run, tmp_path: Path, receive: Any, s3: S3
) -> None:  # fmt: skip
    names = forty_files(tmp_path)[:12]
    for name in names:
        s3.put(f"2026/{name.removesuffix('.gz')}.gz", (tmp_path / name).read_bytes())
    one, other = receive(tmp_path / "one.sqlite3"), receive(tmp_path / "other.sqlite3")
    alone = run("import", "--json", "--url", one.url, "--idsite", 1, *names, timeout=200, **TOKEN)
    progress = s3.url("progress")
    code, summary, error = ended(cluster.submit(other.url, s3.url("2026/*"), shared=progress, env=s3.env))
    assert (code, alone.code) == (1, 1), error
    assert summed([summary]) == summed([alone.summary])
    assert stored(tmp_path / "other.sqlite3") == stored(tmp_path / "one.sqlite3")
    s3.put("2026/more.log.gz", gzip.compress(lines(range(10))))
    (readme,) = [line for line in command_lines() if "--spark" in line]
    for theirs, mine in {
        "spark://master:7077": cluster.master, "s3://my-bucket/progress": progress, "s3://my-logs/": s3.url(),
        "https://matomo.example.org": other.url,
    }.items():  # fmt: skip
        assert theirs in readme
        readme = readme.replace(theirs, mine)
    process = cluster.run(*shlex.split(readme)[1:], "--json", env=s3.env)
    code, summary, error = ended(process)
    assert (code, summary["tracked"], summary["known_lines"]) == (1, 10, alone.summary["lines"]), error


def test_two_drivers_of_a_job_are_kept_apart_and_a_signal_ends_one_in_good_order(
    cluster: Cluster, tmp_path: Path
) -> None:  # fmt: skip
    (tmp_path / "a.log").write_bytes(lines(range(LINES), VISITORS))
    oracle = Oracle(seconds_per_hit=0.02, visitors=VISITORS)
    options = (*RESENT, "--max-senders", 2, "--grace", 2, "a.log")
    with serve(oracle) as server:
        process = cluster.start(server.url, *options)
        posting(oracle, process, 100)
        code, _, error = ended(cluster.start(server.url, *options))
        assert (code, "Another run of this job is under way" in error) == (6, True), error
        process.send_signal(signal.SIGTERM)
        code, summary, error = ended(process)
        assert code == 143, error
        while oracle._posts:
            time.sleep(0.01)
        tracked, doubted = summary["tracked"], summary["in_doubt"]  # nobody waits for a server for ever
        assert 0 < tracked <= len(oracle.stored) <= tracked + doubted < LINES
        assert doubted <= 2 * 200
        assert summary["lines"] == LINES == tracked + doubted + summary["pending"]
        oracle.seconds_per_hit = 0.0
        code, summary, error = ended(cluster.start(server.url, *options))
    assert (code, summary["tracked"], oracle.missing(range(LINES))) == (0, LINES, []), error
    assert summary["maybe_twice"] == doubted
    assert {line + 1 for line in oracle.repeated()} <= set(summary.get("in_flight", {}).get("a.log", ()))
