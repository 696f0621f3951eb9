"""The state folder and that of a spool: ours alone, safe where they lie, with a lock for each job and each spool.

A lock is a file that the kernel unlocks when its process ends, however it ends; nothing has to be cleaned up.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from log_importer.model.errors import JobLocked, StateError

_JOBS = "jobs"


def open_state(folder: Path | None) -> Path:
    """Creates the state folder, or checks that nobody else can write to it; its whole path.

    Without `folder` it is the platform's. Raises `StateError`.
    """
    folder = own_folder(folder or default_state_dir(), "state", "--state-dir")
    own_folder(folder / _JOBS, "state", "--state-dir")
    return folder


def own_folder(folder: Path, use: str, option: str) -> Path:
    """Creates a folder, or checks that nobody else can write to it and that locks work there; its whole path.

    `use` and `option` are what it is for and how it is named, for the messages. Raises `StateError`.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise StateError(f"{folder}: cannot be used for {use}: {reason}.", f"Name another with {option}.") from None
    if stat.S_ISLNK(status.st_mode):
        raise StateError(f"{folder}: the {use} folder is a symbolic link.", f"Name the folder itself with {option}.")
    if status.st_uid != os.getuid():
        raise StateError(f"{folder}: the {use} folder belongs to another user.", f"Name another with {option}.")
    if status.st_mode & 0o022:
        raise StateError(f"{folder}: others may write to the {use} folder.", f"Run: chmod go-w {folder}")
    kind = network_mount(folder.resolve(), _mounts())
    if kind:
        raise StateError(
            f"{folder}: the {use} folder lies on a network file system ({kind}), whose locks cannot be relied on.",
            f"Name a folder on a local disk with {option}.",
        )
    return folder


_NETWORK = frozenset(
    "nfs nfs4 cifs smb smb2 smb3 smbfs afs ncpfs ceph glusterfs lustre gpfs beegfs ocfs2 gfs2 9p davfs webdav afpfs "
    "fuse.sshfs fuse.glusterfs fuse.cephfs fuse.s3fs fuse.gcsfuse fuse.blobfuse2 fuse.davfs2 fuse.rclone".split()
)


def network_mount(folder: Path, mounts: str) -> str:
    """The kind of the network file system that `folder` lies on, "" for none, by the system's table `mounts`."""
    deepest, kind = -1, ""
    for line in mounts.splitlines():
        _, mounted, found, *_ = line.split()
        point = Path(mounted.replace("\\040", " "))
        if folder.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), found
    return kind if kind in _NETWORK else ""


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text("utf-8", "replace")
    except OSError:  # not on Linux
        return ""


def default_state_dir() -> Path:
    """The platform's folder for a user's state. Raises `StateError` for a user without a home, as in a container."""
    from platformdirs import user_state_path  # only who needs state pays for it

    try:
        folder = user_state_path("log-importer")
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():  # so older versions of it say the same
        raise StateError("This user has no home folder, in which state could lie.", "Name a folder with --state-dir.")
    return folder


def job_folder(state: Path) -> Path:
    """Where the ledgers of all jobs lie."""
    return state / _JOBS


def job_hash(job: str) -> str:
    """The name of a job's files; `job` is what the job is known by."""
    return hashlib.sha256(job.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def job_ledger(state: Path, job: str) -> Path:
    """Where the ledger of a job lies; `job` is what the job is known by."""
    return state / _JOBS / f"{job_hash(job)}.sqlite3"


def ledgers(state: Path) -> list[Path]:
    """The ledgers of all jobs."""
    return sorted((state / _JOBS).glob("*.sqlite3"))


def take_lock(path: Path, use: str, locked: Callable[[str], JobLocked]) -> int:
    """The open file `path`, locked until it is closed. Raises `StateError`, and what `locked` gives for its holder."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise StateError(f"{path}: cannot be opened: {reason}.", f"Look at the {use} folder's rights.") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(file, 20, 0).decode("ascii", "replace").strip()
        os.close(file)
        raise locked(holder or "unknown") from None
    except OSError as error:
        os.close(file)
        reason = (error.strerror or "").lower()
        raise StateError(f"{path}: cannot be locked: {reason}.", f"Use a {use} folder on a local disk.") from None
    with suppress(OSError):  # such as a full disk: who holds it is only for the message
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
    return file


class JobLock:
    """Keeps two runs of a job apart, while it is held as a context manager."""

    def __init__(self, ledger: Path) -> None:
        """The lock lies beside the job's ledger."""
        self._path = ledger.with_suffix(".lock")
        self._file = -1

    @property
    def held(self) -> bool:
        """Whether a run of the job is under way."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def __enter__(self) -> "JobLock":
        def locked(holder: str) -> JobLocked:
            return JobLocked(
                f"Another run of this job is under way (process {holder}); nothing was sent.",
                "Wait for it, or give this one another --job.",
            )

        self._file = take_lock(self._path, "state", locked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._file)
