"""The function at the heart: `(bytes, Context) -> ChunkResult`.

Format, rules and encoding are compiled once; inside, no settings are looked up, and no file, socket or clock is
touched. It must not know who calls it: this process, a worker process, or a machine of a cluster.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from log_importer.model import ChunkResult, Context, RejectedLine, Site
from log_importer.model.keys import download_key, file_key, visitor_keys
from log_importer.translation.by_column import BLOCK
from log_importer.translation.by_column.packed import Packed, packed
from log_importer.translation.by_column.rows import Rows
from log_importer.translation.line import TURNED, UNREADABLE, Translator
from log_importer.translation.plan import Judges, Plan
from log_importer.translation.sharing import sharing

_SAMPLES_PER_CHUNK = 3
"""Rejected lines kept with their text where nobody asked for all of them."""
FEW = 8
"""Lines that are translated one by one in less time than it takes to begin with many."""


def compile_translation(plan: Plan, judges: Judges, *, few: int = FEW) -> Callable[[bytes, Context], ChunkResult]:
    """Compiles `plan` into the function. So many lines, and fewer, are translated one by one."""
    translators: dict[str, Translator] = {}

    def translate(data: bytes, context: Context) -> ChunkResult:
        translator = translators.get(context.format)
        if translator is None:
            translator = translators[context.format] = Translator(plan, judges, context.format)
        hosts = _Hosts(context.sites or {})
        translator.use(context.columns, hosts.find)
        result = _chunk(data, context, translator, plan, hosts, few)
        if result.rejected.get(UNREADABLE.reason, 0) >= TURNED and translator.turn(data.split(b"\n")):
            return _chunk(data, context, translator, plan, hosts, few)
        return result

    return sharing(translate, plan.shard)


class _Hosts:
    """What is known of hosts' sites, and which hosts were asked for in vain."""

    def __init__(self, sites: Mapping[str, Site | None]) -> None:
        self._sites = sites
        self.unknown: dict[str, None] = {}
        self.without: Counter[str] = Counter()

    def find(self, host: str) -> Site | None:
        """The site of `host`."""
        try:
            site = self._sites[host]
        except KeyError:
            self.unknown[host] = None
            return None
        if site is None:
            self.without[host] += 1
        return site


def _chunk(data: bytes, context: Context, translator: Translator, plan: Plan, hosts: _Hosts, few: int) -> ChunkResult:
    now = context.now
    one = translator.line
    rows = Rows()
    skipped: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    rejected_lines: list[RejectedLine] = []
    skipped_lines: list[tuple[int, str]] = []
    left_out: Counter[str] = Counter()
    ais: Counter[str] = Counter()
    details: Counter[tuple[str, str]] = Counter()
    cut_urls = 0
    hosts.without.clear()
    starts = translator.together.starts(data)
    lines = len(starts) - 1

    def alone(places: Iterable[int]) -> None:
        nonlocal cut_urls
        for place in places:
            raw = data[starts[place] : starts[place + 1] - 1]
            number = context.first_line + place
            hit, query, reason, bad, download, cut, identity, unset, idsite, ai, detail = one(raw, now, number)
            if ai:
                ais[ai] += 1
            if query is not None:
                assert hit is not None
                keys = visitor_keys(hit.client_ip, hit.user_agent or "", identity)
                file = download_key(keys[0], file_key(hit)) if download else 0
                rows.add(place, query, hit.time, keys, idsite, file, hit.status == 206)
                cut_urls += cut
                if unset:
                    left_out.update(unset)
            elif bad:
                rejected[reason] += 1
                if plan.keep_rejected or len(rejected_lines) < _SAMPLES_PER_CHUNK:
                    rejected_lines.append(
                        RejectedLine(number, context.offset + starts[place], reason, translator.shown(raw))
                    )
            else:
                skipped[reason] += 1
                if detail:
                    details[reason, detail] += 1
                if plan.keep_skipped:
                    skipped_lines.append((number, reason))

    together: Packed | None = None
    if context.wanted is None:
        begin = translator.begin_of_many(data, starts, context.first_line)
        alone(range(begin))
        together, left = _together(data, starts, begin, few, now, translator, hosts, rows, skipped, ais, details)
        alone(left)
    else:
        wanted = set(context.wanted)
        alone(place for place in range(lines) if context.offset + starts[place] in wanted)
    made = packed(rows) if together is None else together
    if together is not None:
        made.insert(rows)
    numbers, offsets = translator.together.placed(made.places, starts, context.first_line, context.offset)
    return ChunkResult(
        lines=lines if context.wanted is None else len(context.wanted), blob=made.blob, lengths=made.lengths,
        numbers=numbers, offsets=offsets, times=made.times,
        visitors=made.visitors, agents=made.agents, lanes=made.lanes, sites=made.idsites, downloads=made.downloads,
        ranges=made.partial,
        skipped=skipped, rejected=rejected, rejected_lines=rejected_lines,
        cut_urls=cut_urls, left_out=left_out, without_site=dict(hosts.without), unknown_hosts=tuple(hosts.unknown),
        ais=ais, details=details, skipped_lines=skipped_lines,
    )  # fmt: skip


def _together(
    data: bytes,
    starts: "array[int]",
    begin: int,
    few: int,
    now: float,
    translator: Translator,
    hosts: _Hosts,
    rows: Rows,
    skipped: Counter[str],
    ais: Counter[str],
    details: Counter[tuple[str, str]],
) -> tuple[Packed | None, Sequence[int]]:
    """Translates those lines from place `begin` on that can be together: requests beside `rows`; the others' places."""
    together, end = translator.together, len(starts) - 1
    facts, reader = together.facts, translator.reader_of_many()
    if facts is None or reader is None or end - begin <= few:
        return None, range(begin, end)
    natively = together.natively(reader, data, starts, begin)
    found = natively.translate(data, starts, begin, now, hosts.find) if natively is not None else None
    if found is not None:
        made, verdicts, left = found
        facts.codes.count(verdicts, skipped, ais, details)
        return made, left
    alone: list[int] = []
    texts = translator.texts(data)
    for first in range(begin, end, BLOCK):
        reader = translator.reader_of_many()
        by_column = together.by_column(reader) if reader is not None else None
        if by_column is None:
            return None, [*alone, *range(first, end)]
        verdicts = Counter()
        alone += by_column.translate(texts[first : min(first + BLOCK, end)], now, hosts.find, verdicts, rows, first)
        facts.codes.count(verdicts, skipped, ais, details)
    return None, alone
