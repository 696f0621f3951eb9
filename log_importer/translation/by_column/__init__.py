"""Many lines translated together: what becomes of a page, a visitor or a referrer is worked out once for all of them.

Whether a line is tracked, and each parameter of its request, is made of few of its fields. So the columns that those
are read from are looked up together, and only what was not seen before is parsed, judged and encoded, by the same
functions as for a single line. A line about which that cannot say everything is left to `Translator.line`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from log_importer.model import Site
from log_importer.model.keys import download_key
from log_importer.parsing.columns import Columns
from log_importer.parsing.parser import Parser, Part
from log_importer.tracking.requests import measures, when_of
from log_importer.translation.by_column.codes import ALONE
from log_importer.translation.by_column.facts import NO_CODE, Facts, Find, Page, Referrer, Visitor
from log_importer.translation.by_column.fields import MEASURES, PAGE, REFERRER, VISITOR
from log_importer.translation.by_column.memory import Cached, Memory
from log_importer.translation.by_column.rows import Rows

BLOCK = 512
"""Lines that are translated together: so few that all that is made of them stays in the processor's cache."""


def client_part(parser: Parser) -> Part:
    """What tells whether the client is one at all, which is all that matters of the lines that are skipped anyway."""
    return parser.part(frozenset({"client_ip"}) | parser.required & VISITOR)


class ByColumn:
    """Translates lines that one parser reads."""

    def __init__(self, parser: Parser, facts: Facts) -> None:
        self._parser = parser
        self._facts = facts
        self.codes = facts.codes
        page, visitor, referrer, measured = map(parser.part, (PAGE, VISITOR, REFERRER, MEASURES))
        self._pages = Cached(facts.page, Page(ALONE), page)
        self._visitors = Cached(facts.visitor, Visitor(ALONE), visitor)
        self._clients = Cached(lambda _: NO_CODE, ALONE, client_part(parser))
        nowhere: Referrer = "", None
        self._referrers = Cached(facts.referrer, nowhere, referrer)
        self._measures = Cached(measures, "", measured)
        self._urls: dict[int, Memory[Page, str | None]] = {}

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
        if later := self._facts.means.changes.add_to_date:
            times = [None if time is None else time + later for time in times]
        pages = self._pages.of(columns)
        codes = [page.code for page in pages]
        of_visitors = self._facts.of_visitors
        if of_visitors:
            codes = list(map(min, codes, self._clients.of(columns)))
        undecided = [number for number, code in enumerate(codes) if code >= of_visitors]
        visitors = dict(zip(undecided, self._visitors.of(columns, undecided), strict=True))
        for number, visitor in visitors.items():
            if visitor.code < codes[number]:
                codes[number] = visitor.code
        codes = self._facts.in_time(times, codes, now)
        tracked = self.codes.tracked
        if some := [number for number, code in enumerate(codes) if code >= tracked]:
            self._track(columns, times, pages, visitors, some, codes, find, rows, first)
        verdicts.update(codes)
        alone = [first + place for place, code in zip(columns.places, codes, strict=True) if code == ALONE]
        if len(columns.places) < len(lines):
            alone += set(range(first, first + len(lines))).difference([first + place for place in columns.places])
        return sorted(alone)

    def _track(
        self,
        columns: Columns,
        times: Sequence[float | None],
        pages: Sequence[Page],
        visitors: Mapping[int, Visitor],
        some: Sequence[int],
        codes: list[int],
        find: Find,
        rows: Rows,
        first: int,
    ) -> None:
        """Makes the requests of those of the lines that are tracked; `codes` tells of which that cannot be done."""
        made = self._begun(pages, some, codes, find)
        some = [number for number, _, _ in made]
        urls = [url for _, _, url in made]
        asked, who = [pages[number] for number in some], [visitors[number] for number in some]
        for visitor in who:
            if not visitor.parameters:
                self._facts.complete(visitor)
        when = [time for number in some if (time := times[number]) is not None]  # the others have no code of these
        referrers = self._referrers.of(columns, some)
        for place in [place for place, page in enumerate(asked) if page.titled]:
            urls[place] += self._facts.title(asked[place], made[place][1], referrers[place][1])
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
        self, pages: Sequence[Page], some: Sequence[int], codes: list[int], find: Find
    ) -> list[tuple[int, Site, str]]:
        """Of each of these lines, its number, its site, and how its request begins."""
        asked = [pages[number] for number in some]
        if (one := self._facts.means.site) is not None:
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

    def _urls_of(self, site: Site) -> Memory[Page, str | None]:
        """How the request for a page of a site begins; `None` where its address is too long."""
        urls = self._urls.get(site.idsite)
        if urls is None:
            urls = self._urls[site.idsite] = Memory(lambda page: self._facts.url(page, site))
        return urls
