"""The function at the heart: `(bytes, Context) -> ChunkResult`.

Format, rules and encoding are compiled once; inside, no settings are looked up, and no file, socket or clock is
touched. It must not know who calls it: this process, a worker process, or a machine of a cluster.
"""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from zlib import crc32

from log_importer.model import ChunkResult, Context, Hit, RejectedLine, Site
from log_importer.translator import TURNED, UNREADABLE, Judges, Plan, Translator

_SAMPLES_PER_CHUNK = 3
"""Rejected lines kept with their text where nobody asked for all of them."""


def compile_translation(plan: Plan, judges: Judges) -> Callable[[bytes, Context], ChunkResult]:
    """Compiles `plan` into the function."""
    translators: dict[str, Translator] = {}

    def translate(data: bytes, context: Context) -> ChunkResult:
        translator = translators.get(context.format)
        if translator is None:
            translator = translators[context.format] = Translator(plan, judges, context.format)
        hosts = _Hosts(context.sites or {})
        translator.use(context.columns, hosts.find)
        result = _chunk(data, context, translator, plan, hosts)
        if result.rejected.get(UNREADABLE.reason, 0) >= TURNED and translator.turn(data.split(b"\n")):
            return _chunk(data, context, translator, plan, hosts)
        return result

    return translate


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


def _chunk(data: bytes, context: Context, translator: Translator, plan: Plan, hosts: _Hosts) -> ChunkResult:
    now = context.now
    one = translator.line
    blob: list[bytes] = []
    lengths, numbers, offsets, times = array("I"), array("Q"), array("Q"), array("d")
    visitors, agents, lanes, sites = array("Q"), array("I"), array("H"), array("I")
    downloads, ranges = array("Q"), array("B")
    skipped: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    rejected_lines: list[RejectedLine] = []
    skipped_lines: list[tuple[int, str]] = []
    left_out: Counter[str] = Counter()
    ais: Counter[str] = Counter()
    cut_urls = 0
    hosts.without.clear()
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    wanted = None if context.wanted is None else set(context.wanted)
    offset = context.offset
    for number, raw in enumerate(lines, context.first_line):
        if wanted is not None and offset not in wanted:
            offset += len(raw) + 1
            continue
        hit, query, reason, bad, download, cut, identity, unset, idsite, ai = one(raw, now, number)
        if ai:
            ais[ai] += 1
        if query is not None:
            assert hit is not None
            encoded = query.encode("ascii")
            visitor, agent, lane = visitor_keys(hit.client_ip, hit.user_agent or "", identity)
            blob.append(encoded)
            lengths.append(len(encoded))
            numbers.append(number)
            offsets.append(offset)
            times.append(hit.time)
            visitors.append(visitor)
            agents.append(agent)
            lanes.append(lane)
            sites.append(idsite)
            downloads.append(download_key(visitor, hit) if download else 0)
            ranges.append(hit.status == 206)
            cut_urls += cut
            if unset:
                left_out.update(unset)
        elif bad:
            rejected[reason] += 1
            if plan.keep_rejected or len(rejected_lines) < _SAMPLES_PER_CHUNK:
                rejected_lines.append(RejectedLine(number, offset, reason, translator.shown(raw)))
        else:
            skipped[reason] += 1
            if plan.keep_skipped:
                skipped_lines.append((number, reason))
        offset += len(raw) + 1
    return ChunkResult(
        lines=len(lines) if wanted is None else len(wanted), blob=b"".join(blob), lengths=lengths, numbers=numbers,
        offsets=offsets, times=times, visitors=visitors, agents=agents, lanes=lanes, sites=sites, downloads=downloads,
        ranges=ranges, skipped=skipped, rejected=rejected, rejected_lines=rejected_lines, cut_urls=cut_urls,
        left_out=left_out, without_site=dict(hosts.without), unknown_hosts=tuple(hosts.unknown),
        ais=ais, skipped_lines=skipped_lines,
    )  # fmt: skip


@lru_cache(maxsize=8192)
def visitor_keys(address: str, agent: str, identity: str = "") -> tuple[int, int, int]:
    """Keys that are the same in every process: the visitor (64 bit), the user agent (32), the lane (16).

    A visitor, to Matomo, is a user or a visitor id, `identity`, and only without one an address and a browser. The lane
    is that of the user agent without its digits and two bits of the address: few distinct user agents meet in a batch,
    and one busy browser does not fill a lane. Who has an identity may come from anywhere.
    """
    raw_agent = agent.encode("utf-8", "surrogatepass")
    if identity:
        known = identity.encode("utf-8", "surrogatepass")
        return crc32(known) << 32 | crc32(known[::-1]), crc32(raw_agent), crc32(known) & 0xFFFF
    raw_address = crc32(address.encode("utf-8", "surrogatepass"))
    agent_key = crc32(raw_agent)
    lane = crc32(_DIGITS.sub(b"", raw_agent) + bytes([raw_address & 3])) & 0xFFFF
    return raw_address << 32 | agent_key, agent_key, lane


_DIGITS = re.compile(rb"[0-9]+")


def download_key(visitor: int, hit: Hit) -> int:
    """A 64-bit key of a visitor's download of a file; never 0."""
    file = f"{hit.host}{hit.path}?{hit.query}"
    spread = crc32(file.encode("utf-8", "surrogatepass")) * 0x9E3779B97F4A7C15
    return ((visitor ^ spread) & 0xFFFFFFFFFFFFFFFF) or 1
