"""What the user asked to change in hits: dates and URLs before the rules see them, addresses and user ids after."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from log_importer.model import Hit
from log_importer.tracking.rules.privacy import compile_hash, compile_scrubber, masked, url_without, without_parameters

Change = Callable[[Hit], Hit]


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
    hash_key: bytes = field(default=b"", repr=False)  # with which users' names are hashed; b"": they are not


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
            query = without_parameters(query, changes.drop_parameters)
        if changes.lowercase_path:
            path, query = path.lower(), query.lower() if query is not None else None
        referrer = hit.referrer
        if changes.drop_parameters and referrer and "?" in referrer:  # a page of the site itself, as often as not
            referrer = url_without(referrer, changes.drop_parameters)
        return hit._replace(time=hit.time + changes.add_to_date, path=path, query=query, referrer=referrer)

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
    scrub = scrubber(changes)
    user = _user(changes)
    if scrub is None:
        return None
    mask = lru_cache(maxsize=8192)(lambda address: masked(address, changes.mask_bytes))

    def change(hit: Hit) -> Hit:
        return hit._replace(
            client_ip=mask(hit.client_ip) if hit.client_ip else "",  # a part of a hit may have none
            forwarded_for=None if changes.mask_bytes else hit.forwarded_for,
            user_id=user(hit.user_id) or None if user and hit.user_id else hit.user_id,
            extra={name: scrub(text) for name, text in hit.extra.items()} if hit.extra else hit.extra,
        )

    return change


def scrubber(changes: Changes) -> Callable[[str], str] | None:
    """What makes a line fit to be shown that no format reads; `None` where nothing is to be hidden."""
    return compile_scrubber(changes.mask_bytes, changes.drop_parameters, _user(changes))


def _user(changes: Changes) -> Callable[[str], str] | None:
    if changes.no_user_id:
        return lambda _: ""
    return compile_hash(changes.hash_key) if changes.hash_key else None
