"""The names that a log is given when it is rotated: beside it, with a number or a date, compressed or not."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_PACKED = r"(\.(gz|bz2|xz|zst))?"
_MARK = r"[.-][0-9][0-9T_.-]*"
"""A number, or a date as logrotate (`dateext`), savelog and the like write it."""


def rotated(path: Path) -> Iterator[Path]:
    """The files beside `path` that may hold what was in it: access.log.1, access.log-20260301.gz, access-20260301.log.

    Others, such as another program's access.log.pos, are none.
    """
    name = re.compile(
        f"{re.escape(path.name)}({_MARK}|\\.old){_PACKED}|{re.escape(path.stem)}{_MARK}{re.escape(path.suffix)}{_PACKED}"
    )
    try:
        found = sorted(entry.name for entry in os.scandir(path.parent) if name.fullmatch(entry.name))
    except OSError:
        return
    yield from (path.with_name(one) for one in found)


def log_of(name: str) -> str:
    """The name that a rotated file had while it was written to: access.log of access.log.2.gz."""
    return re.sub(
        f"{_MARK}(?=[^/]*$)", lambda mark: "." if mark[0].endswith(".") else "", re.sub(f"{_PACKED}$", "", name)
    )


def generation(name: str) -> tuple[bool, int, str]:
    """Sorts the files of a log oldest first by their names alone; its live one is the last."""
    found = re.search(f"{_MARK}(?=[^/]*$)", name)
    counter = re.fullmatch(r"[.-]([0-9]{1,5})[.]?", found[0]) if found else None
    return found is None, -int(counter[1]) if counter else 0, name
