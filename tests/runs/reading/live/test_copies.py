"""A rotated file may lack lines that were read of its original, and bear a time before its last lines."""

import gzip
import os
import re
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import Done
from tests.fault_server import serve
from tests.faults.test_crash import wait_for
from tests.oracle import Oracle, lines
from tests.runs.reading.live.follower import Follower, await_more, following, oracle
from tests.runs.reading.live.logrotate import Rotation
from tests.runs.reading.live.servers import Writer, ground, have


def append(log: Path, numbers: range) -> None:
    with log.open("ab") as file:
        file.write(lines(numbers))


def await_stored(stored: Oracle, numbers: range, follower: Follower) -> None:
    """Waits until these are stored."""
    while stored.missing(numbers):
        await_more(stored, follower)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("ended", [False, True], ids=["by one run", "by the next run"])
def test_what_was_read_between_the_copy_and_the_cut_does_not_make_the_copy_new(ended: bool) -> None:
    """`copytruncate` brings the copy to the disk before it cuts, and of a large log that takes a while."""
    stored = oracle()
    with serve(stored) as tracker, ground() as folder:
        log = folder / "access.log"
        append(log, range(100))
        with following(tracker.url, folder) as follower:
            await_stored(stored, range(100), follower)
            shutil.copy(log, folder / "access.log.1")
            append(log, range(100, 110))
            await_stored(stored, range(110), follower)
            if not ended:
                os.truncate(log, 0)
                append(log, range(110, 120))
                await_stored(stored, range(120), follower)
            done = follower.stop()
        if ended:
            os.truncate(log, 0)
            append(log, range(110, 120))
        done = goes_on(stored, tracker.url, folder)
    assert sorted(stored.stored) == list(range(130)), done


@pytest.mark.timeout(120)
def test_what_was_written_to_a_log_after_it_was_compressed_does_not_make_the_compressed_one_new() -> None:
    """`compress` without `delaycompress`, and a server that is slow to let go of its log."""
    stored = oracle()
    with serve(stored) as tracker, ground() as folder:
        log, old = folder / "access.log", folder / "access.log.1"
        append(log, range(100))
        with following(tracker.url, folder) as follower, log.open("ab") as server:
            await_stored(stored, range(100), follower)
            log.rename(old)
            (folder / "access.log.1.gz").write_bytes(gzip.compress(old.read_bytes()))
            old.unlink()
            server.write(lines(range(100, 110)))
            server.flush()
            append(log, range(110, 120))
            await_stored(stored, range(120), follower)
            follower.stop()
        done = goes_on(stored, tracker.url, folder)
    assert sorted(stored.stored) == list(range(130)), done


@pytest.mark.timeout(120)
def test_a_compressed_log_that_bears_a_time_before_its_last_lines_is_read() -> None:
    """logrotate gives it the time that the log had before the server wrote its last lines to it."""
    have("logrotate")
    stored = oracle()
    with serve(stored) as tracker, ground() as folder:
        log, late = folder / "access.log", folder / "late"
        append(log, range(100))
        with following(tracker.url, folder) as follower:
            await_stored(stored, range(100), follower)
            log.rename(folder / "access.log-20260301")
            log.touch()  # and nothing comes before the next rotation
            time.sleep(3)
            follower.stop()
        now = f"[{datetime.now(UTC):%d/%b/%Y:%H:%M:%S} +0000]".encode()
        late.write_bytes(re.sub(rb"\[.*?\]", now, lines(range(100, 120))))
        writer = Writer("late", folder, 0, f"cat {late} >> {log}.1")
        Rotation(writer, "create, compressed at once").rotate()
        done = goes_on(stored, tracker.url, folder)
    assert sorted(stored.stored) == list(range(130)), done


def goes_on(stored: Oracle, url: str, folder: Path) -> Done:
    """A run that stores ten lines more, and what else there is."""
    with following(url, folder) as follower:
        append(folder / "access.log", range(120, 130))
        await_stored(stored, range(120, 130), follower)
        with suppress(AssertionError):
            wait_for(lambda: not stored.missing(range(130)), 3)
        return follower.stop()
