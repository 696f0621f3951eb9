"""The counts of a run, for people and, as JSON, for programs; both add up."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from log_importer.model import BUCKETS
from log_importer.model.visible import visible
from log_importer.runs.output.colours import Paint, plain
from log_importer.runs.output.console_commands import ARCHIVE, invalidations
from log_importer.runs.output.run_report import Report
from log_importer.runs.tally import WITH_REASONS, SourceCounts, Tally

_WIDTH = 23
"""Characters of a label and a count."""
_EXAMPLES = 10
_KINDS = {"tracked": "good", "skipped": "aside"}  # all others want to be looked at


def as_json(report: Report, state: str) -> dict[str, Any]:
    """The object that `--json` prints; `state` is where the state lies."""
    tally = report.tally
    return {
        "lines": sum(counts.lines for counts in tally.sources),
        **_buckets(tally),
        "maybe_twice": sum(counts.maybe_twice for counts in tally.sources),
        "late": sum(counts.late for counts in tally.sources),
        "known_lines": sum(counts.known_lines for counts in tally.sources),
        "seconds": round(report.seconds, 3),
        "exit_code": report.exit_code,
        **({"dry_run": True} if report.dry else {}),
        "state": state,
        "sources": [_source(counts) for counts in tally.by_name()],
        "sites": {
            str(site): {
                "timezone": tally.zones.get(site, "UTC"),
                "tracked": sum(days.values()),
                "days": dict(days),
            }
            for site, days in tally.sites().items()
        },
        "ai_bots": dict(tally.ais.most_common()),
        "hosts_without_site": dict(tally.without_site.most_common(100)),
        "created_sites": dict(report.created),
        **({"in_flight": report.in_flight} if report.in_flight else {}),
        "reasons": {bucket: dict(tally.reasons(bucket)) for bucket in WITH_REASONS[1:]},
        "left_out": dict(tally.reasons("left_out")),
        "cut_urls": sum(counts.cut_urls for counts in tally.sources),
        "errors": [str(error) for error in report.errors],
    }


def _buckets(tally: Tally) -> dict[str, Any]:
    counts: dict[str, Any] = {bucket: tally.total(bucket) for bucket in BUCKETS}
    return counts | {"skipped": dict(tally.reasons("skipped").most_common())}


def _source(counts: SourceCounts) -> dict[str, Any]:
    buckets: dict[str, Any] = {bucket: counts.count(bucket) for bucket in BUCKETS}
    return {
        "source": counts.source,
        "format": counts.format,
        "lines": counts.lines,
        **buckets,
        "skipped": dict(counts.skipped.most_common()),
        "maybe_twice": counts.maybe_twice,
        "late": counts.late,
        "known_lines": counts.known_lines,
        "incomplete": counts.incomplete,
    }


def as_text(report: Report, title: str, state: str, console: bool, paint: Paint = plain) -> Iterator[str]:
    """The summary's lines under `title`; `console`: a Matomo's reports have to count the dates again."""
    tally = report.tally
    lines = sum(counts.lines for counts in tally.sources)
    yield paint(title, "title")
    yield ""
    yield _row("lines read", lines)
    for bucket in BUCKETS:
        count = tally.total(bucket)
        if count or bucket in ("pending" if report.dry else "tracked", "skipped", "rejected"):
            reasons = tally.reasons(bucket) if bucket in WITH_REASONS else {}
            row = _row(_named(bucket, report.dry), count, _reasons(reasons))
            good = report.dry and bucket == "pending"
            yield paint(row, "good" if good else _KINDS.get(bucket, "bad")) if count else row
    if twice := sum(counts.maybe_twice for counts in tally.sources):
        yield paint(_row("maybe twice", twice, "sent again after an answer that never came"), "bad")
    if late := sum(counts.late for counts in tally.sources):
        yield _row("late", late, "sent after later hits: out of order by more than --disorder allows")
    if known := sum(counts.known_lines for counts in tally.sources):
        yield _row("known lines", known, "done by earlier runs")
    if cut := sum(counts.cut_urls for counts in tally.sources):
        yield _row("cut", cut, "addresses over 1,024 characters, which Matomo would cut too")
    if left_out := tally.reasons("left_out"):
        yield _row("left out", left_out.total(), f"values set by rules that a server cannot take: {_reasons(left_out)}")
    yield ""
    yield from _sources(tally, report.dry)
    for host, idsite in report.created.items():
        yield f"Site {idsite} was made for {host}"
    for source, numbers in report.in_flight.items():
        some = ", ".join(map(str, sorted(numbers)[:_EXAMPLES]))
        more = f" and {len(numbers) - _EXAMPLES:,} more (--json)" if len(numbers) > _EXAMPLES else ""
        yield f"In flight when a task died: {visible(source)}, line {some}{more}"
    yield from _sites(tally)
    yield from _examples(tally)
    rate = f"{lines / report.seconds:,.0f} lines a second" if report.seconds else "no lines"
    yield f"{report.seconds:.1f} seconds, {rate}. State: {visible(state)}"
    if console and tally.days:
        yield from _console(tally)


def _named(bucket: str, dry: bool) -> str:
    """What people call a bucket; in a dry run all that would be tracked is pending."""
    return "would be tracked" if dry and bucket == "pending" else bucket.replace("_", " ")


def _row(label: str, count: int, remark: str = "") -> str:
    return f"  {label} {count:>{_WIDTH - len(label)},}  {remark}".rstrip()


def _reasons(reasons: Mapping[str, int]) -> str:
    ordered = sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{reason} {count:,}" for reason, count in ordered)


def _sources(tally: Tally, dry: bool) -> Iterator[str]:
    yield "Sources"
    for counts in tally.by_name():
        parts = [f"{_named(bucket, dry)} {counts.count(bucket):,}" for bucket in BUCKETS if counts.count(bucket)]
        sums = f" = {' + '.join(parts)}" if parts else ""
        name = counts.format or ("no format fits" if counts.lines else "not read" if counts.incomplete else "empty")
        known = f"; known {counts.known_lines:,}, done by earlier runs" if counts.known_lines else ""
        yield f"  {visible(counts.source)} ({name}): lines {counts.lines:,}{sums}{known}"
        if counts.incomplete:
            yield f"    incomplete: {visible(counts.incomplete)}; its whole lines were sent"
    yield ""


def _sites(tally: Tally) -> Iterator[str]:
    for site, days in tally.sites().items():
        span = f"{min(days)} to {max(days)}" if len(days) > 1 else min(days)
        yield (
            f"Site {site}: tracked {sum(days.values()):,} on {len(days)} day{'s' * (len(days) != 1)}, {span}, "
            + visible(tally.zones.get(site, "UTC"), 60)
        )
    if tally.ais:
        yield f"AI crawlers and assistants: {_reasons(tally.ais)}"
    if tally.without_site:
        named = [(host, lines) for host, lines in tally.without_site.most_common() if host][:_HOSTS]
        listed = [f"{visible(host.replace('#', 'number '))} {lines:,}" for host, lines in named]
        if rest := tally.without_site.total() - sum(lines for _, lines in named):
            listed.append(f"others, or none that is a host's name {rest:,}")
        yield f"Hosts without a site: {', '.join(listed)}"
        yield "  Give them one in Matomo or with --site, and import their lines with --include-host."
    if tally.days or tally.without_site or tally.ais:
        yield ""


_HOSTS = 20


def _examples(tally: Tally) -> Iterator[str]:
    for counts in tally.by_name():
        for line in counts.first_rejected:
            yield f"Rejected {visible(counts.source)}:{line.number} ({line.reason}): {visible(line.text, 100)}"
        for bucket, lines in counts.first_troubled.items():
            numbers = ", ".join(str(number) for number in sorted(lines))
            yield f"{_TROUBLES[bucket]}: {visible(counts.source)}, line {numbers}"
    if any(counts.first_rejected or counts.first_troubled for counts in tally.sources):
        yield ""


_TROUBLES = {
    "refused": "Refused by the server", "set_aside": "Set aside", "in_doubt": "Held in doubt",
}  # fmt: skip


def _console(tally: Tally) -> Iterator[str]:
    yield ""
    yield "To have the reports of these dates counted again, on the server:"
    yield from invalidations(tally.sites())
    yield f"  {ARCHIVE}"


def destination(url: str, site: str, database: str) -> str:
    """Where the run tracks to, as the summary's first line says it."""
    return f"{site} on {url}" if url else f"{site} of the embedded receiver, {visible(os.path.relpath(database))}"
