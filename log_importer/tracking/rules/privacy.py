"""What people would not have others know: masked, hashed or dropped, in hits and in the text of lines that are none."""

import hmac
import re
from collections.abc import Callable, Set
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, ip_address
from urllib.parse import unquote_plus

_KEPT_BITS_V6 = (128, 64, 48, 24, 0)
"""Of an IPv6 address with so many bytes masked, as Matomo masks them."""
_NUMBERS = re.compile(
    r"(?<![0-9A-Za-z.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f.]{0,15}){2,8})"
)
_PARAMETER = re.compile(r"([?&;])([^=&;?\s\"]{1,200})=([^&;\s\"#]*)")
_USER = re.compile(
    r'(^\S+ \S+ )([^\[]{1,200}?)(?= \[)|("(?:remote_)?(?:user|username|user_?id|cs-username)"\s*:\s*")([^"]*)',
    re.IGNORECASE,
)


def masked(text: str, count: int) -> str:
    """The address with its last `count` bytes zero (of IPv4; of IPv6 about as much of what tells people apart)."""
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return str(IPv4Address(int(address) >> 8 * count << 8 * count))
    away = 128 - _KEPT_BITS_V6[count]
    return str(ip_address((int(address) >> away << away).to_bytes(16, "big")))


def compile_hash(key: bytes) -> Callable[[str], str]:
    """A user's name -> 32 hexadecimal digits that are the same in every run with that key, and tell nothing else."""

    @lru_cache(maxsize=8192)
    def hashed(name: str) -> str:
        return hmac.new(key, name.encode("utf-8", "surrogateescape"), sha256).hexdigest()[:32]

    return hashed


def without_parameters(query: str, names: Set[str]) -> str | None:
    """`query` without the parameters of those names; `None` where none is left."""
    kept = [pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) not in names]
    return "&".join(kept) if kept else None


def url_without(url: str, names: Set[str]) -> str:
    """`url` without the query parameters of those names."""
    address, _, rest = url.partition("?")
    query, hash_sign, fragment = rest.partition("#")
    kept = without_parameters(query, names)
    return f"{address}{'?' + kept if kept else ''}{hash_sign}{fragment}"


def compile_scrubber(
    mask_bytes: int, names: Set[str], user: Callable[[str], str] | None
) -> Callable[[str], str] | None:
    """What makes the text of a line fit to be shown though no format reads it; `None` where nothing is to be hidden.

    Where nobody knows what is what, all that looks like an address, a parameter of those `names` or a user counts as
    one; `user` is what becomes of a user's name.
    """
    if not mask_bytes and not names and user is None:
        return None

    def address(match: re.Match[str]) -> str:
        try:
            return masked(match[0], mask_bytes)
        except ValueError:
            return match[0]

    def scrub(text: str) -> str:
        if names:
            text = _PARAMETER.sub(lambda m: f"{m[1]}{m[2]}=" if unquote_plus(m[2]) in names else m[0], text)
        if user is not None:
            text = _USER.sub(lambda m: (m[1] or m[3]) + _hidden(m[2] or m[4], user), text)
        return _NUMBERS.sub(address, text) if mask_bytes else text

    return scrub


def _hidden(name: str, user: Callable[[str], str]) -> str:
    return name if name == "-" else user(name) or "-"
