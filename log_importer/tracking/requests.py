"""A hit -> its tracking request: every parameter that is always sent or that the log has a value for.

Reference: https://developer.matomo.org/api-reference/tracking-api
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from log_importer.model import Hit, Site
from log_importer.rules.files import DOWNLOAD_EXTENSIONS, extension, is_static
from log_importer.tracking.encoding import MAX_URL, cut_url, percent


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


Encode = Callable[[Hit, Site, str, Mapping[str, str]], tuple[str, bool, bool]]
"""Of a hit, its site, its visitor's id ("" for none) and the parameters that rules have set: the query string with its
leading "?", whether it is a download, whether its url was cut."""
NONE_SET: Mapping[str, str] = {}


def compile_encoder(tracking: Tracking) -> Encode:
    """One function from a hit to its tracking request."""
    constant = tracking.constant
    encoded_agent = lru_cache(maxsize=16384)(percent)
    encoded_referrer = lru_cache(maxsize=16384)(percent)
    origin = lru_cache(maxsize=16384)(_origin)

    def is_download(path: str) -> bool:
        if is_static(path):
            return tracking.static
        return extension(path) in tracking.downloads

    def encode(hit: Hit, site: Site, visitor: str = "", given: Mapping[str, str] = NONE_SET) -> tuple[str, bool, bool]:
        url = given.get("url") or origin(hit.scheme, hit.host, tracking.log_hostname, site.main_url) + _target(hit)
        cut = len(url) > MAX_URL
        if cut:
            url = cut_url(url)
        page = percent(url)
        parts = [f"?idsite={site.idsite}{constant}&url={page}&cip={percent(hit.client_ip)}&cdt={cdt_of(hit.time)}"]
        if hit.referrer:
            parts.append(f"&urlref={encoded_referrer(hit.referrer)}")
        if hit.user_agent:
            parts.append(f"&ua={encoded_agent(hit.user_agent)}")
        if hit.accept_language:
            parts.append(f"&lang={percent(hit.accept_language)}")
        status = hit.status or 200
        download = False
        if status >= 400 or (300 <= status < 400 and status != 304):
            parts.append(f"&action_name={percent(_title(status, url, hit.referrer, tracking.title_delimiter))}")
        elif is_download(hit.path):
            download = True
            parts.append(f"&download={page}")
        if hit.user_id:
            parts.append(f"&uid={percent(hit.user_id)}")
        if visitor:
            parts.append(f"&cid={visitor}&_id={visitor}")
        if hit.duration is not None:
            milliseconds = round(hit.duration * 1000)
            parts.append(f"&gt_ms={milliseconds}&pf_srv={milliseconds}")
        if hit.bytes_sent is not None:
            parts.append(f"&bw_bytes={hit.bytes_sent}")
        if hit.event_category and hit.event_action:
            parts.append(f"&e_c={percent(hit.event_category)}&e_a={percent(hit.event_action)}")
            if hit.event_name:
                parts.append(f"&e_n={percent(hit.event_name)}")
        query = "".join(parts)
        return (_with(query, given) if given else query), download, cut

    return encode


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


@lru_cache(maxsize=4096)
def _day(day: int) -> str:
    return datetime.fromtimestamp(day * 86400, UTC).strftime("%Y-%m-%d")


def cdt_of(time: float) -> str:
    """The value of `cdt`, percent-encoded."""
    day, second = divmod(int(time // 1), 86400)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_day(day)}%20{hour:02}%3A{minute:02}%3A{second:02}"
