"""One run of a command: its wall and processor time, that of its first process, and the most memory of all of them."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """Seconds and bytes; all processes together, but for `first`."""

    seconds: float
    cpu: float
    first: float  # processor time of the command's own process
    peak: int  # proportional set size, 0 where it was not watched
    out: str


def measured(
    line: Sequence[str], folder: Path, *, watch: bool = False, cores: Sequence[int] = (), **variables: str
) -> Measured:
    """Runs a command to its end, on these cores where there are any; raises `RuntimeError` where it fails.

    Memory is looked at twenty times a second, which costs time; so what is timed is not watched.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - the caller's command is the purpose
            [*pinned(cores), *line], cwd=folder, env=_environment() | variables, stdin=subprocess.DEVNULL,
            stdout=out, stderr=err,
        )  # fmt: skip
        watcher = _Watcher(process.pid, memory=watch)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        watcher.stop()
        for file in (out, err):
            file.seek(0)
        if process.returncode:
            raise RuntimeError(f"{line}: {process.returncode}: {err.read().decode(errors='replace')[-2000:]}")
        cpu = usage.ru_utime + usage.ru_stime
        return Measured(seconds, cpu, watcher.first, watcher.peak, out.read().decode(errors="replace"))


def _environment() -> dict[str, str]:
    """Ours, where compiled modules are kept, as those of an installed package are."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def pinned(cores: Sequence[int]) -> Sequence[str]:
    """What stands before a command that is to run on these cores."""
    return ["taskset", "-c", ",".join(map(str, cores))] if cores else []


class _Watcher:
    """Looks at a process and those that it started."""

    def __init__(self, pid: int, *, memory: bool) -> None:
        self.peak = 0
        self.first = 0.0
        self._pid = pid
        self._memory = memory
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            with suppress(OSError, ValueError, IndexError):
                fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
                self.first = max(self.first, (int(fields[11]) + int(fields[12])) / _TICK)
            if self._memory:
                self.peak = max(self.peak, sum(map(_held, _family(self._pid))))


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with suppress(OSError):
            found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return found


def _held(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/smaps_rollup").read_text().partition("\nPss:")[2].split()[0]) << 10
    return 0
