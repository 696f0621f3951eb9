"""Many lines translated together: what becomes of a page, a visitor or a referrer is worked out once for all of them.

Whether a line is tracked, and each parameter of its request, is made of few of its fields. So the columns that those
are read from are looked up together, and only what was not seen before is parsed, judged and encoded, by the same
functions as for a single line. A line about which that cannot say everything is left to `Translator.line`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from log_importer.by_column.codes import ALONE, Codes
from log_importer.by_column.memory import MOST, Cached, Memory
from log_importer.by_column.rows import Rows
from log_importer.keys import download_key, file_key, visitor_keys
from log_importer.model import Hit, Site
from log_importer.parsing.columns import Columns
from log_importer.parsing.parser import Parser
from log_importer.rules.bots import Bot
from log_importer.rules.details import detail_of
from log_importer.rules.hosts import host_name
from log_importer.rules.mapping import MappingRule, compile_rules, looks_at, only_adds, rule_references
from log_importer.rules.selection import Rule
from log_importer.rules.values import BotName, compile_reference
from log_importer.tracking.encoding import MAX_URL, percent
from log_importer.tracking.requests import Encoder, is_titled, measures, when_of
from log_importer.tracking.visitors import visitor_id

_PAGE = frozenset({"method", "scheme", "host", "path", "query", "status"})
_VISITOR = frozenset({"client_ip", "user_agent", "accept_language", "user_id", "visitor_cookie"})
_REFERRER = frozenset({"referrer"})
_MEASURES = frozenset({"duration", "bytes_sent", "event_category", "event_action", "event_name"})
_TIME = frozenset({"time"})

BLOCK = 512
"""Lines that are translated together: so few that all that is made of them stays in the processor's cache."""
JUDGED = _PAGE | _VISITOR | _TIME
"""Fields that rules may look at, and that a format may require."""
_NO_CODE = 1 << 30
"""Larger than any code."""
_NONE = Hit(0.0, "", "")
Find = Callable[[str], Site | None]
"""The site of a host, where it has one."""


@dataclass(frozen=True, slots=True)
class Means:
    """What is the same for all lines of a run."""

    rules: Sequence[Rule]
    is_bot: Callable[[str], Bot | None]
    encoder: Encoder
    site: Site | None  # `None`: each host has its own
    log_hostname: str
    visitor_ids: str
    bots: bool  # their hits are tracked
    of_pages: Callable[[Hit], str | None] | None = None  # what mapping rules add to what a page says
    of_visitors: Callable[[Hit], str | None] | None = None


def grouped(rules: Sequence[MappingRule]) -> tuple[list[MappingRule], list[MappingRule]] | None:
    """The mapping rules that look at pages, and those that look at visitors; `None` where that is not all they do."""
    pages = [rule for rule in rules if looks_at(rule) <= _PAGE]
    visitors = [rule for rule in rules if rule not in pages and looks_at(rule) <= _VISITOR]
    of_pages, of_visitors = ({name for rule in some for name, _ in rule.set} for some in (pages, visitors))
    all_of_them = len(pages) + len(visitors) == len(rules)
    return (pages, visitors) if all_of_them and all(map(only_adds, rules)) and not of_pages & of_visitors else None


def compile_additions(rules: Sequence[MappingRule], bot: BotName) -> Callable[[Hit], str | None] | None:
    """The parameters that these rules add, `None` where they cannot tell; `None` where there are no rules."""
    apply = compile_rules(rules, bot)
    if apply is None:
        return None
    named = {name for rule in rules for name in rule_references(rule)}
    values = [compile_reference(name, bot) for name in sorted(named)]
    known: dict[tuple[str | None, ...], str | None] = {}

    def added(hit: Hit) -> str | None:
        key = tuple([value(hit) for value in values])
        if key not in known:
            if len(known) >= MOST:
                known.clear()
            known[key] = work_out(hit)
        return known[key]

    def work_out(hit: Hit) -> str | None:
        try:
            found, left_out = apply(hit).values(hit)
        except TimeoutError:
            return None
        return None if left_out else "".join(f"&{name}={percent(value)}" for name, value in found.items())

    return added


class _Page:
    """What method, address and status say."""

    __slots__ = ("added", "code", "download", "file", "hit", "host", "partial", "titled")

    def __init__(
        self, code: int, hit: Hit = _NONE, host: str = "", added: str = "", *, titled: bool = False,
        download: bool = False,
    ) -> None:  # fmt: skip
        self.code = code
        self.hit = hit
        self.host = host
        self.added = added
        self.titled = titled
        self.download = download
        self.file = file_key(hit) if download else 0
        self.partial = hit.status == 206


class _Visitor:
    """What address, user agent and the like say."""

    __slots__ = ("added", "agent", "code", "hit", "key", "lane", "parameters")

    def __init__(self, code: int, hit: Hit = _NONE, added: str = "") -> None:
        self.code = code
        self.hit = hit
        self.added = added
        self.parameters = ""  # and the keys, made for the first hit that is tracked
        self.key = self.agent = self.lane = 0


class ByColumn:
    """Translates lines that one parser reads."""

    def __init__(self, parser: Parser, means: Means) -> None:
        self._parser = parser
        self._means = means
        self.codes = Codes(len(means.rules))
        page, visitor, referrer, measured = map(parser.part, (_PAGE, _VISITOR, _REFERRER, _MEASURES))
        self._page_rules, self._visitor_rules, self._time_rules = (
            [(number, rule) for number, rule in enumerate(means.rules) if rule.fields <= fields]
            for fields in (_PAGE, _VISITOR, _TIME)
        )
        self._pages = Cached(self._page, _Page(ALONE), page)
        self._visitors = Cached(self._visitor, _Visitor(ALONE), visitor)
        # Most lines are skipped for what they ask for; of those it matters only whether the client is one at all.
        client = parser.part(frozenset({"client_ip"}) | parser.required & _VISITOR)
        self._clients = Cached(lambda _: _NO_CODE, ALONE, client)
        self._of_visitors = min((self.codes.first(number) for number, _ in self._visitor_rules), default=0)
        nowhere: tuple[str, str | None] = "", None
        self._referrers = Cached(lambda hit: (means.encoder.referrer(hit), hit.referrer), nowhere, referrer)
        self._measures = Cached(measures, "", measured)
        self._urls: dict[int, Memory[_Page, str | None]] = {}

    def translate(
        self, lines: Sequence[str], now: float, find: Find, verdicts: Counter[int], rows: Rows, first: int = 0
    ) -> list[int]:
        """Adds the requests of those lines that are tracked to `rows`; the places of the lines to be looked at alone.

        Places are counted from `first` on. The codes of all others are counted in `verdicts`. `now` is in seconds since
        1970 UTC; `find` knows the sites of hosts, where each has its own.
        """
        columns = self._parser.read_all(lines)
        if not columns.places:
            return list(range(first, first + len(lines)))
        times = self._parser.times(columns)
        pages = self._pages.of(columns)
        codes = [page.code for page in pages]
        if self._of_visitors:
            codes = list(map(min, codes, self._clients.of(columns)))
        undecided = [number for number, code in enumerate(codes) if code >= self._of_visitors]
        visitors = dict(zip(undecided, self._visitors.of(columns, undecided), strict=True))
        for number, visitor in visitors.items():
            if visitor.code < codes[number]:
                codes[number] = visitor.code
        codes = self._in_time(times, codes, now)
        tracked = self.codes.tracked
        if some := [number for number, code in enumerate(codes) if code >= tracked]:
            self._track(columns, times, pages, visitors, some, codes, find, rows, first)
        verdicts.update(codes)
        alone = [first + place for place, code in zip(columns.places, codes, strict=True) if code == ALONE]
        if len(columns.places) < len(lines):
            alone += set(range(first, first + len(lines))).difference([first + place for place in columns.places])
        return sorted(alone)

    def _track(
        self, columns: Columns, times: Sequence[float | None], pages: Sequence["_Page"],
        visitors: Mapping[int, "_Visitor"], some: Sequence[int], codes: list[int], find: Find, rows: Rows, first: int,
    ) -> None:  # fmt: skip
        """Makes the requests of those of the lines that are tracked; `codes` tells of which that cannot be done."""
        made = self._begun(pages, some, codes, find)
        some = [number for number, _, _ in made]
        urls = [url for _, _, url in made]
        asked, who = [pages[number] for number in some], [visitors[number] for number in some]
        for visitor in who:
            if not visitor.parameters:
                self._complete(visitor)
        when = [time for number in some if (time := times[number]) is not None]  # the others have no code of these
        referrers = self._referrers.of(columns, some)
        for place in [place for place, page in enumerate(asked) if page.titled]:
            hit, encoder = asked[place].hit, self._means.encoder
            urls[place] += encoder.title(hit, encoder.url(hit, made[place][1]), referrers[place][1])
        parameters = zip(
            urls, [visitor.parameters for visitor in who], map(when_of, when),
            [parameter for parameter, _ in referrers], self._measures.of(columns, some), strict=True,
        )  # fmt: skip
        keys = [visitor.key for visitor in who]
        rows.extend(
            [first + columns.places[number] for number in some], ["".join(parts) for parts in parameters], when, keys,
            [visitor.agent for visitor in who], [visitor.lane for visitor in who],
            [site.idsite for _, site, _ in made],
            [
                download_key(key, page.file) if page.download else 0
                for key, page in zip(keys, asked, strict=True)
            ],
            [page.partial for page in asked],
        )  # fmt: skip

    def _begun(
        self, pages: Sequence["_Page"], some: Sequence[int], codes: list[int], find: Find
    ) -> list[tuple[int, Site, str]]:  # fmt: skip
        """Of each of these lines, its number, its site, and how its request begins."""
        asked = [pages[number] for number in some]
        if (one := self._means.site) is not None:
            sites: list[Site | None] = [one] * len(some)
            urls = list(map(self._urls_of(one).__getitem__, asked))
        else:
            sites = [find(page.host) for page in asked]
            urls = [
                None if site is None else self._urls_of(site)[page] for site, page in zip(sites, asked, strict=True)
            ]  # fmt: skip
        found = list(zip(some, sites, urls, strict=True))
        made = [(number, site, url) for number, site, url in found if site is not None and url is not None]
        if len(made) < len(found):
            for number, site, url in found:
                if url is None:
                    codes[number] = self.codes.without_site if site is None else ALONE
        return made

    def _in_time(self, times: Sequence[float | None], codes: list[int], now: float) -> list[int]:
        """The codes of hits at these times, which have those codes by all but their time."""
        if None in times:
            codes = [ALONE if time is None else code for time, code in zip(times, codes, strict=True)]
        known = [time for time in times if time is not None]
        if not known:
            return codes
        # All such rules ask for an interval, in which all are where the first and the last are.
        ends = [_NONE._replace(time=time) for time in (min(known), max(known))]
        for number, rule in self._time_rules:
            if all(rule.reason(hit, now) is None for hit in ends):
                continue
            for place, time in enumerate(times):
                reason = rule.reason(_NONE._replace(time=time), now) if time is not None else None
                if reason is not None:
                    codes[place] = min(codes[place], self.codes.of(number, reason))
        return codes

    def _page(self, hit: Hit) -> "_Page":
        code = self._verdict(self._page_rules, hit)
        host = host_name(hit.host or self._means.log_hostname)
        added = self._means.of_pages(hit) if self._means.of_pages is not None else ""
        if added is None:
            return _Page(ALONE)
        titled = is_titled(hit)
        download = not titled and self._means.encoder.is_download(hit)
        return _Page(code, hit, host, added, titled=titled, download=download)

    def _visitor(self, hit: Hit) -> "_Visitor":
        bot = self._means.is_bot(hit.user_agent) if hit.user_agent else None
        code = self._verdict(self._visitor_rules, hit, bot)
        added = self._means.of_visitors(hit) if self._means.of_visitors is not None else ""
        return _Visitor(ALONE) if added is None else _Visitor(code, hit, added)

    def _complete(self, visitor: "_Visitor") -> None:
        """Makes what only the visitors of hits that are tracked need."""
        hit = visitor.hit
        known = visitor_id(hit, self._means.visitor_ids)
        visitor.key, visitor.agent, visitor.lane = visitor_keys(
            hit.client_ip, hit.user_agent or "", hit.user_id or known
        )  # fmt: skip
        visitor.parameters = self._means.encoder.visitor(hit, known) + visitor.added

    def _verdict(self, rules: Iterable[tuple[int, Rule]], hit: Hit, bot: Bot | None = None) -> int:
        """The code of the first rule that skips a hit. Whose rules look at no time, so there is none."""
        ai = bot.name if bot is not None and bot.ai else ""
        for number, rule in rules:
            reason = rule.reason(hit, 0.0)
            if reason is not None:
                return self.codes.of(number, reason, ai if reason == "bot" else "", detail_of(reason, hit, bot))
        return self.codes.of_tracked(ai if self._means.bots else "")

    def _urls_of(self, site: Site) -> Memory["_Page", str | None]:
        """How the request for a page of a site begins; `None` where its address is too long."""
        urls = self._urls.get(site.idsite)
        if urls is None:
            urls = self._urls[site.idsite] = Memory(lambda page: self._url(page, site))
        return urls

    def _url(self, page: "_Page", site: Site) -> str | None:
        url = self._means.encoder.url(page.hit, site)
        if len(url) > MAX_URL:
            return None
        encoded = percent(url)
        kind = f"&download={encoded}" if page.download else ""
        return f"{self._means.encoder.head(site)}&url={encoded}{kind}{page.added}"
