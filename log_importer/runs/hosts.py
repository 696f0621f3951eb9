"""Which site each host belongs to: by the user's table, else by the server's own list, else the fallback, else none."""

from collections.abc import Callable, Iterable, Mapping

from log_importer.delivery.server import Server
from log_importer.delivery.sites import (
    PATIENCE,
    NoSuchSite,
    add_site,
    check,
    explained,
    main_url,
    prove_token,
    sites_of_host,
    telling,
    version,
)
from log_importer.model import Site
from log_importer.settings import Settings
from log_importer.tracking.rules.hosts import compile_table, may_be_created

_REMEMBERED = 50_000
_AI_REPORTS = (5, 7)
"""The Matomo from which on there are reports of AI assistants."""
_TRAVELLING = 1_000
"""Hosts without a site that every chunk is told of; a scanner may invent any number of them."""


class Hosts:
    """The sites of a run. Each site is checked before anything is sent to it, each host is asked for once."""

    def __init__(
        self, settings: Settings, server: Server, now: Callable[[], float], say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._server = server
        self._now = now
        self._say = say
        self._patience = min(PATIENCE, settings.give_up_after)
        self._wait = telling(say, self._patience)
        self._table = compile_table(settings.sites)
        self._sites: dict[int, Site] = {}
        self._hosts: dict[str, Site | None] = {}
        self._said: set[str] = set()
        self.ai_bots = settings.ai_bots
        """Whether the server has reports of AI assistants, and they are asked for."""
        self.zones: dict[int, str] = {}
        """Site -> its time zone, as Matomo writes it."""
        self.created: dict[str, int] = {}
        """Host -> the site that was made for it in this run."""

    @property
    def one(self) -> Site | None:
        """The site of all hits, where the user named it."""
        return self._sites.get(self._settings.idsite)

    @property
    def sites(self) -> Mapping[int, Site]:
        """Those known, by number."""
        return self._sites

    def begin(self) -> None:
        """Checks all sites that the settings name. Raises `ServerRefused` and `ServerUnreachable`."""
        settings = self._settings
        named = {settings.idsite, settings.idsite_fallback, *settings.rule_sites} - {0}
        if not settings.idsite:
            named |= self._table.idsites
            prove_token(self._server, self._patience, self._wait)
        for idsite in sorted(named):
            self._site(idsite)
        if self.ai_bots and (known := version(self._server, self._patience, self._wait)) < _AI_REPORTS:
            self.ai_bots = False
            number = ".".join(str(part) for part in known) or "of unknown version"
            self._say(
                f"--ai-bots: {self._server.url} is a Matomo {number}, and reports of AI assistants begin with 5.7."
            )

    def travelling(self, hosts: Iterable[str] = ()) -> Mapping[str, Site | None] | None:
        """What a chunk is told of hosts, with all of `hosts`; `None` where all hits belong to one site."""
        if self._settings.idsite:
            return None
        without = [host for host, site in self._hosts.items() if site is None][-_TRAVELLING:]
        told = {host: site for host, site in self._hosts.items() if site is not None}
        return told | dict.fromkeys(without) | {host: self._hosts[host] for host in hosts}

    def learn(self, hosts: Iterable[str]) -> None:
        """Finds the sites of `hosts`. Raises `ServerRefused` and `ServerUnreachable`."""
        hosts = list(hosts)
        for host in list(self._hosts)[: max(0, len(self._hosts) + len(hosts) - _REMEMBERED)]:
            del self._hosts[host]
        for host in hosts:
            if host not in self._hosts:
                self._hosts[host] = self._found(host)

    def _found(self, host: str) -> Site | None:
        if host.startswith("#"):  # a site's number, as a tracker was told it
            try:
                return self._site(int(host[1:]))
            except NoSuchSite as error:
                self._say(f"{error.what} Hits for it are skipped, as no-site.")
            idsite = 0
        else:
            idsite = self._find(host) if host else 0
        idsite = idsite or self._settings.idsite_fallback
        return self._site(idsite) if idsite else None

    def _find(self, host: str) -> int:
        found = self._table.find(host)
        if found is not None:
            return found
        idsites = sites_of_host(self._server, host, self._patience, self._wait)
        if len(idsites) > 1:
            others = ", ".join(str(idsite) for idsite in idsites[1:])
            self._say(f"{host}: belongs to site {idsites[0]}, and to {others} too; --site {host}=ID decides.")
        if idsites or not self._settings.add_sites_new_hosts or not may_be_created(host):
            return idsites[0] if idsites else 0
        return self._add(host)

    def _add(self, host: str) -> int:
        if len(self.created) >= self._settings.max_new_sites:
            self._once(
                f"{len(self.created)} sites were made, and no more are, for whoever asks a web server names the host; "
                "--max-new-sites says how many."
            )
            return 0
        idsite = self.created[host] = add_site(self._server, host, self._patience, self._wait)
        return idsite

    def _site(self, idsite: int) -> Site:
        if idsite not in self._sites:
            site = main_url(self._server, idsite, self._patience, self._wait)
            check(self._server, [idsite], self._now(), self._patience, self._wait)
            if self._settings.debug_tracker:
                self._say(explained(self._server, idsite, self._now()))
            self._sites[idsite] = site
            self.zones[idsite] = site.timezone
        return self._sites[idsite]

    def _once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)


class OfflineHosts:
    """The same where no server is asked: by the user's table alone, else the fallback, else the first site."""

    def __init__(self, settings: Settings, main_url: str) -> None:
        self._idsite = settings.idsite
        self._table = compile_table(settings.sites)
        self._main_url = main_url
        self._fallback = settings.idsite_fallback or (0 if settings.sites else 1)

    @property
    def one(self) -> Site | None:
        """The site of all hits, where the user named it."""
        return self.site(self._idsite) if self._idsite else None

    def site(self, idsite: int) -> Site:
        """The site of that number."""
        return Site(idsite, self._main_url)

    def find(self, host: str) -> Site | None:
        """The site of `host`, or of the number behind `#`."""
        if host.startswith("#"):
            return self.site(int(host[1:]))
        idsite = (self._table.find(host) if host else None) or self._fallback
        return self.site(idsite) if idsite else None
