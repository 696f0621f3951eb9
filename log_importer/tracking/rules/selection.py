"""What the user asked to have in or out, and the rules for it: date, host, path, user agent, address.

A rule gives the reason to skip a hit, or `None`, by the fields that it looks at.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple

from log_importer.model import Hit
from log_importer.tracking.rules.files import DOWNLOAD_EXTENSIONS
from log_importer.tracking.rules.networks import Networks


class Rule(NamedTuple):
    """Why a hit is skipped."""

    fields: frozenset[str]  # of a hit, all that it looks at
    reason: Callable[[Hit, float], str | None]  # of a hit and the time now
    networks: Networks | None = None  # where it skips the addresses that lie in them, and no others


def looking_at(*fields: str) -> Callable[[Callable[[Hit, float], str | None]], Rule]:
    """Makes a rule of a function that looks at these fields of a hit."""
    return lambda reason: Rule(frozenset(fields), reason)


METHODS = frozenset({"GET", "POST"})
"""What people's browsers do."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is tracked and what is not."""

    static: bool = False
    bots: bool = False
    http_errors: bool = False
    http_redirects: bool = False
    downloads: frozenset[str] = DOWNLOAD_EXTENSIONS
    not_before: float | None = None  # seconds since 1970 UTC
    not_after: float | None = None
    hosts: tuple[str, ...] = ()  # shell patterns; () is every host
    exclude_hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()  # shell patterns on the path without its query; () is every path
    exclude_paths: tuple[str, ...] = ()
    exclude_agents: tuple[str, ...] = ()  # parts of user agents, in any case
    exclude_addresses: tuple[str, ...] = ()  # addresses and networks
    log_hostname: str = ""  # the host of hits whose log names none
    methods: frozenset[str] = METHODS
    statuses: tuple[str, ...] = ()  # 404, 2xx; () is every status
    replay: bool = False  # hits are those on a tracker, which says itself what they are
    lines: int = 0  # so many at the beginning of each source are left out


def chosen_before(selection: Selection) -> list[Rule]:
    """The user's rules that come before all others."""
    rules: list[Rule] = []
    if selection.not_before is not None or selection.not_after is not None:
        rules.append(_date(selection.not_before, selection.not_after))
    if selection.hosts or selection.exclude_hosts:
        rules.append(_host(_any(selection.hosts), _any(selection.exclude_hosts), selection.log_hostname))
    if selection.paths or selection.exclude_paths:
        rules.append(_path(_any(selection.paths), _any(selection.exclude_paths)))
    return rules


def chosen_after(selection: Selection) -> list[Rule]:
    """The user's rules that come after all others."""
    rules: list[Rule] = []
    if selection.statuses:
        rules.append(_status(selection.statuses))
    if selection.exclude_agents:
        rules.append(_agent(selection.exclude_agents))
    if selection.exclude_addresses:
        rules.append(_address(selection.exclude_addresses))
    return rules


def _date(not_before: float | None, not_after: float | None) -> Rule:
    first = -math.inf if not_before is None else not_before
    last = math.inf if not_after is None else not_after
    return looking_at("time")(lambda hit, _: None if first <= hit.time <= last else "date")


def _any(patterns: Iterable[str]) -> Callable[[str], object] | None:
    """Whether one of the shell patterns matches; `None` where there is none."""
    joined = "|".join(translate(pattern) for pattern in patterns)
    return re.compile(joined).match if joined else None


def _host(wanted: Callable[[str], object] | None, excluded: Callable[[str], object] | None, named: str) -> Rule:
    @lru_cache(maxsize=16384)
    def is_out(host: str) -> bool:
        host = re.sub(r":[0-9]+$", "", host.lower().rstrip("."))
        return bool((wanted and not wanted(host)) or (excluded and excluded(host)))

    return looking_at("host")(lambda hit, _: "host" if is_out(hit.host or named) else None)


def _path(wanted: Callable[[str], object] | None, excluded: Callable[[str], object] | None) -> Rule:
    @looking_at("path")
    def path(hit: Hit, _now: float) -> str | None:
        return "path" if (wanted and not wanted(hit.path)) or (excluded and excluded(hit.path)) else None

    return path


def _status(wanted: Iterable[str]) -> Rule:
    patterns = [re.sub("[xX]", "[0-9]", status) for status in wanted]
    fits = lru_cache(maxsize=1024)(re.compile("|".join(patterns)).fullmatch)
    return looking_at("status")(lambda hit, _: None if hit.status is not None and fits(str(hit.status)) else "status")


def _agent(parts: Iterable[str]) -> Rule:
    lowered = tuple(part.lower() for part in parts)

    @lru_cache(maxsize=16384)
    def is_out(agent: str) -> bool:
        agent = agent.lower()
        return any(part in agent for part in lowered)

    return looking_at("user_agent")(lambda hit, _: "user-agent" if hit.user_agent and is_out(hit.user_agent) else None)


def _address(networks: Iterable[str]) -> Rule:
    excluded = Networks(ip_network(network, strict=False) for network in networks)
    is_out = lru_cache(maxsize=8192)(excluded)
    rule = looking_at("client_ip")(lambda hit, _: "ip" if is_out(hit.client_ip) else None)
    return rule._replace(networks=excluded)
