"""Real servers write, the real logrotate rotates, and an import follows: every request is stored once, in order."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TOKENS, Run
from tests.fault_server import Posted, Told, serve
from tests.faults.common import SOAK, door
from tests.runs.commands.test_import import adds_up
from tests.runs.reading.live.follower import ROTATIONS, await_all, await_more, check, following, options, oracle
from tests.runs.reading.live.load import load
from tests.runs.reading.live.logrotate import KINDS, Rotation, written
from tests.runs.reading.live.servers import WRITERS, have, running

pytestmark = pytest.mark.soak

ALL = [(name, kind) for kind in KINDS for name in WRITERS]
SOME = [
    ("apache", "create, compressed at the next"), ("nginx", "create, by date"),
    ("nginx", "copytruncate"), ("apache", "copytruncate, compressed at once"),
]  # fmt: skip
NIGHTS = 5
AWAY = ["connections are refused", "every answer is 503"]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("server", "kind"), ALL if SOAK else SOME)
def test_every_request_is_stored_once_while_its_log_is_rotated(server: str, kind: str) -> None:
    have("logrotate")
    stored = oracle()
    with (
        serve(stored) as tracker, running(server) as writer, load(writer.port) as requests,
        following(tracker.url, writer.folder) as follower,
    ):  # fmt: skip
        rotation = Rotation(writer, kind)
        await_more(stored, follower)
        for _ in range(ROTATIONS):
            rotation.rotate()
            time.sleep(rotation.pause)
        requests.stop()
        await_all(stored, writer.log)
        done = follower.stop()
        check(stored, requests, rotation)
        assert len(rotation.copies()) == ROTATIONS
    assert done.summary["tracked"] == len(stored.stored), done
    assert done.summary["pending"] == done.summary["rejected"] == 0, done


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("server", "kind"), ALL if SOAK else SOME[:3:2])
def test_an_import_that_is_ended_and_begun_again_between_rotations_goes_on(server: str, kind: str) -> None:
    """Of two rotations one meets it running, the other while it is away."""
    have("logrotate")
    stored = oracle()
    with serve(stored) as tracker, running(server) as writer, load(writer.port) as requests:
        rotation = Rotation(writer, kind)
        for _ in range((ROTATIONS + 1) // 2):
            with following(tracker.url, writer.folder) as follower:
                await_more(stored, follower)
                rotation.rotate()
                time.sleep(rotation.pause)
                follower.stop()
            rotation.rotate()
            time.sleep(rotation.pause)
        with following(tracker.url, writer.folder) as follower:
            await_more(stored, follower)
            requests.stop()
            await_all(stored, writer.log)
            follower.stop()
        check(stored, requests, rotation)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("away", AWAY if SOAK else AWAY[:1])
def test_what_was_written_while_the_server_was_away_arrives_when_it_is_back(away: str) -> None:
    have("logrotate")
    stored, busy = oracle(), threading.Event()

    def script(posted: Posted) -> Told:
        told = Told(503) if busy.is_set() else stored(posted)
        told.headers["Connection"] = "close"  # one that is kept alive would lead past a door that is shut
        return told

    with (
        serve(script) as tracker, door(tracker.url) as entrance, running("nginx") as writer,
        load(writer.port) as requests, following(entrance.url, writer.folder) as follower,
    ):  # fmt: skip
        rotation = Rotation(writer, "create, compressed at the next")
        await_more(stored, follower)
        if away == AWAY[0]:
            entrance.shut()
        else:
            busy.set()
        for _ in range(3):
            rotation.rotate()
            time.sleep(rotation.pause)
        before = len(stored.stored)
        assert stored.missing(list(written(writer.log))) != []
        busy.clear()
        if away == AWAY[0]:
            entrance.open()
        requests.stop()
        await_all(stored, writer.log)
        done = follower.stop()
        check(stored, requests, rotation)
    assert before < len(stored.stored) == done.summary["tracked"], done


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS if SOAK else ["create, compressed at the next"])
def test_nightly_runs_over_all_files_meet_rotations_and_send_every_request_once(
    kind: str, run: Run, tmp_path: Path
) -> None:
    have("logrotate")
    stored = oracle()
    with serve(stored) as tracker, running("nginx") as writer, load(writer.port) as requests:
        rotation = Rotation(writer, kind)
        for night in range(NIGHTS):
            with rotating(rotation):
                done = run(*options(tracker.url, tmp_path), f"{writer.log}*", LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser)
            assert done.code in (0, 1, 3), done  # a file that was named may be gone, or be half compressed
            assert adds_up(done.summary)
            assert night == 0 or len(stored.stored) > 0
        requests.stop()
        done = run(*options(tracker.url, tmp_path), f"{writer.log}*", LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser)
        assert (done.code, done.summary["pending"]) == (0, 0), done
        # What is renamed after the names were looked up is left to the next run, and its successor read in this one.
        check(stored, requests, rotation, in_order=False)


@contextlib.contextmanager
def rotating(rotation: Rotation) -> Iterator[None]:
    """The log is rotated again and again during the block."""
    over, failed = threading.Event(), list[BaseException]()

    def go() -> None:
        try:
            while not over.wait(rotation.pause):
                rotation.rotate()
        except BaseException as error:  # for the test's own thread
            failed.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert failed == []
