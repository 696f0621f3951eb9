"""What a check finds."""

from typing import NamedTuple


class Finding(NamedTuple):
    """What a check found, and what to do about it; what is at fault is raised as a `LogImporterError`."""

    detail: str
    hint: str = ""
    verdict: str = "ok"  # or "warning", or "fault"
    exit_code: int = 0  # of a fault


def warning(detail: str, hint: str) -> Finding:
    """What is no fault, and worth knowing."""
    return Finding(detail, hint, "warning")
