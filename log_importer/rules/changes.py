"""What the user asked to change in hits: dates and URLs before the rules see them, addresses and user ids after."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, ip_address
from urllib.parse import unquote_plus

from log_importer.model import Hit

Change = Callable[[Hit], Hit]

_KEPT_BITS_V6 = (128, 64, 48, 24, 0)
"""Of an IPv6 address with so many bytes masked, as Matomo masks them."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is changed in every hit."""

    add_to_date: float = 0.0  # seconds
    query_delimiter: str = "?"
    lowercase_path: bool = False
    strip_query: bool = False
    drop_parameters: frozenset[str] = frozenset()  # names of query parameters, percent-decoded
    request_suffix: str = ""  # put behind every query
    mask_bytes: int = 0  # of the address: 0 to 4
    no_user_id: bool = False


def changes_before(changes: Changes) -> Change | None:
    """What happens before the rules look at a hit; `None` for nothing."""
    usual = Changes()
    if all(getattr(changes, name) == getattr(usual, name) for name in _BEFORE):
        return None

    def change(hit: Hit) -> Hit:
        path, query = hit.path, hit.query
        if changes.query_delimiter != "?" and query is None and changes.query_delimiter in path:
            path, _, query = path.partition(changes.query_delimiter)
        if changes.drop_parameters and query is not None:
            query = _without(query, changes.drop_parameters)
        if changes.lowercase_path:
            path, query = path.lower(), query.lower() if query is not None else None
        return hit._replace(time=hit.time + changes.add_to_date, path=path, query=query)

    return change


_BEFORE = ("add_to_date", "query_delimiter", "lowercase_path", "drop_parameters")


def shape_of_url(changes: Changes) -> Change | None:
    """What happens to the query last, so that rules can look at what is not sent; `None` for nothing."""
    if not changes.strip_query and not changes.request_suffix:
        return None

    def change(hit: Hit) -> Hit:
        query = None if changes.strip_query else hit.query
        if changes.request_suffix:
            query = f"{query}&{changes.request_suffix}" if query else changes.request_suffix
        return hit._replace(query=query)

    return change


def private(changes: Changes) -> Change | None:
    """What happens to hits before anyone sees them; `None` for nothing."""
    if not changes.mask_bytes and not changes.no_user_id:
        return None
    mask = lru_cache(maxsize=8192)(lambda address: masked(address, changes.mask_bytes))

    def change(hit: Hit) -> Hit:
        return hit._replace(
            client_ip=mask(hit.client_ip),
            forwarded_for=None if changes.mask_bytes else hit.forwarded_for,
            user_id=None if changes.no_user_id else hit.user_id,
        )

    return change


def masked(text: str, count: int) -> str:
    """The address with its last `count` bytes zero (of IPv4; of IPv6 about as much of what tells people apart)."""
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return str(IPv4Address(int(address) >> 8 * count << 8 * count))
    away = 128 - _KEPT_BITS_V6[count]
    return str(ip_address((int(address) >> away << away).to_bytes(16, "big")))


def _without(query: str, names: frozenset[str]) -> str | None:
    """`query` without the parameters of those names; `None` where none is left."""
    kept = [pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) not in names]
    return "&".join(kept) if kept else None
