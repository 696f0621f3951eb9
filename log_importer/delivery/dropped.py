"""Which hits a server may drop in silence: it says "tracked" and stores nothing, so that they prove nothing."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple
from urllib.parse import unquote_plus, urlsplit

import regex

from log_importer.model.errors import ServerRefused, ServerUnreachable
from log_importer.tracking.rules.networks import Networks

_VALUE = re.compile(rb"[?&](idsite|cip|ua|urlref|url|bots)=([^&]*)")
_AS_REGEX = re.compile(r"([/#~!@%])(.+)\1([a-z]*)", re.DOTALL)
_LONGEST = 1024
_PATIENCE = 0.05
"""Seconds for an expression of the server's administrator."""


class _Exclusions(NamedTuple):
    """What a site keeps out."""

    networks: Callable[[str], bool]
    agents: tuple[str, ...]
    referrers: tuple[str, ...]
    hosts: frozenset[str] | None  # pages of other hosts are kept out; `None` where all are let in


def make_drops(
    api: Callable[..., Any], is_bot: Callable[[str], object], search_engine: Callable[[str], bool]
) -> Callable[[bytes], bool]:
    """Says of an encoded tracking request whether the server may drop it, as far as the token is told.

    `api` is `Server.api`, which is asked about a site when its first request comes. What the server does not tell is
    taken for nothing, so a hit that was not found proves something only together with one that was.
    """

    @cache
    def everywhere() -> Mapping[str, Any]:
        return {
            name: _told(api, f"SitesManager.getExcluded{method}Global")
            for name, method in (("ips", "Ips"), ("user_agents", "UserAgents"), ("referrers", "Referrers"))
        }

    @cache
    def exclusions(idsite: int) -> _Exclusions:
        return _exclusions(api, idsite, everywhere())

    def drops(query: bytes) -> bool:
        sent = {name: unquote_plus(value.decode("latin-1"), errors="replace") for name, value in _VALUE.findall(query)}
        address, agent, bots = (sent.get(name, "") for name in (b"cip", b"ua", b"bots"))
        if bots in ("", "0") and (is_bot(agent) or search_engine(address)):
            return True
        idsite = sent.get(b"idsite", "")
        if not re.fullmatch("[0-9]{1,9}", idsite):
            return False
        site = exclusions(int(idsite))
        referrer = sent.get(b"urlref", "").lower()
        return (
            site.networks(address)
            or any(_excludes(entry, agent) for entry in site.agents)
            or any(entry.lower() in referrer for entry in site.referrers)
            or (site.hosts is not None and _host(sent.get(b"url", "")) not in site.hosts)
        )

    return drops


def _exclusions(api: Callable[..., Any], idsite: int, everywhere: Mapping[str, Any]) -> _Exclusions:
    site = _told(api, "SitesManager.getSiteFromId", idSite=str(idsite))
    site = site[0] if isinstance(site, list) and site else site
    site = site if isinstance(site, dict) else {}
    ips, agents, referrers = (
        (*_entries(everywhere[name]), *_entries(site.get(f"excluded_{name}")))
        for name in ("ips", "user_agents", "referrers")
    )
    hosts = None
    if str(site.get("exclude_unknown_urls") or "0") != "0":
        urls = _told(api, "SitesManager.getSiteUrlsFromId", idSite=str(idsite))
        hosts = frozenset(map(_host, [str(site.get("main_url", "")), *_entries(urls)]))
    return _Exclusions(Networks(filter(None, map(_network, ips))), agents, referrers, hosts)


def _told(api: Callable[..., Any], method: str, **parameters: str) -> Any:
    """What the server says, `None` where it does not."""
    try:
        found = api(method, **parameters)
    except (ServerRefused, ServerUnreachable):
        return None
    return found.get("value") if isinstance(found, dict) and set(found) == {"value"} else found


def _entries(told: Any) -> tuple[str, ...]:
    """The entries of a list, or of a text with commas between them."""
    entries = told.split(",") if isinstance(told, str) else told if isinstance(told, list) else ()
    return tuple(entry.strip() for entry in entries if isinstance(entry, str) and entry.strip())


def _network(text: str) -> IPv4Network | IPv6Network | None:
    """An address, a network, or an IPv4 address with stars at its end."""
    stars = re.fullmatch(r"((?:[0-9]{1,3}\.){0,3})\*(?:\.\*)*", text)
    if stars:
        known = stars[1].count(".")
        text = f"{stars[1]}{'.'.join(['0'] * (4 - known))}/{8 * known}"
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _excludes(entry: str, agent: str) -> bool:
    if entry.lower() in agent.lower():
        return True
    expression = _AS_REGEX.fullmatch(entry)
    if expression is None:
        return False
    try:
        flags = regex.IGNORECASE if "i" in expression[3] else 0
        return regex.search(expression[2], agent[:_LONGEST], flags, timeout=_PATIENCE) is not None
    except TimeoutError:
        return True
    except regex.error:  # for the server, too, it is none
        return False


def _host(url: str) -> str:
    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")
