"""Whether two URLs may lead to one server, which has many names: a host's, its address, this machine's own.

1. The same host, whatever scheme, port and path: a port may be another's door to the same server, and a folder is
   renamed or given a second name (`/piwik`, `/matomo`, none).
2. Two hosts that resolve to a common address, as a second name in the DNS, or an address beside a name.
3. Two hosts that are both this machine: loopback, or an address of one of its own interfaces.

All else is another server: also a host that cannot be resolved within two seconds, since then nothing speaks for it,
and a way that only shows at its end (a tunnel, a proxy on another machine). Two Matomos behind one address are taken
for one, which costs their user a word (`--job`); taking one for two would store history twice.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from urllib.parse import urlsplit

_PATIENCE = 2.0
"""Seconds for all look-ups together."""


def may_be_same_server(one: str, other: str) -> bool:
    """Whether two URLs with their schemes may lead to the same server; looks hosts up where their names differ."""
    first, second = _host(one), _host(other)
    if first == second:
        return True
    found = _addresses((first, second))
    mine, theirs = found.get(first, set()), found.get(second, set())
    return bool(mine & theirs) or (any(map(_is_here, mine)) and any(map(_is_here, theirs)))


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def _addresses(hosts: Iterable[str]) -> dict[str, set[str]]:
    """Host -> its addresses; hosts that cannot be resolved in time are left out."""
    found: dict[str, set[str]] = {}

    def resolve(host: str) -> None:
        with suppress(OSError, UnicodeError):
            found[host] = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}

    # Nothing can end a look-up that hangs, so nobody waits for its thread.
    threads = [threading.Thread(target=resolve, args=(host,), name="resolve", daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(found)


def _is_here(address: str) -> bool:
    """Whether an address is loopback, or one of this machine's: only to such an address can a socket be bound."""
    known = ipaddress.ip_address(address)
    if known.is_loopback or known.is_unspecified:
        return True
    with suppress(OSError), closing(socket.socket(_FAMILIES[known.version], socket.SOCK_DGRAM)) as probe:
        probe.bind((address, 0))
        return True
    return False


_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
