"""What becomes of each log line and why, as one object a line; nothing is sent."""

from array import array
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from log_importer.model import Hit
from log_importer.model.errors import LogImporterError
from log_importer.model.keys import download_key, file_key, visitor_keys
from log_importer.native import load
from log_importer.runs.hosts import OfflineHosts
from log_importer.runs.output.progress import Progress
from log_importer.runs.planning import plan_of
from log_importer.runs.reading.chunks_in_order import Reader, Wait
from log_importer.runs.reading.survey import look
from log_importer.runs.tally import Tally
from log_importer.settings import Settings
from log_importer.tracking.rules.ranges import Ranges
from log_importer.translation.bot_rules import judges
from log_importer.translation.line import Outcome, Translator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLACEHOLDER = "http://localhost"
"""Main URL of the embedded receiver's site, and of any site where no server is asked for it."""


def explain(settings: Settings, say: Callable[[str], None], errors: list[LogImporterError]) -> Iterator[dict[str, Any]]:
    """The objects, in source order; sources that cannot be read, or not to their end, are added to `errors`."""
    inputs = look(settings, say)
    errors.extend(inputs.errors)
    hosts = OfflineHosts(settings, PLACEHOLDER)
    sites = {idsite: hosts.site(idsite) for idsite in settings.rule_sites}
    plan = plan_of(settings, inputs, hosts.one, sites, ai_bots=settings.ai_bots)
    verdicts = judges()
    tally = Tally()
    ranges = Ranges(load())
    translators: dict[str, Translator] = {}
    reader = Reader(inputs, tally, errors, Progress(bar=False), settings.max_line_bytes, lambda: False, say)
    for chunk in reader.chunks():
        if isinstance(chunk, Wait):
            continue
        context = chunk.context
        if context.format not in translators:
            translators[context.format] = Translator(plan, verdicts, context.format)
        translator = translators[context.format]
        translator.use(context.columns, hosts.find)
        offset = context.offset
        lines = chunk.data.removesuffix(b"\n").split(b"\n")
        translator.turn(lines)
        for number, raw in enumerate(lines, context.first_line):
            outcome = translator.line(raw, context.now, number)
            place = {
                "source": tally.sources[chunk.source].source,
                "line": number,
                "offset": offset,
                "format": context.format,
            }
            yield place | _explained(outcome, ranges)
            offset += len(raw) + 1
    errors.extend(
        LogImporterError(f"{one.source}: is incomplete: {one.incomplete}.") for one in tally.sources if one.incomplete
    )


def _explained(outcome: Outcome, ranges: Ranges) -> dict[str, Any]:
    hit = outcome.hit
    known: dict[str, Any] = {"hit": _fields(hit)} if hit is not None else {}
    if outcome.query is None:
        kind = "rejected" if outcome.rejected else "skipped"
        return {"outcome": kind, "reason": outcome.reason, **known}
    assert hit is not None
    if outcome.download:
        visitor, _, _ = visitor_keys(hit.client_ip, hit.user_agent or "", outcome.identity)
        key = array("Q", [download_key(visitor, file_key(hit))])
        if ranges.repeats(key, array("d", [hit.time]), array("B", [hit.status == 206])):
            return {"outcome": "skipped", "reason": "partial", **known}
    return {"outcome": "tracked", **known, "request": _parameters(outcome.query)}


def _fields(hit: Hit) -> dict[str, Any]:
    fields = {name: _text(value) for name, value in hit._asdict().items() if value is not None}
    fields["time"] = (_EPOCH + timedelta(seconds=hit.time)).isoformat().replace("+00:00", "Z")
    return fields


def _parameters(query: str) -> dict[str, str]:
    return dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True, errors="replace"))


def _text(value: Any) -> Any:
    """Stray bytes shown as replacement characters, since JSON text cannot hold them."""
    if not isinstance(value, str):
        return value
    try:
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # half a pair of surrogates, as JSON text can hold it
        return value.encode("utf-8", "replace").decode()
