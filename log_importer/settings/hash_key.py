"""The key of `--hash-user-id`: of a file that the user names, else one made once and kept in the state folder."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from log_importer.model.errors import UsageError
from log_importer.sources.state_folder import default_state_dir

_SHORTEST = 16


def read_hash_key(file: Path | None, state: Path | None) -> bytes:
    """The key; without `state` that folder is the platform's. Raises `UsageError` and `StateError`."""
    path = file or (state or default_state_dir()) / "hash-key"
    try:
        if file is None and not path.exists():
            _make(path)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"{path}: group or others can read the key of --hash-user-id.", f"Run: chmod 600 {path}")
        key = path.read_bytes().strip()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise UsageError(f"{path}: the key of --hash-user-id cannot be had: {reason}.") from None
    if len(key) < _SHORTEST:
        raise UsageError(f"{path}: the key of --hash-user-id has less than {_SHORTEST} characters.", "Make it longer.")
    return key


def _make(path: Path) -> None:
    """A new key, there at once with all of its bytes, or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.touch(0o600)
    try:
        beside.write_text(secrets.token_hex(32), "ascii")
        with contextlib.suppress(FileExistsError):  # another run was quicker, and its key is everybody's
            os.link(beside, path)
    finally:
        beside.unlink()
