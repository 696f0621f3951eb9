"""Everything that an answer rests on, proved on this machine: what a report of a fault begins with."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from log_importer.model.errors import LogImporterError, worst
from log_importer.model.visible import visible, visible_json
from log_importer.runs.commands.doctor import installation, machine, server
from log_importer.runs.commands.doctor.finding import Finding
from log_importer.runs.output.colours import painter

Check = Callable[[Mapping[str, Any]], Finding | None]
"""The options given -> what was found, `None` where there is nothing to check. Raises `LogImporterError`."""
CHECKS: dict[str, Check] = {
    "interpreter": installation.interpreter,
    "dependencies": installation.dependencies,
    "formats": installation.formats,
    "own formats": installation.own_formats,
    "compiled loops": installation.compiled_loops,
    "state folder": machine.state_folder,
    "clock": machine.clock,
    "time zones": machine.time_zones,
    "certificates": server.certificates,
    "open files": machine.open_files,
    "processors": machine.processors,
    "server": server.server,
}
_COLOURS = {"ok": "good", "warning": "title", "fault": "bad"}


def doctor(given: Mapping[str, Any]) -> int:
    """Makes all checks and prints what each found; the worst exit code of what is at fault."""
    paint = painter(sys.stdout)
    found: dict[str, Finding] = {}
    for name, check in CHECKS.items():
        finding = _made(check, given)
        if finding is None:
            continue
        found[name] = finding = finding._replace(detail=visible(finding.detail, 2000), hint=visible(finding.hint, 2000))
        if not given["json"]:
            verdict = paint(f"{finding.verdict:<9}", _COLOURS[finding.verdict])
            sys.stdout.write(f"{verdict}{name:<16}{finding.detail} {finding.hint}".rstrip() + "\n")
            sys.stdout.flush()
    code = worst(finding.exit_code for finding in found.values())
    if given["json"]:
        checks = [
            {"name": name, "verdict": one.verdict, "detail": one.detail, "hint": one.hint}
            for name, one in found.items()
        ]
        sys.stdout.write(visible_json({"checks": checks, "exit_code": code}, indent=True).decode() + "\n")
    return code


def _made(check: Check, given: Mapping[str, Any]) -> Finding | None:
    try:
        return check(given)
    except LogImporterError as error:
        return Finding(error.what, error.hint, "fault", error.exit_code)
    except (ImportError, OSError) as error:  # each check loads what it needs, which may be what is broken
        return Finding(f"It cannot be checked: {error}.", installation.AGAIN, "fault", 1)
