"""`report`: what the embedded receiver holds, as one HTML file."""

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from log_importer.model.errors import LogImporterError, UsageError
from log_importer.model.visible import visible
from log_importer.receiver.embedded import receiver_database
from log_importer.receiver.naming import name_agents
from log_importer.receiver.report.contents import contents
from log_importer.receiver.report.counting import count_all, open_counts
from log_importer.receiver.report.figures import Filter
from log_importer.receiver.report.file import report_file
from log_importer.receiver.store import Store
from log_importer.sources.state_folder import open_state

_ROWS = 500
"""Rows of each table."""


def write_report(given: Mapping[str, Any]) -> int:
    """Writes the file that the options `given` name. Raises `UsageError` and `StateError`."""
    file: Path | None = given["report_file"]
    if file is None:
        raise UsageError("No file to write is named.", "Name one: -o report.html.")
    state = open_state(given["state_dir"])
    database = receiver_database(state)
    if not database.exists():
        raise UsageError(f"{state}: nothing was imported into the embedded receiver.", "Do so with import --local.")
    Store(database, ()).close()  # says what is wrong with it, if anything is
    name_agents(database)
    count_all(database)
    wanted = Filter(given["idsite"], _day(given["first_day"]), _day(given["last_day"]))
    with closing(open_counts(database)) as counts:
        page = report_file(contents(counts, database, wanted, _ROWS))
    draft = file.with_name(f".{file.name}.new")
    try:
        draft.write_bytes(page)
        draft.replace(file)
    except OSError as error:
        raise LogImporterError(f"{file}: the report cannot be written: {(error.strerror or '').lower()}.") from None
    sys.stdout.write(f"{visible(str(file))} is the report of {state}.\n")
    return 0


def _day(moment: Any) -> Any:
    return None if moment is None else moment.date()
