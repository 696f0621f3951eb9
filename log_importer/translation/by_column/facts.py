"""What pages, visitors and referrers say, of which each request is made: worked out once, and kept by who asks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from log_importer.model import Hit, Site
from log_importer.model.keys import agent_keys, file_key, identity_keys, visitor_keys
from log_importer.tracking.encoding import MAX_URL, percent
from log_importer.tracking.requests import Encoder, is_titled
from log_importer.tracking.rules.bots import Bot
from log_importer.tracking.rules.changes import Changes, changes_before, private, shape_of_url
from log_importer.tracking.rules.details import detail_of
from log_importer.tracking.rules.hosts import host_name
from log_importer.tracking.rules.networks import Networks
from log_importer.tracking.rules.selection import Rule
from log_importer.tracking.visitors import visitor_id
from log_importer.translation.by_column.additions import Additions
from log_importer.translation.by_column.codes import ALONE, Codes
from log_importer.translation.by_column.fields import ADDRESS, AGENT, BESIDE, PAGE, TIME, VISITOR

NO_CODE = 1 << 30
"""Larger than any code."""
NONE = Hit(0.0, "", "")
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
    additions: Additions  # by mapping rules
    changes: Changes


class Page:
    """What method, address and status say."""

    __slots__ = ("added", "code", "download", "file", "hit", "host", "partial", "titled")

    def __init__(
        self,
        code: int,
        hit: Hit = NONE,
        host: str = "",
        added: str = "",
        *,
        titled: bool = False,
        download: bool = False,
    ) -> None:
        self.code = code
        self.hit = hit
        self.host = host
        self.added = added
        self.titled = titled
        self.download = download
        self.file = file_key(hit) if download else 0
        self.partial = hit.status == 206


class Visitor:
    """What address, user agent and the like say."""

    __slots__ = ("added", "agent", "code", "hit", "key", "lane", "parameters")

    def __init__(self, code: int, hit: Hit = NONE, added: str = "") -> None:
        self.code = code
        self.hit = hit
        self.added = added
        self.parameters = ""  # and the keys, made for the first hit that is tracked
        self.key = self.agent = self.lane = 0


class Agent(NamedTuple):
    """What a user agent says."""

    code: int
    name: str | None = None
    added: tuple[str, str] | None = None  # by rules, at a search engine's and elsewhere; else worked out when asked


class Client(NamedTuple):
    """What an address says."""

    code: int
    address: str = ""  # as it is sent
    search_engine: bool = False  # known where rules ask for it


class Beside(NamedTuple):
    """What is said of a visitor beside address and user agent."""

    code: int
    parameters: str = ""
    keys: tuple[int, int] | None = None  # of who is known by more than address and user agent


class Facts:
    """Works them out, for all lines of a run."""

    def __init__(self, means: Means) -> None:
        self.means = means
        changes = means.changes
        self._before = changes_before(changes) or _unchanged
        self._private = private(changes) or _unchanged
        self._shape = shape_of_url(changes) or _unchanged
        self.codes = Codes(len(means.rules))
        self._page_rules, self._visitor_rules, self._time_rules = (
            [(number, rule) for number, rule in enumerate(means.rules) if rule.fields <= fields]
            for fields in (PAGE, VISITOR, TIME)
        )
        self.of_visitors = min((self.codes.first(number) for number, _ in self._visitor_rules), default=0)
        """The smallest code of a rule that looks at visitors."""
        self._agent_rules, self._address_rules, self._other_rules = (
            [(number, rule) for number, rule in self._visitor_rules if rule.fields <= fields]
            for fields in (AGENT, ADDRESS, BESIDE)
        )
        self.code_of_client = self.codes.of_tracked("") if self._address_rules else NO_CODE
        """The code of an address that no rule skips."""
        self.networks = self._networks()
        """Which networks rules skip, and with which code; `None` where they look at more of addresses than that."""
        found = len(self._agent_rules) + len(self._address_rules) + len(self._other_rules)
        added_apart = means.additions.of_visitors is None or means.additions.of_agents is not None
        self.apart = found == len(self._visitor_rules) and added_apart and not means.visitor_ids
        """Whether each rule and each parameter of visitors is of the user agent, of the address, or of all the rest."""

    def _networks(self) -> Sequence[tuple[Networks, int]] | None:
        found = []
        for number, rule in self._address_rules:
            if rule.networks is None:
                return None
            if (example := rule.networks.example) is not None:
                hit = Hit(0.0, example, "")
                reason = rule.reason(hit, 0.0) or ""
                found.append((rule.networks, self.codes.of(number, reason, "", detail_of(reason, hit, None))))
        return found

    def page(self, hit: Hit) -> Page:
        """What a hit's page is and whether its hits are skipped."""
        hit = self._before(hit)
        code = self._verdict(self._page_rules, hit)
        host = host_name(hit.host or self.means.log_hostname)
        added = self.means.additions.of_pages(hit) if self.means.additions.of_pages is not None else ""
        if added is None:
            return Page(ALONE)
        titled = is_titled(hit)
        download = not titled and self.means.encoder.is_download(hit)
        return Page(code, self._shape(hit), host, added, titled=titled, download=download)

    def visitor(self, hit: Hit) -> Visitor:
        """Who a hit's visitor is and whether their hits are skipped."""
        code = self._verdict(self._visitor_rules, hit, self._bot(hit))
        added = self.means.additions.of_visitors(hit) if self.means.additions.of_visitors is not None else ""
        return Visitor(ALONE) if added is None else Visitor(code, self._private(hit), added)

    def agent(self, hit: Hit) -> Agent:
        """What a hit's user agent is and whether its hits are skipped."""
        code, rules = self._verdict(self._agent_rules, hit, self._bot(hit)), self.means.additions.of_agents
        if rules is None or rules.always:
            return Agent(code, hit.user_agent)
        elsewhere, search_engine = rules.elsewhere(hit), rules.search_engine(hit)
        if elsewhere is None or search_engine is None:
            return Agent(ALONE)
        return Agent(code, hit.user_agent, (search_engine, elsewhere))

    def added_to(self, agent: Agent, *, elsewhere: bool) -> str:
        """The parameters that rules, of which there are some, add for a user agent, here or at a search engine's."""
        if agent.added is not None:
            return agent.added[elsewhere]
        rules = self.means.additions.of_agents
        assert rules is not None
        return (rules.elsewhere if elsewhere else rules.search_engine)(NONE._replace(user_agent=agent.name)) or ""

    def client(self, address: str) -> Client:
        """What an address is and whether its hits are skipped."""
        rules, added = self._address_rules, self.means.additions.of_agents
        code = self._verdict(rules, Hit(0.0, address, "")) if rules else self.code_of_client
        sent = self._private(Hit(0.0, address, "")).client_ip
        return Client(code, sent, added is not None and added.is_search_engine(address))

    def beside(self, hit: Hit) -> Beside:
        """Who a hit's visitor is by all but address and user agent, and whether their hits are skipped."""
        code, hit = self._verdict(self._other_rules, hit), self._private(hit)
        known = visitor_id(hit, "")
        identity = hit.user_id or known
        keys = identity_keys(identity) if identity else None
        return Beside(code, self.means.encoder.beside(hit, known), keys)

    def of_agent(self, agent: Agent) -> str:
        """The parameter that tells a user agent."""
        return self.means.encoder.agent(agent.name)

    def keys_of_agent(self, agent: Agent) -> tuple[int, Sequence[int]]:
        """The key of a user agent, and its lanes."""
        return agent_keys(agent.name or "")

    def _bot(self, hit: Hit) -> Bot | None:
        return self.means.is_bot(hit.user_agent) if hit.user_agent else None

    def complete(self, visitor: Visitor) -> None:
        """Makes what only the visitors of hits that are tracked need."""
        hit = visitor.hit
        known = visitor_id(hit, self.means.visitor_ids)
        visitor.key, visitor.agent, visitor.lane = visitor_keys(
            hit.client_ip, hit.user_agent or "", hit.user_id or known
        )  # fmt: skip
        visitor.parameters = self.means.encoder.visitor(hit, known) + visitor.added

    def _verdict(self, rules: Iterable[tuple[int, Rule]], hit: Hit, bot: Bot | None = None) -> int:
        """The code of the first rule that skips a hit. Whose rules look at no time, so there is none."""
        ai = bot.name if bot is not None and bot.ai else ""
        for number, rule in rules:
            reason = rule.reason(hit, 0.0)
            if reason is not None:
                return self.codes.of(number, reason, ai if reason == "bot" else "", detail_of(reason, hit, bot))
        return self.codes.of_tracked(ai if self.means.bots else "")

    def url(self, page: Page, site: Site) -> str | None:
        """How the request for a page of a site begins; `None` where its address is too long."""
        url = self.means.encoder.url(page.hit, site)
        if len(url) > MAX_URL:
            return None
        encoded = percent(url)
        kind = f"&download={encoded}" if page.download else ""
        return f"{self.means.encoder.head(site)}&url={encoded}{kind}{page.added}"

    def title(self, page: Page, site: Site, referrer: str | None) -> str:
        """The parameter for the title of a page that has one."""
        encoder = self.means.encoder
        return encoder.title(page.hit, encoder.url(page.hit, site), referrer)

    def referrer(self, hit: Hit) -> "Referrer":
        """What the referrer says."""
        hit = self._before(hit)
        return self.means.encoder.referrer(hit), hit.referrer

    def in_time(self, times: Sequence[float | None], codes: list[int], now: float) -> list[int]:
        """The codes of hits at these times, which have those codes by all but their time."""
        if None in times:
            codes = [ALONE if time is None else code for time, code in zip(times, codes, strict=True)]
        known = [time for time in times if time is not None]
        if not known or self.all_in_time(min(known), max(known), now):
            return codes
        for number, rule in self._time_rules:
            for place, time in enumerate(times):
                reason = rule.reason(NONE._replace(time=time), now) if time is not None else None
                if reason is not None:
                    codes[place] = min(codes[place], self.codes.of(number, reason))
        return codes

    def all_in_time(self, first: float, last: float, now: float) -> bool:
        """Whether no hit between these times is skipped for its time: all such rules ask for an interval."""
        ends = [NONE._replace(time=time) for time in (first, last)]
        return all(rule.reason(hit, now) is None for _, rule in self._time_rules for hit in ends)


Referrer = tuple[str, str | None]
"""A parameter, and what it tells."""


def _unchanged(hit: Hit) -> Hit:
    return hit
