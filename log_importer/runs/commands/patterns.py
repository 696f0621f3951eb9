"""`import --dump-log-regex`: the patterns with which the sources' lines are read."""

import sys
from collections.abc import Mapping
from typing import Any

from log_importer.model.visible import visible
from log_importer.parsing.spec import FormatSpec
from log_importer.runs.reading.survey import look
from log_importer.settings.arguments import make_settings

_SERVER = ("url", "token_auth", "token_auth_file", "login", "password", "auth_user", "auth_password")


def print_patterns(given: Mapping[str, Any]) -> int:
    """Prints them, one format after the other. Raises `UsageError`."""
    settings = make_settings({**given, **dict.fromkeys(_SERVER), "local": True}, terminal=True)
    inputs = look(settings, lambda sentence: print(f"log-importer: {visible(sentence, 2000)}", file=sys.stderr))  # noqa: T201
    for error in inputs.errors:
        raise error
    for name, spec in inputs.formats.items():
        sys.stdout.write(f"{name}: {_pattern(spec)}\n")
    return 0


def _pattern(spec: FormatSpec) -> str:
    if spec.driver != "regex":
        return f"read by the driver {spec.driver}, without a pattern; log-importer formats show {spec.name} shows how"
    pattern: str = spec.options["pattern"]
    return pattern.strip("\n")
