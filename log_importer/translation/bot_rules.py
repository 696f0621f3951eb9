"""Reads Matomo's bot rules from the package that ships them, and has them judge."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from log_importer.model.errors import UsageError
from log_importer.native import load
from log_importer.tracking.rules.bots import compile_bots
from log_importer.tracking.rules.search_engines import search_engine
from log_importer.translation.plan import Judges


@cache
def judges() -> Judges:
    """The verdicts on user agents and addresses, compiled once a process, and the compiled loops."""
    return Judges(compile_bots(read_rules()), search_engine, load())


def read_rules() -> list[dict[str, Any]]:
    """The device detector's rules for bots, in the order in which they are tried."""
    import yaml_rs  # only who judges pays for it

    # The file alone: importing the package would load every other rule of the device detector too.
    found = find_spec("device_detector")
    path = Path(found.origin).parent / "regexes" / "upstream" / "bots.yml" if found and found.origin else None
    if path is None or not path.is_file():
        raise UsageError("The package device-detector, which holds the bot rules, is missing.", "Install it with pip.")
    rules: list[dict[str, Any]] = yaml_rs.loads(path.read_text("utf-8"))  # type: ignore[assignment]
    return rules
