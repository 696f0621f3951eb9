"""What a hit of a batch looks like in a Matomo that has it, and whether a visit that it tells of has that hit.

Everything is answered with yes, no, or `None` where that cannot be told: a wrong yes would lose hits, a wrong no would
store them twice.
"""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from html import unescape
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_plus, unquote_to_bytes, urlsplit

from log_importer.tracking.page_queries import DROPPED, SEARCH_PARAMETERS
from log_importer.tracking.parameters import moment

_LONGEST_URL = 1000
"""Characters; a Matomo cuts addresses at 1,024, and counts in its own way."""
_MOST_ACTIONS = 500
"""A Matomo tells no more actions of one visit."""
_OTHER_KINDS = ("search", "search_cat", "search_count", "idgoal", "link", "c_n", "ping", "recMode")
_ANYBODY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - of whom a Matomo keeps no part of the address


class Witness(NamedTuple):
    """A hit as the server should tell of it."""

    idsite: int
    time: int  # seconds since 1970 UTC
    kind: str  # action, download or event, as the server calls it
    url: str
    address: str  # "" where none was sent, as are the next three
    visitor: str
    user: str
    agent: str


def read_witness(query: bytes) -> Witness | None:
    """The hit that an encoded tracking request tells of; `None` where a server might tell of it in another way."""
    sent = dict(parse_qsl(query.decode("latin-1").removeprefix("?"), keep_blank_values=True, errors="replace"))
    time = moment(sent.get("cdt", ""))
    kind = "download" if sent.get("download") else "event" if sent.get("e_c") and sent.get("e_a") else "action"
    url = sent.get("download") or sent.get("url", "")
    known = Witness(
        int(sent["idsite"]) if re.fullmatch("[0-9]{1,9}", sent.get("idsite", "")) else 0, int(time or 0), kind, url,
        _address(sent.get("cip", "")), _visitor(sent), sent.get("uid", "")[:200], sent.get("ua", ""),
    )  # fmt: skip
    if not known.idsite or not 0 < known.time < 1 << 32 or not (known.address or known.visitor or known.user):
        return None
    return None if any(name in sent for name in _OTHER_KINDS) or not _tellable(url, kind) else known


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def _visitor(sent: Mapping[str, str]) -> str:
    texts = [sent.get(name, "").lower() for name in ("cid", "_id")]
    return next((text for text in texts if re.fullmatch("[0-9a-f]{16}", text)), "")


def _tellable(url: str, kind: str) -> bool:
    match = re.match(r"https?://[^/?#]+([^?#]*)", url, re.IGNORECASE)
    if match is None or len(url) > _LONGEST_URL or ";" in match[1] or any(ord(sign) < 32 for sign in url):
        return False
    names = {name.lower() for name, value in parse_qsl(url.partition("#")[0].partition("?")[2]) if value.strip()}
    return kind != "action" or not names & set(SEARCH_PARAMETERS)


def masked(address: str) -> list[str]:
    """The address as a Matomo keeps it where it masks 1, 2 or 3 bytes, of an IPv6 address its counterparts."""
    if not address:
        return []
    whole = ip_address(address)
    mapped = whole.ipv4_mapped if isinstance(whole, IPv6Address) else None
    number = int(whole)
    if isinstance(whole, IPv4Address):
        found = [str(IPv4Address(number >> bits << bits)) for bits in (8, 16, 24)]
    elif mapped is not None:
        found = [f"::ffff:{one}" for one in masked(str(mapped))]
    else:
        found = [str(IPv6Address(number >> bits << bits)) for bits in (64, 80, 104)]
    return [one for one in dict.fromkeys(found) if one != address]


def tells_of(witness: Witness, visit: Mapping[str, Any], zone: tzinfo) -> bool | None:
    """Whether the visit has the hit; `zone` is the site's. Raises `LookupError`, `TypeError` or `ValueError` for what
    is no visit.
    """
    whose = _is_of(witness, visit)
    if whose is False:
        return False
    found: list[bool | None] = [
        _both(_is_then(witness, int(action["timestamp"]), visit, zone), _is_that(witness, action))
        for action in visit["actionDetails"]
    ]
    best = True if True in found else None if None in found else False
    if best is False:
        few = len(found) < min(_MOST_ACTIONS, int(visit.get("actions") or 0)) or len(found) >= _MOST_ACTIONS
        return None if few else False
    return _both(whose, best)


def _both(one: bool | None, other: bool | None) -> bool | None:
    return False if False in (one, other) else None if None in (one, other) else True


def _is_of(witness: Witness, visit: Mapping[str, Any]) -> bool | None:
    """Whether the visit is of the same visitor."""
    address = _address(str(visit["visitIp"] or ""))
    same_address = not address or address in {witness.address, *masked(witness.address), *_ANYBODY}
    if witness.user or witness.visitor:
        by_user = bool(witness.user) and visit.get("userId") == witness.user
        by_id = not witness.user and str(visit.get("visitorId", "")).lower() == witness.visitor
        # Somebody else there, or an id that the server has changed.
        return True if by_user or by_id else None if same_address or witness.user else False
    return None if same_address and not address else same_address


def _is_then(witness: Witness, shown: int, visit: Mapping[str, Any], zone: tzinfo) -> bool | None:
    """Whether the site's clock showed that, in seconds since 1970 as if it were UTC, when the hit was made."""
    local = datetime.fromtimestamp(witness.time, zone)
    if int(local.replace(tzinfo=UTC).timestamp()) != shown:
        return False
    other = local.replace(fold=1 - local.fold).timestamp()
    if other == witness.time:
        return True
    # The clock showed it twice. The visit's own times are true.
    first, last = int(visit["firstActionTimestamp"]), int(visit["lastActionTimestamp"])
    return True if first <= witness.time <= last and not first <= other <= last else None


def _is_that(witness: Witness, action: Mapping[str, Any]) -> bool | None:
    """Whether the action is the one that was sent."""
    kind, url = action["type"], action.get("url")
    if kind != witness.kind:
        # The site may have parameters of its own that make a search of a page view.
        return None if (kind, witness.kind) == ("search", "action") and "?" in witness.url else False
    if not isinstance(url, str) or not url:
        return None
    readings = {_same_url(witness.url, one) for one in (url, unescape(url))}
    return True if True in readings else None if None in readings else False


def _same_url(sent: str, told: str) -> bool | None:
    """Whether they are one address to a Matomo, which drops fragments and some parameters, and mixes schemes up."""
    try:
        mine, theirs = (urlsplit(url.partition("#")[0]) for url in (sent, told))
    except ValueError:  # brackets that hold no address
        return None
    if mine.netloc.lower().removeprefix("www.") != theirs.netloc.lower().removeprefix("www."):
        return False
    paths = [unquote_to_bytes(one.path) for one in (mine, theirs)]
    if paths[0] != paths[1]:
        return None if paths[0].lower().rstrip(b"/") == paths[1].lower().rstrip(b"/") else False
    missing, more = (Counter(one.query.split("&")) for one in (mine, theirs))
    missing, more = missing - more, more - missing
    left = {unquote_plus(pair.partition("=")[0]).lower() for pair in missing if pair}
    return None if any(more) or not left <= DROPPED else True


def is_plain(url: str) -> bool:
    """Whether a server keeps the address as it is, so that it can be looked for by it."""
    return re.fullmatch(r"https?://[a-z0-9.:-]+/[A-Za-z0-9_./~-]*", url) is not None
