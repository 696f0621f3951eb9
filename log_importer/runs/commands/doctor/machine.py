"""What a run needs of the machine, each thing proved by use: the state folder, clock, time zones, limits."""

import os
import re
import resource
import shutil
import sqlite3
import zoneinfo
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from log_importer.model.errors import StateError, UsageError
from log_importer.runs.commands.doctor.finding import Finding, warning
from log_importer.runs.workers.processors import processor_count
from log_importer.sources.state_folder import JobLock, open_state

_LITTLE_ROOM = 100 << 20
"""Bytes on the disk of the state folder, of which the ledger of a large import takes some."""
_FEW_FILES = 256
_YEARS = range(2025, 2100)
"""What a clock may say that is not badly wrong."""


def state_folder(given: Mapping[str, Any]) -> Finding:
    """Whether a run can keep its state: nobody else can write to it, and locks and the ledger's database work.

    Raises `StateError`.
    """
    folder = open_state(given["state_dir"])
    try:
        with TemporaryDirectory(prefix="doctor-", dir=folder) as trial:
            _use(folder, Path(trial) / "ledger.sqlite3")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise StateError(f"{folder}: cannot be written: {reason}.", "Look at its disk and its rights.") from None
    room = f"{free / 1e9:,.1f} GB are free" if free > 1e9 else f"{free >> 20} MB are free"
    detail = f"{folder}: only this user can write there; locks and the database work; {room}"
    return Finding(detail) if free > _LITTLE_ROOM else warning(f"{detail}.", "Make room on its disk.")


def _use(folder: Path, ledger: Path) -> None:
    with JobLock(ledger) as lock:
        if not lock.held:
            raise StateError(
                f"{folder}: a lock keeps nobody out there, so two runs could send the same lines.",
                "Name a folder on a local disk with --state-dir.",
            )
    try:
        with closing(sqlite3.connect(ledger)) as database:
            (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise sqlite3.OperationalError(f"its journal mode is {mode}")
            database.executescript(
                "PRAGMA synchronous = FULL; CREATE TABLE trial (number); INSERT INTO trial VALUES (1)"
            )
    except sqlite3.Error as error:
        raise StateError(
            f"{folder}: no database can be kept there: {error}.",
            "Make room on its disk, or name a folder on another with --state-dir.",
        ) from None


def clock(_given: Mapping[str, Any]) -> Finding:
    """Whether the year is plausible: hits that seem to be of the future are skipped. Raises `UsageError`."""
    now = datetime.now(UTC)
    if now.year not in _YEARS:
        raise UsageError(
            f"The system's clock says that it is {now:%Y-%m-%d %H:%M}.", "Set the clock; hits are dated by it."
        )
    local = now.astimezone()
    return Finding(f"{now:%Y-%m-%d %H:%M:%S} UTC; the local zone is {local.tzname()} ({local:%z})")


def time_zones(_given: Mapping[str, Any]) -> Finding:
    """Whether the zones can be found that `--timezone`, formats and sites name."""
    try:
        zoneinfo.ZoneInfo.no_cache("Europe/Paris")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return warning(
            "There are no data of time zones, so only UTC is known; --timezone takes no other.",
            "Install the system's package tzdata, or the Python package of that name.",
        )
    found = [path for path in zoneinfo.TZPATH if Path(path, "Europe/Paris").is_file()]
    return Finding(f"from {found[0] if found else 'the Python package tzdata'}")


def open_files(_given: Mapping[str, Any]) -> Finding:
    """Whether enough files may be open at once."""
    from log_importer.runs.reading.overlap import open_at_once  # with all that reads logs, which may be broken

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return Finding("any number")
    detail = f"{limit:,} at once, so that {open_at_once():,} sources that overlap in time can be read side by side"
    return Finding(detail) if limit >= _FEW_FILES else warning(f"{detail}.", "Allow more, such as with: ulimit -n 1024")


def processors(_given: Mapping[str, Any]) -> Finding:
    """How many processors and how much memory there are, for who asks why an import is slow."""
    detail = f"{processor_count()} of {os.cpu_count() or processor_count()} processors may be used"
    shares = [text.split() for text in _control_groups("cpu.max")]
    if quotas := [int(quota) / int(period) for quota, period in shares if quota != "max"]:
        detail += f", for the time of {min(quotas):g}"
    with suppress(OSError):
        found = re.search(r"MemAvailable: +([0-9]+) kB", Path("/proc/meminfo").read_text())
        detail += f"; {int(found[1]) / 1e6:.1f} GB of memory are free" if found else ""
    if limits := [int(text) for text in _control_groups("memory.max") if text.strip() != "max"]:
        detail += f"; its control group may use {min(limits) / 1e9:.1f} GB of memory"
    return Finding(detail)


def _control_groups(name: str) -> Iterator[str]:
    """What the files of this name say of the groups (version 2) that this process is in."""
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:  # not on Linux
        return
    own = next((line[3:] for line in groups.splitlines() if line.startswith("0::")), "/")
    folder = Path("/sys/fs/cgroup", own.lstrip("/"))
    for one in (folder, *folder.parents):
        with suppress(OSError):
            yield (one / name).read_text()
