"""What the ledgers know, for people and, as JSON, for programs."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from log_importer.ledger.view import SourceView, View, view
from log_importer.model import BUCKETS
from log_importer.model.errors import StateError, UsageError, worst
from log_importer.model.visible import visible, visible_json
from log_importer.sources.state_folder import JobLock, ledgers, open_state

_SHOWN = 20
"""Set-aside requests that are listed for people; --json has all."""


def status(given: Mapping[str, Any]) -> int:
    """Prints what the ledgers of the state folder know; the exit code, 7 where one of them is damaged."""
    if not given["shared_dir"]:
        state = open_state(given["state_dir"])
        return _show(given, state, str(state), ())
    from log_importer.runs.cluster.state import looked_at

    with looked_at(given["shared_dir"]) as (state, remarks):
        return _show(given, state, given["shared_dir"], remarks)


def _show(given: Mapping[str, Any], state: Path, title: str, remarks: Sequence[str]) -> int:
    """`title` says where the state lies, `remarks` what else is to be said of it."""
    views: list[View] = []
    errors: list[StateError] = []
    for path in ledgers(state):
        try:
            views.append(view(path))
        except StateError as damage:
            errors.append(damage)
    if given["job"]:
        views = [one for one in views if one.about["job"] == given["job"]]
        if not views and not errors:
            raise UsageError(f"There is no job {given['job']} in {title}.", "See log-importer status for those there.")
    running = {one.path for one in views if JobLock(one.path).held}
    code = worst(error.exit_code for error in errors)
    if given["json"]:
        jobs = [_job(one, one.path in running) for one in views]
        document = {
            "state": title,
            "jobs": jobs,
            "unfinished": list(remarks),
            "errors": [str(error) for error in errors],
            "exit_code": code,
        }
        sys.stdout.write(visible_json(document, indent=True).decode() + "\n")
        return code
    lines = [f"State: {visible(title)}", *map(visible, remarks)]
    for one in views:
        lines += ["", *_describe(one, one.path in running)]
    if not views and not errors and not remarks:
        lines.append("Nothing has been imported yet.")
    sys.stdout.write("\n".join(lines) + "\n")
    for error in errors:
        sys.stderr.write(f"log-importer: {visible(str(error), 2000)}\n")
    return code


def _job(one: View, running: bool) -> dict[str, Any]:
    return {
        "job": one.about["job"],
        "server": one.url,
        "idsite": int(one.about["idsite"]),
        "ledger": str(one.path),
        "running": running,
        "sites": {
            str(site): {"timezone": one.zones.get(site, "UTC"), "tracked": sum(days.values()), "days": days}
            for site, days in one.days.items()
        },
        "last_run": {"began": _moment(one.began), "ended": _moment(one.ended), "exit_code": one.exit_code},
        **_sums(one.sources),
        "sources": [_source(source) for source in one.sources],
    }


def _sums(sources: Iterable[SourceView]) -> dict[str, int]:
    sources = list(sources)
    sums = {"lines": sum(source.lines for source in sources)}
    for bucket in (*BUCKETS, "maybe_twice"):
        sums[bucket] = sum(source.total(bucket) for source in sources)
    return sums


def _source(one: SourceView) -> dict[str, Any]:
    reasons = {bucket: dict(one.counts[bucket]) for bucket in ("skipped", "rejected", "refused") if one.counts[bucket]}
    held = [
        {
            "line": held.request.number, "offset": held.request.offset, "bucket": held.bucket, "reason": held.reason,
            "answer": held.answer,
        }
        for held in one.held
    ]  # fmt: skip
    return {
        "source": one.record.name,
        "format": one.record.format,
        "done_until": one.record.mark.offset,
        "read_until": one.record.end.offset,
        "incomplete": one.record.incomplete,
        **_sums([one]),
        "reasons": reasons,
        "unanswered": one.unanswered,
        "held": held,
    }


def _describe(one: View, running: bool) -> Iterator[str]:
    yield f"Job {visible(one.about['job'])}"
    yield f"  ledger {visible(str(one.path))}"
    yield f"  {_last_run(one, running)}"
    yield f"  {_counts(_sums(one.sources))}"
    for site, days in one.days.items():
        span = f"{min(days)} to {max(days)}" if len(days) > 1 else min(days)
        zone = visible(one.zones.get(site, "UTC"), 60)
        number = f"{len(days)} day{'s' * (len(days) != 1)}"
        yield f"  site {site}: tracked {sum(days.values()):,} on {number}, {span}, {zone}"
    for source in one.sources:
        yield f"  {visible(source.record.name)} ({source.record.format or 'no format'}): {_counts(_sums([source]))}"
        if source.record.incomplete:
            yield f"    incomplete: {visible(source.record.incomplete)}"
        if source.unanswered and not running:
            what = "they cannot be read again" if source.record.stream else "the next import of the source decides"
            yield f"    posted and never answered, {what}: {_lines(source.unanswered)}"
        yield from _held(source)


def _held(source: SourceView) -> Iterator[str]:
    doubted = [held.request.number for held in source.held if held.bucket == "in_doubt"]
    if doubted:
        yield f"    held in doubt until log-importer retry: {_lines(doubted)}"
    aside = [held for held in source.held if held.bucket == "set_aside"]
    for held in aside[:_SHOWN]:
        yield f"    set aside until log-importer retry: line {held.request.number} ({held.reason}): " + visible(
            held.answer, 200
        )
    if len(aside) > _SHOWN:
        yield f"    and {len(aside) - _SHOWN:,} more that were set aside; --json lists all"


def _counts(sums: Mapping[str, int]) -> str:
    parts = [f"{bucket.replace('_', ' ')} {sums[bucket]:,}" for bucket in BUCKETS if sums[bucket]]
    text = f"lines {sums['lines']:,}" + (f" = {' + '.join(parts)}" if parts else "")
    return text + (f"; maybe twice {sums['maybe_twice']:,}" if sums["maybe_twice"] else "")


def _last_run(one: View, running: bool) -> str:
    if one.began is None:
        return "no run yet"
    if running:
        return f"a run is under way since {_moment(one.began)}"
    if one.ended is None:
        return f"the last run began {_moment(one.began)} and died; the next one goes on"
    return f"the last run began {_moment(one.began)}, ended {_moment(one.ended)} with exit code {one.exit_code}"


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _lines(numbers: Iterable[int]) -> str:
    """`lines 3-7, 9`: ascending numbers, runs of them shortened."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    more = f" and {len(parts) - _SHOWN:,} more places" if len(parts) > _SHOWN else ""
    return f"line{'s' * (len(parts) > 1 or '-' in parts[0])} {', '.join(parts[:_SHOWN])}{more}"
