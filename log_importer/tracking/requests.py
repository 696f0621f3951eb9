"""A hit -> its tracking request: every parameter that is always sent or that the log has a value for.

Reference: https://developer.matomo.org/api-reference/tracking-api
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from log_importer.model import Hit, Site
from log_importer.tracking.encoding import MAX_URL, cut_url, percent
from log_importer.tracking.rules.files import DOWNLOAD_EXTENSIONS, extension, is_static


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the user says about the parameters."""

    bots: bool = False
    static: bool = False
    reverse_dns: bool = False
    log_hostname: str = ""  # for hits whose log names no host
    downloads: frozenset[str] = DOWNLOAD_EXTENSIONS
    visitor_ids: str = ""  # how those are made that no cookie tells
    title_delimiter: str = "/"  # between the categories of a page title
    ai_bots: bool = False  # hits that people's AI assistants make are sent for the server's reports of them

    @property
    def constant(self) -> str:
        """What all requests have."""
        return f"&rec=1&apiv=1&dp={0 if self.reverse_dns else 1}" + ("&bots=1" if self.bots else "")


NONE_SET: Mapping[str, str] = {}
_MOST = 1024
"""Encoded values of a kind that are remembered."""


class Encoder:
    """Makes tracking requests, part by part: each part is made of few fields, and can be made once for many hits."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._constant = tracking.constant
        self._agent = lru_cache(maxsize=_MOST)(percent)
        self._referrer = lru_cache(maxsize=_MOST)(percent)
        self._origin = lru_cache(maxsize=_MOST)(_origin)

    def encode(
        self, hit: Hit, site: Site, visitor: str = "", given: Mapping[str, str] = NONE_SET
    ) -> tuple[str, bool, bool]:
        """The query string with its leading "?", whether it is a download, whether its url was cut.

        `visitor` is the visitor's id, "" for none; `given` are the parameters that rules have set.
        """
        url = given.get("url") or self.url(hit, site)
        cut = len(url) > MAX_URL
        if cut:
            url = cut_url(url)
        page = percent(url)
        kind, download = "", False
        if is_titled(hit):
            kind = self.title(hit, url, hit.referrer)
        elif self.is_download(hit):
            download = True
            kind = f"&download={page}"
        when, who = when_of(hit.time), self.visitor(hit, visitor)
        query = f"{self.head(site)}&url={page}{kind}{who}{when}{self.referrer(hit)}{measures(hit)}"
        return (_with(query, given) if given else query), download, cut

    def head(self, site: Site) -> str:
        """What all requests for a site begin with."""
        return f"?idsite={site.idsite}{self._constant}"

    def url(self, hit: Hit, site: Site) -> str:
        """The page's address, by scheme, host, path and query; it may be too long."""
        return self._origin(hit.scheme, hit.host, self._tracking.log_hostname, site.main_url) + _target(hit)

    def title(self, hit: Hit, url: str, referrer: str | None) -> str:
        """The parameter for the title of a hit that has one, by its status, address and referrer."""
        return f"&action_name={percent(_title(hit.status or 200, url, referrer, self._tracking.title_delimiter))}"

    def is_download(self, hit: Hit) -> bool:
        """Whether the path is that of a file which people save."""
        return self._tracking.static if is_static(hit.path) else extension(hit.path) in self._tracking.downloads

    def visitor(self, hit: Hit, visitor: str) -> str:
        """The parameters that tell the visitor, by address, user agent, language, user and visitor id."""
        return address(hit.client_ip) + self.beside(hit, visitor) + self.agent(hit.user_agent)

    def agent(self, name: str | None) -> str:
        """The parameter that tells the user agent."""
        return f"&ua={self._agent(name)}" if name else ""

    def beside(self, hit: Hit, visitor: str) -> str:
        """The parameters that tell the visitor by all but address and user agent."""
        parts = []
        if hit.accept_language:
            parts.append(f"&lang={percent(hit.accept_language)}")
        if hit.user_id:
            parts.append(f"&uid={percent(hit.user_id)}")
        if visitor:
            parts.append(f"&cid={visitor}&_id={visitor}")
        return "".join(parts)

    def referrer(self, hit: Hit) -> str:
        """The parameter that tells where the visitor came from, by the referrer."""
        return f"&urlref={self._referrer(hit.referrer)}" if hit.referrer else ""


def address(client_ip: str) -> str:
    """The parameter that tells the address."""
    return f"&cip={percent(client_ip)}"


def is_titled(hit: Hit) -> bool:
    """Whether the title says what the server answered, by the status: an error, or a redirect."""
    return hit.status is not None and (hit.status >= 400 or (300 <= hit.status < 400 and hit.status != 304))


def measures(hit: Hit) -> str:
    """The parameters for duration, bytes and events, by these."""
    parts = []
    if hit.duration is not None:
        milliseconds = round(hit.duration * 1000)
        parts.append(f"&gt_ms={milliseconds}&pf_srv={milliseconds}")
    if hit.bytes_sent is not None:
        parts.append(f"&bw_bytes={hit.bytes_sent}")
    if hit.event_category and hit.event_action:
        parts.append(f"&e_c={percent(hit.event_category)}&e_a={percent(hit.event_action)}")
        if hit.event_name:
            parts.append(f"&e_n={percent(hit.event_name)}")
    return "".join(parts)


_KIND = frozenset({"download", "link", "search", "idgoal", "e_c", "c_n"})
"""Parameters of which the first that a request has tells what it is."""


def _with(query: str, given: Mapping[str, str]) -> str:
    """`query` with the parameters that are given instead of its own."""
    replaced = given.keys() - _ENCODED
    if "recMode" in given:  # a server that routes bots itself must not be told to take them as people
        replaced = replaced | {"bots"}
    gone = replaced | {"download"} if _KIND & given.keys() else replaced
    kept = [pair for pair in query.split("&") if pair.partition("=")[0] not in gone]
    added = [f"{name}={percent(given[name])}" for name in given if name in replaced]
    return "&".join(kept + added)


_ENCODED = frozenset({"url", "cip", "cdt", "ua", "uid", "cid", "_id"})
"""Given values that the hit has."""


def _origin(scheme: str | None, host: str | None, log_hostname: str, main_url: str) -> str:
    """Scheme and host: the log's, else the user's, else those of the site's main URL."""
    main_scheme, _, _ = main_url.partition("://")
    host = host or log_hostname
    if not host:
        return main_url
    if "://" in host:  # --log-hostname may say which scheme
        named, _, host = host.partition("://")
        scheme = scheme or named
    host = host.lower().rstrip("/").rstrip(".")
    for default_port in (":80", ":443"):
        host = host.removesuffix(default_port)
    return f"{scheme or main_scheme or 'http'}://{host}"


def _target(hit: Hit) -> str:
    path = hit.path
    if not path.startswith("/"):
        path = "/" + path
    target = path if hit.query is None else f"{path}?{hit.query}"
    return target.replace("#", "%23")  # no fragment, which no browser sends, and which a server would cut off


def _title(status: int, url: str, referrer: str | None, between: str) -> str:
    title = f"{status}{between}URL = {_quoted(url)}"
    return f"{title}{between}From = {_quoted(referrer)}" if referrer else title


def _quoted(text: str) -> str:
    # Slashes make categories of a page title, so none may be left.
    return quote(text, safe="", errors="replace")


def when_of(time: float) -> str:
    """The parameter that tells the time, to the second."""
    hour, second = divmod(int(time // 1), 3600)
    return hour_of(hour) + second_of(second)


_TWO = [f"{number:02}" for number in range(60)]


@lru_cache(maxsize=4096)
def hour_of(hour: int) -> str:
    """The parameter up to the hour, of which so many are since 1970 UTC; `second_of` gives what follows."""
    return f"{_day_of(hour // 24)}{_TWO[hour % 24]}"


def second_of(second: int) -> str:
    """The rest of the parameter, by the second in the hour."""
    return f"%3A{_TWO[second // 60]}%3A{_TWO[second % 60]}"


@lru_cache(maxsize=256)
def _day_of(day: int) -> str:
    return datetime.fromtimestamp(day * 86400, UTC).strftime("&cdt=%Y-%m-%d+")
