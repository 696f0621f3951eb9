"""`undo`: what was sent, by site and day, the server's own commands that take it out, and a ledger that forgets it."""

import contextlib
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from log_importer.ledger import rows
from log_importer.ledger.database import open_database, unwritable
from log_importer.ledger.view import Sent, SourceView, View, view
from log_importer.model.errors import UsageError
from log_importer.model.visible import visible, visible_json
from log_importer.model.zones import known_zone, zone_of
from log_importer.receiver.embedded import receiver_database
from log_importer.runs.job import one_job
from log_importer.runs.output.console_commands import ARCHIVE, deletions, invalidations, touched
from log_importer.sources.state_folder import JobLock, ledgers, open_state

_UNDATED = "were tracked by an older version, or on a cluster, which kept no days: they are in none of these counts"


@dataclass
class _Undo:
    """What is meant: rows of the ledger, and the sources that can be forgotten or not."""

    job: View
    sent: list[Sent]
    whole: list[SourceView]  # all that was sent of them is meant, and they can be read again
    kept: dict[str, str]  # name of a source -> why it is not forgotten
    undated: int
    in_doubt: int

    @property
    def days(self) -> dict[int, Counter[str]]:
        """Site -> date by its clock -> lines."""
        found: dict[int, Counter[str]] = {}
        for one in sorted(self.sent, key=lambda one: (one.site, one.day)):
            found.setdefault(one.site, Counter())[one.day] += one.lines
        return found

    def zone(self, site: int) -> str:
        """The time zone of a site, as Matomo writes it."""
        return self.job.zones.get(site, "UTC")

    def commands(self) -> list[str]:
        """What takes it out of a Matomo; nothing for the embedded receiver, which has no console."""
        if not self.sent or not self.job.url:
            return []
        deleting = list[str]()
        affected: dict[int, set[str]] = {}
        for site in self.days:
            utc = {one.utc for one in self.sent if one.site == site}
            deleting += deletions(site, utc)
            # Visits of others go too, so reports change on every date that the deleted days have a part of.
            affected[site] = touched(utc, zone_of(self.zone(site)))
        return [line.strip() for line in (*deleting, *invalidations(affected), ARCHIVE)]


def undo(given: Mapping[str, Any]) -> int:
    """Prints what `given` means and how it is taken out; the exit code, 1 where something is not known or kept."""
    if given["json"] and given["forget"] and not given["yes"]:
        raise UsageError("--json asks nothing, so --forget needs --yes.", "Add --yes.")
    state = open_state(given["state_dir"])
    job = one_job([view(path) for path in ledgers(state)], given["job"], str(state))
    meant = _meant(job, given["run"], given["source"])
    database = "" if job.url else str(receiver_database(state))
    forgotten = list[str]()
    if not given["json"]:
        sys.stdout.write("\n".join(_text(meant, database)) + "\n")
        sys.stdout.flush()
    if given["forget"]:
        forgotten = _forget(meant, given)
    code = 1 if meant.undated or (given["forget"] and (meant.kept or len(forgotten) < len(meant.whole))) else 0
    if given["json"]:
        sys.stdout.write(visible_json(_document(meant, database, forgotten, code), indent=True).decode() + "\n")
    return code


def _meant(job: View, run: int | None, source: str | None) -> _Undo:
    sources = [one for one in job.sources if source in (None, one.record.name)]
    if source is not None and not sources and all(one.name != source for one in job.sent):
        raise UsageError(f"The job knows no source {source}.", "See log-importer status for those it knows.")
    of_source = [one for one in job.sent if source in (None, one.name)]
    sent = [one for one in of_source if run in (None, one.run)]
    if run is not None and not sent:
        runs = ", ".join(map(str, sorted({one.run for one in of_source}))) or "none"
        raise UsageError(f"Run {run} tracked nothing of that.", f"Runs that did, by their numbers: {runs}.")
    meant, others = ({one.source for one in some} for some in (sent, [one for one in of_source if one not in sent]))
    whole, kept = list[SourceView](), dict[str, str]()
    for one in sources:
        number, name = one.record.id, one.record.name
        if one.record.stream:
            kept[name] = "was standard input: give it again, and all of it is sent"
        elif run is None or (number in meant and number not in others and not job.undated(one)):
            whole.append(one)
        elif number in meant:
            kept[name] = "was sent by other runs too: forget it with --source, without --run"
    return _Undo(job, sent, whole, kept, sum(map(job.undated, sources)), sum(one.total("in_doubt") for one in sources))


def _forget(meant: _Undo, given: Mapping[str, Any]) -> list[str]:
    """Names of the sources that the ledger has forgotten."""
    if not meant.whole:
        return []
    count = len(meant.whole)
    question = f"Forget {count} source{'s' * (count != 1)}, so that the next import sends all of their lines?"
    if not given["yes"]:
        if not sys.stdin.isatty():
            raise UsageError("Nobody is at a terminal to be asked; nothing was forgotten.", "Add --yes to --forget.")
        if not click.confirm(question, err=True):
            return []
    path = meant.job.path
    with JobLock(path), contextlib.closing(open_database(path, meant.job.about)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
            for one in meant.whole:
                rows.not_sent(one.record.id)(database)
                rows.no_source(one.record.id)(database)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            raise unwritable(path, error, "nothing was forgotten") from None
    names = [one.record.name for one in meant.whole]
    if not given["json"]:
        sys.stdout.write("".join(f"Forgotten: {visible(name)}\n" for name in names))
    return names


def _document(meant: _Undo, database: str, forgotten: list[str], code: int) -> dict[str, Any]:
    return {
        "job": meant.job.about["job"],
        "server": meant.job.url,
        **({"database": database} if database else {}),
        "runs": sorted({one.run for one in meant.sent}),
        "sites": {
            str(site): {
                "timezone": meant.zone(site), "tracked": days.total(), "days": dict(days),
                "utc_days": sorted({one.utc for one in meant.sent if one.site == site}),
            }
            for site, days in meant.days.items()
        },
        "undated": meant.undated,
        "in_doubt": meant.in_doubt,
        "commands": meant.commands(),
        "forgotten": forgotten,
        "kept": meant.kept,
        "exit_code": code,
    }  # fmt: skip


def _text(meant: _Undo, database: str) -> Iterator[str]:
    yield f"Job {visible(meant.job.about['job'])}"
    for site, days in meant.days.items():
        zone = meant.zone(site)
        unknown = "" if known_zone(zone) else ", which is not known here: UTC was taken"
        yield f"  site {site}, {visible(zone, 60)}{unknown}: tracked {days.total():,}"
        for day, lines in days.items():
            yield f"    {day}{lines:>12,}"
    runs = Counter[int]()
    for one in meant.sent:
        runs[one.run] += one.lines
    for run, lines in sorted(runs.items()):
        yield f"  run {run}: tracked {lines:,}"
    if meant.undated:
        yield f"  {meant.undated:,} lines {_UNDATED}."
    if meant.in_doubt:
        yield f"  {meant.in_doubt:,} lines are in doubt: the server may have them, also on other days than these."
    if not meant.sent:
        yield "  Nothing that was sent has a day on record."
    elif database:
        yield ""
        yield "The embedded receiver has no console. To take all of its visits out, of every job and day, move its"
        yield f"database away while nothing runs: mv {visible(database)} {visible(database)}.old"
    else:
        yield ""
        yield "To take it out, in the server's folder, after a backup of its database. This deletes everything else"
        yield "on those days too: all visits of these sites, whoever tracked them."
        yield from (f"  {line}" for line in meant.commands())
    for name, why in meant.kept.items():
        yield f"--forget leaves {visible(name)}: it {why}."
