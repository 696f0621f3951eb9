"""A logged client -> the address to send as `cip`.

A real Matomo stores 0.0.0.0 for anything but a bare address (a port, brackets, a list, a host name), so the bare
address is taken out here, and what holds none is no client address.
"""

from functools import lru_cache
from ipaddress import ip_address


@lru_cache(maxsize=8192)
def client_address(text: str) -> str | None:
    """The address in `text`: bare, with a port, in brackets, or the first of a list; `None` where there is none."""
    first = text.split(",", 1)[0].strip()
    if first.startswith("["):
        first = first[1:].split("]", 1)[0]
    elif first.count(":") == 1:
        first = first.split(":", 1)[0]
    first = first.split("%", 1)[0]  # an IPv6 zone means nothing to anyone else
    try:
        ip_address(first)
    except ValueError:
        return None
    return first
