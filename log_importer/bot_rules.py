"""Reads Matomo's bot rules from the package that ships them."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from log_importer.errors import UsageError
from log_importer.rules.bots import compile_bots
from log_importer.rules.search_engines import search_engine
from log_importer.translate import Judges


@cache
def judges() -> Judges:
    """The verdicts on user agents and addresses, compiled once a process."""
    import yaml_rs  # only who judges pays for it

    # The file alone: importing the package would load every other rule of the device detector too.
    found = find_spec("device_detector")
    if found is None or found.origin is None:
        raise UsageError("The package device-detector, which holds the bot rules, is missing.", "Install it with pip.")
    rules = (Path(found.origin).parent / "regexes" / "upstream" / "bots.yml").read_text("utf-8")
    parsed: list[dict[str, Any]] = yaml_rs.loads(rules)  # type: ignore[assignment]
    return Judges(compile_bots(parsed), search_engine)
