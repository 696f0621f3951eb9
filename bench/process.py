"""A command run to its end, to its limit, or to the moment it is killed."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from tests.conftest import environment


class Ended(NamedTuple):
    """How a command ended; `code` is `None` where it had not by its limit."""

    code: int | None
    out: str
    err: str
    seconds: float


def run_process(
    line: Sequence[str], folder: Path, *, limit: float, kill_at: threading.Event | None = None, **variables: str
) -> Ended:
    """Runs it in `folder`, at home there; kills it when `kill_at` is set, and what is left of it at the end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:  # pipes could fill up
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - the caller's command is the purpose
            line, cwd=folder, env=environment(folder, variables), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            start_new_session=True,  # so that its workers can be ended with it
        )  # fmt: skip
        try:
            while (code := process.poll()) is None and time.monotonic() - began < limit:
                if kill_at is not None and kill_at.is_set():
                    process.kill()
                    code = process.wait()
                    break
                time.sleep(0.005)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seconds = time.monotonic() - began
        return Ended(code, _read(out), _read(err), seconds)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
