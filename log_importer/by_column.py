"""Many lines translated together: what becomes of a page, a visitor or a referrer is worked out once for all of them.

Whether a line is tracked, and each parameter of its request, is made of few of its fields. So the columns that those
are read from are looked up together, and only what was not seen before is parsed, judged and encoded, by the same
functions as for a single line. A line about which that cannot say everything is left to `Translator.line`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from log_importer.keys import download_key, file_key, visitor_keys
from log_importer.model import Hit, Site
from log_importer.parsing.columns import Columns
from log_importer.parsing.parser import Parser, Part
from log_importer.rules.bots import Bot
from log_importer.rules.hosts import host_name
from log_importer.rules.mapping import MappingRule, Matched, looks_at, only_adds
from log_importer.rules.selection import Rule
from log_importer.tracking.encoding import MAX_URL, percent
from log_importer.tracking.requests import Encoder, is_titled, measures, when_of
from log_importer.tracking.visitors import visitor_id

_PAGE = frozenset({"method", "scheme", "host", "path", "query", "status"})
_VISITOR = frozenset({"client_ip", "user_agent", "accept_language", "user_id", "visitor_cookie"})
_REFERRER = frozenset({"referrer"})
_MEASURES = frozenset({"duration", "bytes_sent", "event_category", "event_action", "event_name"})
_TIME = frozenset({"time"})
_MOST = 8192
"""Values of a kind that are remembered."""
_LONGEST = 2048
"""Characters of a key; what is longer is worked out each time, so that clients cannot fill the memory."""
_REASONS = 1024
"""Codes of a rule."""
_ALONE = -1
"""The code of a line that is to be looked at alone."""

BLOCK = 512
"""Lines that are translated together: so few that all that is made of them stays in the processor's cache."""
JUDGED = _PAGE | _VISITOR | _TIME
"""Fields that rules may look at, and that a format may require."""
_NONE = Hit(0.0, "", "")
Cells = tuple[str | None, ...]
Value = TypeVar("Value")


class Row(NamedTuple):
    """The tracking request of a line."""

    place: int
    query: str
    time: float
    visitor: int
    agent: int
    lane: int
    idsite: int
    download: int
    partial: bool


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
    of_pages: Callable[[Hit], Matched] | None = None  # mapping rules that add to what a page says
    of_visitors: Callable[[Hit], Matched] | None = None


def grouped(rules: Sequence[MappingRule]) -> tuple[list[MappingRule], list[MappingRule]] | None:
    """The mapping rules that look at pages, and those that look at visitors; `None` where that is not all they do."""
    pages = [rule for rule in rules if looks_at(rule) <= _PAGE]
    visitors = [rule for rule in rules if rule not in pages and looks_at(rule) <= _VISITOR]
    of_pages, of_visitors = ({name for rule in some for name, _ in rule.set} for some in (pages, visitors))
    all_of_them = len(pages) + len(visitors) == len(rules)
    return (pages, visitors) if all_of_them and all(map(only_adds, rules)) and not of_pages & of_visitors else None


def _added(rules: Callable[[Hit], Matched] | None, hit: Hit) -> str | None:
    """The parameters that mapping rules add; `None` where there is more to say."""
    if rules is None:
        return ""
    try:
        values, left_out = rules(hit).values(hit)
    except TimeoutError:
        return None
    return None if left_out else "".join(f"&{name}={percent(value)}" for name, value in values.items())


class _Memory(dict[Cells, Value]):
    """What was worked out of cells of lines, as far as a bounded memory goes."""

    def __init__(self, work_out: Callable[[Hit], Value], alone: Value, part: Part) -> None:
        """`alone` is the value where `part` reads nothing."""
        self._work_out = work_out
        self._alone = alone
        self._part = part

    def __missing__(self, cells: Cells) -> Value:
        hit = self._part.read(cells)
        value = self._alone if hit is None else self._work_out(hit)
        if sum(len(cell) for cell in cells if cell is not None) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[cells] = value
        return value

    def of(self, columns: Columns, some: Sequence[int] | None = None) -> list[Value]:
        """What there is of each line of `columns`, or of `some` of them."""
        cells = [columns.values[place] for place in self._part.places]
        if not cells:
            return [self[()]] * len(columns.places if some is None else some)
        if some is not None:
            cells = [[column[number] for number in some] for column in cells]
        return list(map(self.__getitem__, zip(*cells, strict=True)))


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

    __slots__ = ("agent", "code", "key", "lane", "parameters")

    def __init__(self, code: int, parameters: str = "", keys: tuple[int, int, int] = (0, 0, 0)) -> None:
        self.code = code
        self.parameters = parameters
        self.key, self.agent, self.lane = keys


class Codes:
    """Verdicts as numbers: the smaller, the earlier the rule. What is tracked has one from `tracked` on."""

    def __init__(self, rules: int) -> None:
        self.tracked = rules * _REASONS
        self._codes: dict[tuple[int, str, str], int] = {}
        self.meaning: dict[int, tuple[str, str]] = {}
        """Code -> the reason, "" for what is tracked, and the name of the AI that asked."""
        self.without_site = self.of(rules + 2, "no-site")

    def of_tracked(self, ai: str) -> int:
        """The code of what is tracked; `ai` is the name of the AI that asked, "" for none."""
        return self.of(self.tracked // _REASONS + (not ai), "", ai)

    def of(self, rule: int, reason: str, ai: str = "") -> int:
        """The code of a reason that the rule of that number gives."""
        key = rule, reason, ai
        code = self._codes.get(key)
        if code is None:
            code = rule * _REASONS + sum(one[0] == rule for one in self._codes) % _REASONS
            self._codes[key] = code
            self.meaning[code] = reason, ai
        return code


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
        self._pages = _Memory(self._page, _Page(_ALONE), page)
        self._visitors = _Memory(self._visitor, _Visitor(_ALONE), visitor)
        nowhere: tuple[str, str | None] = "", None
        self._referrers = _Memory(lambda hit: (means.encoder.referrer(hit), hit.referrer), nowhere, referrer)
        self._measures = _Memory(measures, "", measured)
        self._urls: dict[int, dict[_Page, str | None]] = {}

    def translate(
        self, lines: Sequence[str], now: float, find: Callable[[str], Site | None], verdicts: Counter[int],
        first: int = 0,
    ) -> tuple[list[Row], list[int]]:  # fmt: skip
        """The requests of those lines that are tracked, and the places of the lines that are to be looked at alone.

        Places are counted from `first` on.

        The codes of all others are counted in `verdicts`. `now` is in seconds since 1970 UTC; `find` knows the sites
        of hosts, where each has its own.
        """
        columns = self._parser.read_all(lines)
        if not columns.places:
            return [], list(range(first, first + len(lines)))
        times = self._parser.times(columns)
        pages, visitors = self._pages.of(columns), self._visitors.of(columns)
        codes = list(map(min, [page.code for page in pages], [visitor.code for visitor in visitors]))
        codes = self._in_time(times, codes, now)
        tracked = self.codes.tracked
        rows: list[Row] = []
        if some := [number for number, code in enumerate(codes) if code >= tracked]:
            referrers = self._referrers.of(columns, some)
            measured = self._measures.of(columns, some)
            for number, (referred, referrer), measure in zip(some, referrers, measured, strict=True):
                page, visitor, time = pages[number], visitors[number], times[number]
                assert time is not None
                site = self._means.site or find(page.host)
                if site is None:
                    codes[number] = self.codes.without_site
                    continue
                url = self._url(page, site)
                if url is None:
                    codes[number] = _ALONE
                    continue
                if page.titled:
                    url += self._means.encoder.title(page.hit, self._means.encoder.url(page.hit, site), referrer)
                rows.append(
                    Row(
                        first + columns.places[number],
                        f"{url}{visitor.parameters}{when_of(time)}{referred}{measure}",
                        time, visitor.key, visitor.agent, visitor.lane, site.idsite,
                        download_key(visitor.key, page.file) if page.download else 0, page.partial,
                    )
                )  # fmt: skip
        verdicts.update(codes)
        alone = [place for place, code in zip(columns.places, codes, strict=True) if code == _ALONE]
        if len(columns.places) < len(lines):
            alone += set(range(len(lines))).difference(columns.places)
        return rows, sorted(first + place for place in alone)

    def count(self, verdicts: Counter[int], skipped: Counter[str], ais: Counter[str]) -> None:
        """Adds what `verdicts` mean to the lines that were skipped, and to those that an AI asked for."""
        for code, lines in verdicts.items():
            if code == _ALONE:
                continue
            reason, ai = self.codes.meaning[code]
            if reason:
                skipped[reason] += lines
            if ai:
                ais[ai] += lines

    def _in_time(self, times: Sequence[float | None], codes: list[int], now: float) -> list[int]:
        """The codes of hits at these times, which have those codes by all but their time."""
        if None in times:
            codes = [_ALONE if time is None else code for time, code in zip(times, codes, strict=True)]
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
        added = _added(self._means.of_pages, hit)
        if added is None:
            return _Page(_ALONE)
        titled = is_titled(hit)
        download = not titled and self._means.encoder.is_download(hit)
        return _Page(code, hit, host, added, titled=titled, download=download)

    def _visitor(self, hit: Hit) -> "_Visitor":
        bot = self._means.is_bot(hit.user_agent) if hit.user_agent else None
        code = self._verdict(self._visitor_rules, hit, bot.name if bot is not None and bot.ai else "")
        added = _added(self._means.of_visitors, hit)
        if added is None:
            return _Visitor(_ALONE)
        known = visitor_id(hit, self._means.visitor_ids)
        keys = visitor_keys(hit.client_ip, hit.user_agent or "", hit.user_id or known)
        return _Visitor(code, self._means.encoder.visitor(hit, known) + added, keys)

    def _verdict(self, rules: Iterable[tuple[int, Rule]], hit: Hit, ai: str = "") -> int:
        """The code of the first rule that skips a hit. Whose rules look at no time, so there is none."""
        for number, rule in rules:
            reason = rule.reason(hit, 0.0)
            if reason is not None:
                return self.codes.of(number, reason, ai if reason == "bot" else "")
        return self.codes.of_tracked(ai if self._means.bots else "")

    def _url(self, page: "_Page", site: Site) -> str | None:
        """How the request for a page of a site begins; `None` where its address is too long."""
        urls = self._urls.setdefault(site.idsite, {})
        try:
            return urls[page]
        except KeyError:
            pass
        url = self._means.encoder.url(page.hit, site)
        made: str | None = None
        if len(url) <= MAX_URL:
            encoded = percent(url)
            made = f"{self._means.encoder.head(site)}&url={encoded}{page.added}" + (
                f"&download={encoded}" * page.download
            )
        if len(urls) >= _MOST:
            urls.clear()
        urls[page] = made
        return made
