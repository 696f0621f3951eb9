"""log-importer under strace, which kills it at a system call or has the call fail, as a machine would."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import TOKENS, Done, command, environment, missing


def needs_strace() -> None:
    """Skips, or fails where nothing may be skipped, without a strace that may trace."""
    if not shutil.which("strace") or subprocess.run(["strace", "-qq", "true"], capture_output=True).returncode:
        missing("strace that may trace")


def traced(folder: Path, inject: str, *given: object, timeout: float = 60, **more: str) -> Done:
    """The command with strace's `inject`; the calls it traced are in `folder/trace`."""
    call = inject.partition(":")[0]
    trace = ["-f", "-y", "-s", "0", "-o", "trace", "-e", f"trace=pwrite64,fdatasync,{call}", "-e", f"inject={inject}"]
    variables = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser} | more
    done = subprocess.run(
        ["strace", *trace, *command(*given)], cwd=folder, env=environment(folder, variables), timeout=timeout,
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    result = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in result.err, result.err
    return result


def calls(folder: Path) -> Iterator[str]:
    """The calls of the trace, each whole and where it ended, also when another thread came between."""
    begun: dict[str, str] = {}
    for line in (folder / "trace").read_text().splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>").rstrip()
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            yield begun.pop(thread, "") + resumed[1]
        else:
            yield call


def lose_power(folder: Path) -> int:
    """Cuts off the ledger's log of changes what was written to it after it was last synced; bytes cut off."""
    first: dict[Path, int] = {}
    for call in calls(folder):
        written = re.search(r"pwrite64\(\d+<(.+-wal)>, .*, (\d+)\) += \d+$", call)
        synced = re.search(r"fdatasync\(\d+<(.+-wal)>\) += 0$", call)
        if written:
            first[Path(written[1])] = min(int(written[2]), first.get(Path(written[1]), int(written[2])))
        if synced:
            first.pop(Path(synced[1]), None)
    lost = 0
    for log, length in first.items():
        lost += log.stat().st_size - length
        with log.open("r+b") as file:
            file.truncate(length)
    return lost
