"""The end of a run on standard output: errors, summary, and whatever may have become of that output meanwhile."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from log_importer.model.visible import visible, visible_json
from log_importer.runs.output.colours import painter
from log_importer.runs.output.run_report import Report
from log_importer.runs.output.summary import as_json, as_text


def show(
    report: Report,
    title: str,
    state: Path | str,
    say: Callable[[str], None],
    *,
    json: bool,
    look_at: Path | None = None,
) -> int:
    """Prints what `report` says, as JSON or for people, and returns its exit code.

    `look_at` is the embedded receiver's database; `None` where the run was into a server.
    """
    for error in report.errors:
        say(str(error))
    if json:
        text = visible_json(as_json(report, str(state)), indent=True).decode()
    elif not report.tally.sources and report.errors:
        return report.exit_code  # the errors have said it all
    else:
        lines = list(as_text(report, title, str(state), look_at is None, painter(sys.stdout)))
        if look_at is not None:
            look = f"log-importer receive --open --state-dir {state}, or sqlite3 {look_at}"
            lines.append(f"To look at it: {visible(look, 2000)}")
        text = "\n".join(lines)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read our output has left; the import is done
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        say(f"The summary cannot be written: {(error.strerror or '').lower()}. The import itself is done.")
    return report.exit_code
