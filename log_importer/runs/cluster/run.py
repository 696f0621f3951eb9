"""The record of a job's run: who drives it, and what it does, so that another driver can finish what one began."""

import hashlib
import socket
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import TracebackType
from typing import Any

import orjson

from log_importer import __version__
from log_importer.model.errors import JobLocked, LogImporterError, SourceError, StateError, UsageError
from log_importer.runs.cluster.portion import Portion, portion_of
from log_importer.sources.find import Source
from log_importer.sources.shared_folder import Shared
from log_importer.sources.shared_folder.leased import Leased, LeaseLost
from log_importer.translation.plan import Plan

_BEAT = 4.0
"""Seconds between two signs of life of a driver."""
_DEAD = 3 * _BEAT
"""Seconds without one after which another may take over."""


def key_of(plan: Plan) -> str:
    """The hash of what decides which lines are hits, and their times."""
    told = _plain((
        __version__, plan.reading, plan.selection, plan.changes, plan.rules, plan.replay, plan.encoding,
        plan.max_line_bytes, sorted(plan.formats), plan.tracking.bots, plan.tracking.static,
    ))  # fmt: skip
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """A value that is written the same in every process: sets have no order."""
    if is_dataclass(value) and not isinstance(value, type):
        return [(one.name, _plain(getattr(value, one.name))) for one in fields(value)]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, Mapping):
        return sorted((repr(name), _plain(one)) for name, one in value.items())
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return repr(value)


def check_seen(shared: Shared, name: str) -> None:
    """Raises `StateError` where the folder is not the one that the driver of the run `name` sees.

    Each machine that kept the progress in a folder of its own would begin anew what another has sent.
    """
    data = Leased(shared, "run").latest()
    if data is None or name not in data.decode("utf-8", "replace"):
        raise StateError(
            f"{shared.name}: is not the folder that the driver sees, on the machine {socket.gethostname()}.",
            "Name one that all machines of the cluster share, with --shared-dir.",
        )


def is_halted(shared: Shared, name: str) -> bool:
    """Whether the driver of the run `name` asks for an end in good order. Raises `StateError`."""
    return shared.read(_halt(name)) is not None


def _halt(name: str) -> str:
    return f"halt/{name}"


class Run:
    """The run that is under way, held by this driver while it is a context manager. Its lease is renewed meanwhile."""

    def __init__(self, shared: Shared, job: str = "") -> None:
        """`job` is what the progress is kept for, as a run that is begun writes it down."""
        self._shared = shared
        self._job = job
        self._leased = Leased(shared, "run")
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._driver = uuid.uuid4().hex
        self.lost: LogImporterError | None = None
        """Why the run is no longer this driver's."""
        self.written: dict[str, Any] | None = None
        """What is to be done, as it is written: of a run that another driver began, or this one."""

    def __enter__(self) -> "Run":
        """Raises `JobLocked` where another driver lives, and `StateError`."""
        data = self._leased.latest()
        found = self._read(data)
        if data is not None and found.get("driver"):
            number = self._leased.number
            time.sleep(_DEAD)
            self._leased.latest()
            if self._leased.number != number:
                raise JobLocked(
                    f"Another run of this job is under way ({self._shared.name}); nothing was sent.",
                    "Wait for it, or give this one another --job.",
                )
        self.written = found.get("run")
        self._write()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self.lost is None:
            self._driver = ""
            self._write()

    @property
    def destination(self) -> str | None:
        """What an unfinished run says that its progress is kept for, "" by an older version; `None`: there is none."""
        run = self._read(self._leased.latest()).get("run")
        return None if run is None else str(run.get("job", ""))

    @property
    def name(self) -> str:
        """The run's name, which its lanes' records carry."""
        return str(self._known("name")) if self.written else ""

    @property
    def lanes(self) -> int:
        """How many lanes it has."""
        return int(self._known("lanes"))

    @property
    def now(self) -> float:
        """When it was begun, in seconds since 1970 UTC: to all its tasks, and whenever it goes on."""
        return float(self._known("now"))

    def _known(self, name: str) -> Any:
        assert self.written is not None, "no run was begun"
        return self.written[name]

    def leave_out(self, portions: Sequence[Portion]) -> None:
        """Begins anew with no more than these, before anything was posted. Raises as `begin`."""
        self.begin(self._known("key"), portions, self.lanes, self.now)

    def begin(self, key: str, portions: Sequence[Portion], lanes: int, now: float) -> None:
        """Writes down a new run before anything of it is posted. Raises `StateError` and `LeaseLost`."""
        self.written = {
            "name": uuid.uuid4().hex, "job": self._job, "key": key, "lanes": lanes, "now": now,
            "portions": [one.as_json() for one in portions],
        }  # fmt: skip
        with self._lock:
            self._write()

    def go_on(self, key: str, sources: Mapping[str, Source]) -> list[Portion]:
        """What is left of a run that was begun: its portions. Raises `UsageError` and `SourceError`.

        `sources` are those that the user names now, by their places.
        """
        if self._known("key") != key:
            raise UsageError(
                "An unfinished run of this job had other options, or another version, so its lines could become other "
                "hits.",
                "Finish it with the same command as before, or give this one another --job.",
            )
        found = [(written["place"], portion_of(written, sources)) for written in self._known("portions")]
        if gone := [place for place, portion in found if portion is None]:
            raise SourceError(
                f"{gone[0]}: belongs to an unfinished run, and is no longer there, nor as another of these sources.",
                "Put it back until that run is finished, or give this one another --job.",
            )
        return [portion for _, portion in found if portion is not None]

    def end(self) -> None:
        """All of it is done and counted. Raises `StateError` and `LeaseLost`."""
        name, self.written = self.name, None
        with self._lock:
            self._write()
        self._shared.delete(_halt(name))
        for lane in self._shared.names("lanes"):
            for number in self._shared.names(f"lanes/{lane}"):
                self._shared.delete(f"lanes/{lane}/{number}")

    def halt(self) -> None:
        """Asks all lanes for an end in good order."""
        self._shared.replace(_halt(self.name), b"")

    def resume(self) -> None:
        """Takes that back."""
        self._shared.delete(_halt(self.name))

    def _read(self, data: bytes | None) -> dict[str, Any]:
        try:
            found: dict[str, Any] = orjson.loads(data) if data is not None else {}
        except ValueError:
            raise StateError(f"{self._shared.name}/run: is damaged.", "Restore the folder from a backup.") from None
        return found

    def _write(self) -> None:
        self._leased.write(orjson.dumps({"driver": self._driver, "run": self.written}))

    def _beat(self) -> None:
        alive = time.monotonic()
        while not self._over.wait(_BEAT):
            try:
                with self._lock:
                    self._write()
                alive = time.monotonic()
            except LogImporterError as error:
                if isinstance(error, LeaseLost) or time.monotonic() - alive > _DEAD:
                    self.lost = error
                    return
