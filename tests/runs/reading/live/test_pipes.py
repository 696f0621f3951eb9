"""Who leads a log through a pipe: Apache, rsyslog, tail. Every line is stored once, each visitor's in order."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import Done, command
from tests.fault_server import serve
from tests.faults.common import SOAK
from tests.faults.test_crash import wait_for
from tests.oracle import Oracle, lines
from tests.runs.reading.live.follower import FLUSH_AFTER, PATIENCE, Follower, await_all, await_more, options, oracle
from tests.runs.reading.live.load import load
from tests.runs.reading.live.logrotate import moments, written
from tests.runs.reading.live.servers import apache, ground, have, running
from tests.runs.reading.test_spooled import takes_or_holds
from tests.sample_servers.process import free_port
from tests.test_deploy import DEPLOY, placed, shell
from tests.web_servers.servers import Server
from tests.web_servers.visit import started

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads /proc"),
]

LINES = 20_000 if SOAK else 2_000
RESTARTS = 10 if SOAK else 2


def placed_here(name: str, folder: Path, url: str) -> str:
    """A file of deploy/ with this machine's paths in it."""
    text = placed((DEPLOY / name).read_text(), folder, url)
    text = text.replace("/var/spool/log-importer", str(folder / "spool"))
    return text.replace("/usr/local/bin/log-importer", str(Path(sys.executable).with_name("log-importer")))


def importers(folder: Path) -> list[int]:
    """The importers that somebody started with the settings of this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"import" in words and os.fsencode(folder / "log-importer.toml") in words:
                found.append(int(entry.name))
    return found


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Whoever started importers here has ended when the block has, and they are given the time to end, too."""
    try:
        yield
        with suppress(AssertionError):
            wait_for(lambda: not importers(folder), PATIENCE)
    finally:
        for pid in importers(folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def drain(name: str, folder: Path, url: str) -> Done:
    """A last run with nothing on standard input: it sends what is left in the spool."""
    (job,) = [word for word in ("apache", "syslog") if f"--job {word} " in (DEPLOY / name).read_text()]
    line = f"log-importer import --config /etc/log-importer.toml --job {job} --spool {folder}/spool - </dev/null"
    return shell(line, folder, url)


def check(stored: Oracle, numbers: list[int]) -> None:
    """Each of these is stored once, in order, and nothing else."""
    check_once(stored, numbers)
    assert stored.out_of_order() == []


def check_once(stored: Oracle, numbers: list[int]) -> None:
    """Each of these is stored once, and nothing else."""
    assert stored.missing(numbers) == []
    assert stored.repeated() == {}
    assert len(stored.stored) == len(numbers)


@pytest.mark.timeout(240)
def test_what_apache_writes_into_a_pipe_is_stored_across_restarts() -> None:
    have("apache")
    stored = oracle()
    with serve(stored) as tracker, ground() as folder:
        log = f"CustomLog {folder}/access.log combined"  # beside the pipe, to compare with
        server, restart = apache(folder, f"{log}\n{placed_here('apache-piped.conf', folder, tracker.url)}")
        with alone(folder), started(server, folder), load(server.port) as requests:
            await_more(stored)
            for _ in range(RESTARTS):
                assert shell(restart, folder, tracker.url).code == 0
                time.sleep(1)
                # Until a process runs its first lines, a signal ends it, and what is in its pipe is lost with it.
                wait_for(lambda: all(takes_or_holds(pid, signal.SIGTERM) for pid in importers(folder)), PATIENCE)
            requests.stop()
        done = drain("apache-piped.conf", folder, tracker.url)
        assert done.code == 0, done
        assert list((folder / "spool").glob("spool-*")) == []
        files = written(folder / "access.log")
        assert set(requests.answered) - set(files) == set()
        check_once(stored, list(files))
        # For a moment two generations of Apache's processes write, each into a pipe of its own: which of two lines of
        # the same second came first, nothing tells.
        times = moments(folder / "access.log")
        assert [pair for pair in stored.out_of_order() if times[pair[0]] > times[pair[1]] + 1] == []


def rsyslogd(folder: Path, url: str) -> Server:
    """Debian's rsyslog, listening for TCP, with the snippet of deploy/."""
    port, file = free_port(), folder / "rsyslog.conf"
    file.write_text(f"""
global(workDirectory="{folder}")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{port}")
{placed_here("rsyslog.conf", folder, url)}
if $programname == "nginx" then action(type="omfile" file="{folder}/others.log")
""")
    command = ["rsyslogd", "-n", "-f", str(file), "-i", str(folder / "rsyslog.pid")]
    return Server([command], port, "others.log")


def by_syslog(port: int, data: bytes) -> None:
    """As nginx sends its log to a server of syslog."""
    head = b"<190>Mar  1 10:00:00 web nginx: "
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"".join(head + line + b"\n" for line in data.splitlines()))


@pytest.mark.timeout(240)
def test_what_rsyslog_hands_on_is_stored_across_a_restart() -> None:
    have("rsyslogd")
    stored = oracle()
    with serve(stored) as tracker, ground() as folder:
        for half in (range(LINES // 2), range(LINES // 2, LINES)):
            server = rsyslogd(folder, tracker.url)
            with alone(folder), started(server, folder):
                by_syslog(server.port, lines(half))
                with suppress(AssertionError):
                    wait_for(lambda half=half: not stored.missing(half), PATIENCE)
        done = drain("rsyslog.conf", folder, tracker.url)
        assert done.code == 0, done
        assert list((folder / "spool").glob("spool-*")) == []
        assert not (folder / "others.log").exists(), "the lines go no further"
    check(stored, list(range(LINES)))


@contextmanager
def tailing(log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`tail -n 0 -F`, once it has the file open."""
    with subprocess.Popen(["tail", "-n", "0", "-F", str(log)], stdout=subprocess.PIPE, cwd="/") as tail:
        try:
            wait_for(lambda: str(log) in map(os.path.realpath, Path(f"/proc/{tail.pid}/fd").iterdir()))
            yield tail
        finally:
            tail.kill()


@pytest.mark.timeout(120)
def test_what_tail_reads_is_stored_as_it_comes_and_the_rest_when_tail_ends() -> None:
    have("nginx", "tail")
    stored = oracle()
    with serve(stored) as tracker, running("nginx") as writer, tailing(writer.log) as tail:
        line = command(*options(tracker.url, writer.folder), "--flush-after", FLUSH_AFTER, "-")
        assert tail.stdout is not None
        follower = Follower(writer.folder, line, tail.stdout)
        try:
            with load(writer.port) as requests:
                await_more(stored, follower)
                time.sleep(2)
                requests.stop()
                await_all(stored, writer.log)
                tail.terminate()
                done = follower.wait()
        finally:
            follower.end()
        files = written(writer.log)
        assert sorted(requests.answered) == sorted(files)
        check(stored, list(files))
    assert (done.code, done.summary["tracked"]) == (0, len(files)), done
