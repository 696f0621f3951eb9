"""The function at the heart: `(bytes, Context) -> ChunkResult`.

Format, rules and encoding are compiled once; inside, no settings are looked up, and no file, socket or clock is
touched. It must not know who calls it: this process, a worker process, or a machine of a cluster.
"""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from log_importer.model import ChunkResult, Context, Hit, Rejected, RejectedLine, Site
from log_importer.parsing.detect import detect
from log_importer.parsing.lines import BOM, LineReader
from log_importer.parsing.parser import Reading
from log_importer.parsing.spec import FormatSpec
from log_importer.rules.bots import Bot
from log_importer.rules.changes import Changes, changes_before, private, scrubber, shape_of_url
from log_importer.rules.exclusions import compile_exclusions, servers_own
from log_importer.rules.hosts import host_name
from log_importer.rules.mapping import MappingRule, Matched, compile_rules, with_values
from log_importer.rules.selection import Selection
from log_importer.tracking.requests import NONE_SET, Tracking, compile_encoder
from log_importer.tracking.visitors import visitor_id

MAX_LINE_BYTES = 65536
"""Longer lines are rejected as `oversize`."""

_TURNED = 20
"""So many lines of a chunk that its format cannot read, and they are looked at for another."""

_SAMPLES_PER_CHUNK = 3
"""Rejected lines kept with their text where nobody asked for all of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the function is compiled from; a plain value that travels to worker processes."""

    site: Site | None  # of all hits; `None`: each host has its own
    sites: Mapping[int, Site] = field(default_factory=dict)  # those that rules name
    formats: Mapping[str, FormatSpec] = field(default_factory=dict)  # by name, those that sources are in
    reading: Reading = field(default_factory=Reading)
    selection: Selection = field(default_factory=Selection)
    changes: Changes = field(default_factory=Changes)
    tracking: Tracking = field(default_factory=Tracking)
    rules: Sequence[MappingRule] = ()
    fallbacks: Sequence[FormatSpec] = ()  # that a source may turn to in its middle
    encoding: str = "utf-8"
    max_line_bytes: int = MAX_LINE_BYTES
    keep_rejected: bool = False  # all rejected lines with their text, not only the first few


@dataclass(frozen=True, slots=True)
class Judges:
    """What cannot travel because it is code: the verdicts on user agents and addresses."""

    is_bot: Callable[[str], Bot | None]
    search_engine: Callable[[str], bool]


class Outcome(NamedTuple):
    """What becomes of one line. `query` is there where the hit is to be tracked, `reason` where it is not."""

    hit: Hit | None
    query: str | None
    reason: str = ""
    rejected: bool = False
    download: bool = False
    cut: bool = False
    identity: str = ""  # of a visitor who is known by more than address and browser
    left_out: Sequence[str] = ()  # parameters that rules set to what a server cannot take
    idsite: int = 0


Find = Callable[[str], Site | None]
"""A host's name, "" where there is none -> its site."""


def _nowhere(_host: str) -> None:
    return None


class Translator:
    """Turns lines in one format, in order, into outcomes."""

    def __init__(self, plan: Plan, judges: Judges, format_name: str) -> None:
        spec = plan.formats.get(format_name)
        self._reading = plan.reading
        self._reader = LineReader(spec, plan.reading) if spec else None
        self._fallbacks = plan.fallbacks
        self._second: LineReader | None = None
        self._encoding = plan.encoding
        self._rules = compile_exclusions(plan.selection, judges.is_bot, judges.search_engine)
        self._servers_own = servers_own(plan.selection, judges.is_bot, judges.search_engine)
        self._mapping = compile_rules(plan.rules, _bot_name(judges))
        self._before, self._private = changes_before(plan.changes), private(plan.changes)
        self._shape = shape_of_url(plan.changes)
        self._scrub = scrubber(plan.changes)
        self._encode = compile_encoder(plan.tracking)
        self._site = plan.site
        self._sites = plan.sites
        self._log_hostname = plan.tracking.log_hostname
        self._find: Find = _nowhere
        self._visitor_ids = plan.tracking.visitor_ids
        self._max = plan.max_line_bytes
        self._leave_out = plan.selection.lines

    def line(self, raw: bytes, now: float, number: int) -> Outcome:
        """The outcome of the source's line `number`, given without its newline; `now` in seconds since 1970 UTC."""
        if number <= self._leave_out:
            outcome = self._line(raw, now)  # a directive among them still takes effect
            told = not outcome.rejected and outcome.hit is None
            return outcome if told else Outcome(None, None, "skip")
        return self._line(raw, now)

    def _line(self, raw: bytes, now: float) -> Outcome:
        if len(raw) > self._max:
            raw = raw.lstrip(b"\0")  # a hole that copytruncate left may stand before a line
            if not 0 < len(raw) <= self._max:
                return Outcome(None, None, "oversize", rejected=True)
        hit = self._read(self._text(raw))
        if isinstance(hit, str):
            return Outcome(None, None, hit)
        if isinstance(hit, Rejected):
            return Outcome(None, None, hit.reason, rejected=True)
        if self._before is not None:
            hit = self._before(hit)
        for rule in self._rules:
            reason = rule(hit, now)
            if reason is not None:
                return Outcome(self._as_sent(hit), None, reason)
        if self._mapping is not None:
            return self._mapped(hit, now, self._mapping)
        site = self._site or self._find(host_name(hit.host or self._log_hostname))
        hit = self._as_sent(hit)
        if site is None:
            return Outcome(hit, None, "no-site")
        known = visitor_id(hit, self._visitor_ids)
        query, download, cut = self._encode(hit, site, known, NONE_SET)
        return Outcome(hit, query, "", False, download, cut, hit.user_id or known, (), site.idsite)

    def _mapped(self, hit: Hit, now: float, mapping: Callable[[Hit], Matched]) -> Outcome:
        """The outcome of a hit that no exclusion skips, by the user's mapping rules."""
        try:
            matched = mapping(hit)
        except TimeoutError:
            return Outcome(None, None, "pattern-time", rejected=True)
        if self._private is not None:  # rules may look at all of a hit, but what they set leaves this machine
            hit = self._private(hit)
        values, left_out = matched.values(hit)
        if self._shape is not None:
            hit = self._shape(hit)
        if matched.skip:
            return Outcome(hit, None, matched.skip)
        if values:
            hit = with_values(hit, values)
            for rule in self._servers_own:
                reason = rule(hit, now)
                if reason is not None:
                    return Outcome(hit, None, reason)
        if "idsite" in values:
            site = self._sites.get(int(values.pop("idsite")))
        else:
            site = self._site or self._find(host_name(hit.host or self._log_hostname))
        if site is None:
            return Outcome(hit, None, "no-site")
        known = values.get("cid") or values.get("_id") or visitor_id(hit, self._visitor_ids)
        query, download, cut = self._encode(hit, site, known, values)
        return Outcome(hit, query, "", False, download, cut, hit.user_id or known, left_out, site.idsite)

    def shown(self, raw: bytes) -> bytes:
        """A line as it may be shown and kept where no format reads it."""
        return (
            raw
            if self._scrub is None
            else self._scrub(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        )

    def _as_sent(self, hit: Hit) -> Hit:
        if self._private is not None:
            hit = self._private(hit)
        return hit if self._shape is None else self._shape(hit)

    def use(self, header: str, find: "Find | None" = None) -> None:
        """Puts the `#Fields:` line `header` in force; "" for none. Begins a chunk; `find` knows the hosts' sites."""
        self._second = None
        if find is not None:
            self._find = find
        if self._reader is not None:
            self._reader.use(header)

    def turn(self, lines: Sequence[bytes]) -> bool:
        """Whether many of `lines`, those of a chunk, are in another format; `line` reads them too from here on.

        A line or two never are: a line cut short in one format may be whole in a poorer one.
        """
        if not self._fallbacks:
            return False
        texts = [self._text(raw) for raw in lines if len(raw) <= self._max]
        unread = [text for text in texts if self._read(text) == _UNREADABLE]
        found = detect(unread[:_LOOK], self._fallbacks, self._reading).best if len(unread) >= _TURNED else None
        if found is None or found.read < _TURNED or found.read * 2 < found.lines:
            return False
        self._second = LineReader(found.spec, self._reading)
        return True

    def _text(self, raw: bytes) -> str:
        text = raw.decode(self._encoding, "surrogateescape").removesuffix("\r")
        return text.lstrip("\0") if text.startswith("\0") else text

    def _read(self, text: str) -> Hit | Rejected | str:
        if self._reader is None:  # nothing reads this source, but every line of it is accounted for
            found: Hit | Rejected | str = "blank" if not text or text.isspace() else _UNREADABLE
        else:
            found = self._reader.read(text.removeprefix(BOM))
        if self._second is not None and found == _UNREADABLE:
            return self._second.read(text)
        return found


def _bot_name(judges: Judges) -> Callable[[Hit], str | None]:
    def bot_name(hit: Hit) -> str | None:
        bot = judges.is_bot(hit.user_agent) if hit.user_agent else None
        if bot is not None:
            return bot.name
        return "search engine" if judges.search_engine(hit.client_ip) else None

    return bot_name


_UNREADABLE = Rejected("unreadable")
_LOOK = 1000
"""Lines that are enough to tell a format."""


def compile_translation(plan: Plan, judges: Judges) -> Callable[[bytes, Context], ChunkResult]:
    """Compiles `plan` into the function."""
    translators: dict[str, Translator] = {}

    def translate(data: bytes, context: Context) -> ChunkResult:
        translator = translators.get(context.format)
        if translator is None:
            translator = translators[context.format] = Translator(plan, judges, context.format)
        hosts = _Hosts(context.sites or {})
        translator.use(context.columns, hosts.find)
        result = _chunk(data, context, translator, plan.keep_rejected, hosts)
        if result.rejected.get(_UNREADABLE.reason, 0) >= _TURNED and translator.turn(data.split(b"\n")):
            return _chunk(data, context, translator, plan.keep_rejected, hosts)
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


def _chunk(data: bytes, context: Context, translator: Translator, keep_rejected: bool, hosts: _Hosts) -> ChunkResult:
    now = context.now
    one = translator.line
    blob: list[bytes] = []
    lengths, numbers, offsets, times = array("I"), array("Q"), array("Q"), array("d")
    visitors, agents, lanes, sites = array("Q"), array("I"), array("H"), array("I")
    downloads, ranges = array("Q"), array("B")
    skipped: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    rejected_lines: list[RejectedLine] = []
    left_out: Counter[str] = Counter()
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
        hit, query, reason, bad, download, cut, identity, unset, idsite = one(raw, now, number)
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
            if keep_rejected or len(rejected_lines) < _SAMPLES_PER_CHUNK:
                rejected_lines.append(RejectedLine(number, offset, reason, translator.shown(raw)))
        else:
            skipped[reason] += 1
        offset += len(raw) + 1
    return ChunkResult(
        lines=len(lines) if wanted is None else len(wanted), blob=b"".join(blob), lengths=lengths, numbers=numbers,
        offsets=offsets, times=times, visitors=visitors, agents=agents, lanes=lanes, sites=sites, downloads=downloads,
        ranges=ranges, skipped=skipped, rejected=rejected, rejected_lines=rejected_lines, cut_urls=cut_urls,
        left_out=left_out, without_site=dict(hosts.without), unknown_hosts=tuple(hosts.unknown),
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
