"""The importer as a process that goes on until it is told to end, and what must have come of it."""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tests.conftest import TOKENS, Done, command, environment
from tests.faults.common import SOAK
from tests.faults.test_crash import wait_for
from tests.oracle import Oracle
from tests.runs.commands.test_import import adds_up
from tests.runs.reading.live.load import VISITORS, Load
from tests.runs.reading.live.logrotate import Rotation, written

ROTATIONS = 10 if SOAK else 3
FLUSH_AFTER = 1
GRACE = 30
PATIENCE = 60
"""Seconds in which a busy machine has done what an idle one does in three."""


def oracle() -> Oracle:
    """What keeps the numbers of a load."""
    return Oracle(visitors=VISITORS)


def options(url: str, folder: Path) -> Sequence[object]:
    """What every import of these tests is given."""
    return ("import", "--url", url, "--idsite", 1, "--json", "--state-dir", folder / "state")


class Follower:
    """`log-importer import --follow`, or what else reads on and on."""

    def __init__(self, folder: Path, line: Sequence[str], stdin: int | IO[bytes] = subprocess.DEVNULL) -> None:
        self._out, self._err = (folder / "follower.out").open("wb+"), (folder / "follower.err").open("wb+")
        variables = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser, "PYTHONFAULTHANDLER": "1"}
        self.process = subprocess.Popen(
            line, cwd=folder, env=environment(folder, variables),
            stdin=stdin, stdout=self._out, stderr=self._err,
        )  # fmt: skip

    def stop(self) -> Done:
        """Ends it as systemd does; it drains within its grace and says that it was interrupted."""
        assert self.process.poll() is None, self.said()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # the interpreter says where each thread is
            self.process.wait()
            raise AssertionError(self.said()) from None
        done = self.wait()
        assert done.code == 143, done
        return done

    def wait(self) -> Done:
        """Waits for its end."""
        self.process.wait(PATIENCE)
        done = self.said()
        assert "Traceback" not in done.err, done
        assert adds_up(json.loads(done.out)), done
        return done

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def said(self) -> Done:
        """What it has said so far."""
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read().decode())
        return Done(self.process.returncode, *texts)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._out.close()
        self._err.close()


@contextlib.contextmanager
def following(url: str, folder: Path, *more: object) -> Iterator[Follower]:
    """The importer follows `folder/access.log`."""
    times = ("--flush-after", FLUSH_AFTER, "--grace", GRACE)
    one = Follower(folder, command(*options(url, folder), "--follow", *times, *more, folder / "access.log"))
    try:
        yield one
    finally:
        one.end()


def await_all(stored: Oracle, log: Path) -> None:
    """Waits until all that lies in the files is stored."""
    numbers = list(written(log))
    end = time.monotonic() + PATIENCE
    while stored.missing(numbers) and time.monotonic() < end:
        time.sleep(0.1)


def await_more(stored: Oracle, follower: Follower | None = None) -> None:
    """Waits until something more is stored, as long as the importer runs."""
    before = len(stored.stored)
    wait_for(lambda: len(stored.stored) > before or (follower is not None and follower.ended), PATIENCE)
    assert len(stored.stored) > before, follower and follower.said()


def check(stored: Oracle, requests: Load, rotation: Rotation, in_order: bool = True) -> None:
    """The oracle: all that lies in the files is stored once, in order, and nothing that nobody asked for.

    Where the rotation itself loses nothing, so is every request that was answered: also one whose line the server has
    written to a file that was compressed and deleted before, as it does where a busy machine makes a request slow.
    """
    files = written(rotation.writer.log)
    assert set(files.values()) == {1}
    assert stored.missing(list(files)) == []
    assert stored.repeated() == {}
    assert not in_order or stored.out_of_order() == []
    assert set(stored.stored) - set(requests.answered) - set(requests.unsure) == set()
    if not rotation.lossy:
        assert set(requests.answered) - set(stored.stored) == set()
