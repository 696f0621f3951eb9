"""Where a visit came from: a campaign, a search engine, a social network, another website, or nowhere.

The largest are named here as a Matomo names them, with the parameter that holds what was searched for; others by a list
of two thousand hosts that Ghost keeps for its own analytics (known_referrers/, with its licence).
"""

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

import orjson

from log_importer.receiver.urls import MAX_URL, Address, parse_address
from log_importer.tracking.page_queries import CAMPAIGN_KEYWORDS, CAMPAIGN_NAMES

_ENGINES = (
    (r"(?:www\.)?google\.[a-z.]{2,6}", "Google", ("q", "query")),
    (r"(?:[a-z]+\.)?bing\.com", "Bing", ("q",)),
    (r"(?:[a-z]+\.)?search\.yahoo\.com", "Yahoo!", ("p", "q")),
    (r"(?:www\.)?duckduckgo\.com", "DuckDuckGo", ("q",)),
    (r"(?:www\.)?yandex\.[a-z.]{2,6}", "Yandex", ("text",)),
    (r"(?:www\.|m\.)?baidu\.com", "Baidu", ("wd", "word", "kw")),
    (r"(?:www\.)?ecosia\.org", "Ecosia", ("q",)),
    (r"(?:www\.)?startpage\.com", "StartPage", ("query", "q")),
    (r"(?:www\.)?qwant\.com", "Qwant", ("q",)),
    (r"search\.brave\.com", "Brave", ("q",)),
)
_NETWORKS = (
    (r"(?:[a-z-]+\.)?facebook\.com|fb\.me", "Facebook"),
    (r"(?:mobile\.)?twitter\.com|t\.co|x\.com", "Twitter"),
    (r"(?:[a-z]+\.)?linkedin\.com|lnkd\.in", "LinkedIn"),
    (r"(?:[a-z]+\.)?reddit\.com", "reddit"),
    (r"(?:[a-z]+\.)?instagram\.com", "Instagram"),
    (r"(?:[a-z]+\.)?pinterest\.[a-z.]{2,6}", "Pinterest"),
    (r"(?:[a-z]+\.)?youtube\.com|youtu\.be", "YouTube"),
    (r"news\.ycombinator\.com", "Hacker News"),
    (r"(?:[a-z]+\.)?github\.com", "GitHub"),
)
_KEYWORDS = ("q", "query", "p", "text", "search", "s", "wd", "keyword")
"""Where search engines that are known by name alone may say what was searched for."""


class Referrer(NamedTuple):
    """As it is kept with the visit."""

    type: str  # direct, search, social, website, campaign
    name: str = ""
    url: str = ""
    keyword: str = ""


def classify(page: Address | None, referrer: str, own_hosts: frozenset[str]) -> Referrer:
    """The referrer of a visit that begins at `page`; `own_hosts` are those of the site."""
    referrer = referrer[:MAX_URL]
    came_from = parse_address(referrer)
    if page is not None and (name := page.parameter(*CAMPAIGN_NAMES)):
        foreign = came_from is not None and not _own(came_from, page, own_hosts)
        host = came_from.host if came_from is not None and foreign else ""
        keyword = page.parameter(*CAMPAIGN_KEYWORDS) or host
        return Referrer("campaign", name.lower(), referrer if foreign else "", keyword.lower())
    if came_from is None:
        return Referrer("direct")
    if _own(came_from, page, own_hosts):
        return Referrer("direct", "", referrer)
    kind, name, parameters = _known(came_from.host)
    keyword = came_from.parameter(*parameters).lower() if parameters else ""
    return Referrer(kind, name, referrer, keyword)


@lru_cache(4096)
def _known(host: str) -> tuple[str, str, tuple[str, ...]]:
    """Type and name of the referrer at `host`, and the parameters that may hold a keyword."""
    for pattern, name, parameters in _ENGINES:
        if re.fullmatch(pattern, host):
            return "search", name, parameters
    for pattern, name in _NETWORKS:
        if re.fullmatch(pattern, host):
            return "social", name, ()
    entry = _listed().get(host) or _listed().get(host.removeprefix("www.")) or {}
    if entry.get("medium") in ("search", "social"):
        return entry["medium"], entry["source"], _KEYWORDS if entry["medium"] == "search" else ()
    return "website", host, ()


@cache
def _listed() -> dict[str, dict[str, str]]:
    """Host -> what it is: `medium` search, social, email, ..., and its name as `source`."""
    text = (files("log_importer.receiver") / "known_referrers" / "referrers.json").read_bytes()
    found: dict[str, dict[str, str]] = orjson.loads(text)
    return found


def _own(came_from: Address, page: Address | None, own_hosts: frozenset[str]) -> bool:
    """Whether a referrer is the site itself, with or without www."""
    host = came_from.host.removeprefix("www.")
    return host in own_hosts or (page is not None and host == page.host.removeprefix("www."))
