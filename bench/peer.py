"""Matomo's importer as Piwik PRO forked it: fetched from PyPI into an environment of its own and run as a process.

It is GPL software, so nothing of it is part of this project; it is here to be compared with.
"""

import fcntl
import re
import subprocess
import venv
from collections.abc import Iterable
from pathlib import Path
from threading import Event

from platformdirs import user_cache_path

from bench.process import Ended, run_process
from tests.fault_server import Posted, Told, told_json

PACKAGE, VERSION = "piwik-pro-log-analytics", "5.2.1"


class NoPeerError(Exception):
    """It cannot be installed here."""


def peer() -> Path:
    """Its executable, installed into the user's cache folder if it is not there yet."""
    try:
        cache = user_cache_path("log-importer-bench", ensure_exists=True)
        with (cache / f"{PACKAGE}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
            return _install(cache / f"{PACKAGE}-{VERSION}")
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise NoPeerError(f"{PACKAGE} {VERSION} to install: {said.strip().splitlines()[-1]}") from error


def _install(folder: Path) -> Path:
    executable, done = folder / "bin" / PACKAGE.replace("-", "_"), folder / "done"
    if not (done.exists() and executable.exists()):
        venv.create(folder, clear=True, symlinks=True, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        line = [*pip, "--retries", "1", f"{PACKAGE}=={VERSION}"]
        subprocess.run(line, check=True, capture_output=True, text=True)  # noqa: S603 - a fixed command
        done.touch()
    return executable


def run_peer(
    url: str, files: Iterable[object], *options: object, folder: Path, limit: float = 600, kill_at: Event | None = None
) -> Ended:
    """Imports `files` into the server at `url`, which must answer with `answer` what it asks of the API."""
    given = ("--url", url, "--idsite", 1, "--client-id", "id", "--client-secret", "secret", *options, *files)
    return run_process([str(peer()), *map(str, given)], folder, limit=limit, kill_at=kill_at)


def imported(ended: Ended) -> int | None:
    """How many requests it says it imported, if it came so far as to say it."""
    said = re.search(r"(\d+) requests imported successfully", ended.out)
    return int(said[1]) if said else None


def answer(posted: Posted) -> Told | None:
    """What its server answers it before it imports; `None` for what is no such call."""
    if posted.path.startswith("/auth/token"):
        return told_json({"access_token": "token", "token_type": "Bearer", "expires_in": 1800})
    if posted.path.startswith("/api/apps/v2/1"):
        return told_json({"data": {"id": "1", "attributes": {"urls": ["http://example.org"]}}})
    return None
