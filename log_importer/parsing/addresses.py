"""A logged client -> the address to send as `cip`.

A real Matomo stores 0.0.0.0 for anything but a bare address (a port, brackets, a list, a host name), so the bare
address is taken out here, and what holds none is no client address.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

from log_importer.parsing.engine import compile_regex


@lru_cache(maxsize=8192)
def client_address(text: str) -> str | None:
    """The address in `text`: bare, with a port, in brackets, or the first of a list; `None` where there is none."""
    if is_ipv4(text):
        return text
    first = text.split(",", 1)[0].strip()
    if first.startswith("["):
        first = first[1:].split("]", 1)[0]
    elif first.count(":") == 1:
        first = first.split(":", 1)[0]
    first = first.split("%", 1)[0]  # an IPv6 zone means nothing to anyone else
    return first if is_address(first) else None


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
is_ipv4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}").fullmatch
"""Whether a text is an IPv4 address, and nothing else."""

_ALL_IPV4 = compile_regex(rf"(?:{_OCTET}(?:\.{_OCTET}){{3}}\n)*+").fullmatch


def are_ipv4(texts: Sequence[str | None]) -> bool:
    """Whether all are IPv4 addresses, and nothing else."""
    present = [text for text in texts if text is not None]
    return len(present) == len(texts) and _ALL_IPV4("\n".join([*present, ""])) is not None


def is_address(text: str) -> bool:
    """Whether `text` is an IP address, and nothing else."""
    if is_ipv4(text):
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def compile_client(trusted: Sequence[str]) -> Callable[[object, object], str | None]:
    """What finds a client behind proxies: of the addresses that they saw, and the one that wrote to the log's server.

    The right-most address that is no proxy of the `trusted` networks: whatever stands further left, the client itself
    may have written. Without networks, the one next to the log's server is trusted, and no other.
    """
    networks = [ip_network(network, strict=False) for network in trusted]

    @lru_cache(maxsize=8192)
    def is_trusted(address: str) -> bool:
        found = ip_address(address)
        return any(found in network for network in networks)

    def client(listed: object, peer: object) -> str | None:
        nearest = client_address(peer) if isinstance(peer, str) else None
        if not isinstance(listed, str) or (networks and nearest is not None and not is_trusted(nearest)):
            return nearest
        for text in reversed(listed.split(",")):
            address = client_address(text)
            if address is None:
                break
            nearest = address
            if not networks or not is_trusted(address):
                break
        return nearest

    return client
