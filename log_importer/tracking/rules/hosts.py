"""Hosts as logs name them: brought into one form, checked, and looked up in the user's table."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*").fullmatch
_PUBLIC = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*[a-z0-9]").fullmatch
_LONGEST = 253


@lru_cache(maxsize=8192)
def host_name(text: str) -> str:
    """The host in lower case, without scheme, port and the dot at its end; "" where it is no host's name or address.

    Whoever asks a web server chooses the Host header, so a log may hold anything.
    """
    host = text.strip().lower().rpartition("://")[2].rstrip("/")
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    host = host.removesuffix(".")
    return host if len(host) <= _LONGEST and (_NAME(host) or _is_address(host)) else ""


def may_be_created(host: str) -> bool:
    """Whether a site may be made for `host`: a full name, and no address."""
    return bool(_PUBLIC(host)) and "_" not in host and not _is_address(host)


def compile_table(pairs: Sequence[tuple[str, int]]) -> "Table":
    """A table of hosts, of which some begin with `*.`, and their sites; the last of two that are the same wins."""
    exact = {host.lower(): idsite for host, idsite in pairs if not host.startswith("*.")}
    below = {host.lower()[1:]: idsite for host, idsite in pairs if host.startswith("*.")}
    return Table(exact, below)


class Table:
    """The user's table of hosts."""

    def __init__(self, exact: Mapping[str, int], below: Mapping[str, int]) -> None:
        self._exact = exact
        self._below = below

    @property
    def idsites(self) -> set[int]:
        """All sites in it."""
        return {*self._exact.values(), *self._below.values()}

    def find(self, host: str) -> int | None:
        """The site of `host`: its own, else that of the nearest domain above it that the table has with `*.`."""
        found = self._exact.get(host)
        rest = host
        while found is None and "." in rest:
            rest = rest.partition(".")[2]
            found = self._below.get(f".{rest}")
        return found


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
