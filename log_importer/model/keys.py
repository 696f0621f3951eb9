"""Keys of visitors, user agents, lanes and downloads: numbers that are the same in every process and run."""

from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

from log_importer.model import Hit

_DIGITS = b"0123456789"


def visitor_keys(address: str, agent: str, identity: str = "") -> tuple[int, int, int]:
    """The visitor's key (64 bit), the user agent's (32), the lane's (16).

    A visitor, to Matomo, is a user or a visitor id, `identity`, and only without one an address and a browser. The lane
    is that of the user agent without its digits and two bits of the address: few distinct user agents meet in a batch,
    and one busy browser does not fill a lane. Who has an identity may come from anywhere.
    """
    agent_key, lanes = agent_keys(agent)
    if identity:
        key, lane = identity_keys(identity)
        return key, agent_key, lane
    place = address_key(address)
    return place << 32 | agent_key, agent_key, lanes[place % LIKE]


LIKE = 4
"""So many addresses with the same user agent are in different lanes."""


LANE_KEYS = 1 << 16
"""How many keys lanes have."""


def spread(lane: int, count: int) -> int:
    """Which of `count` machines or tasks a lane's key belongs to, evenly.

    Not by its remainder, which is what tells a run's own lanes apart; and the few keys of one user agent differ in some
    bits only, so all bits count.
    """
    return ((lane * 0x9E3779B1 >> 8) & 0xFFFF) * count // LANE_KEYS


_LANES_EACH = 16
"""Of so many lanes a user agent's hits are in four, as in a run on one machine."""


def finer(lanes: Sequence[int], visitors: Sequence[int], count: int) -> list[int]:
    """The lane of each visitor where there are `count`, many more than on one machine.

    Four lanes for a user agent would be too few then: most of a site's visitors may have the same, and all senders but
    four would wait for those. So it has more in proportion, by that of the addresses' keys which the four do not tell.
    """
    fan = max(1, count // _LANES_EACH)
    return [
        spread((lane + (visitor >> 32) // LIKE % fan * 0x9E37) & 0xFFFF, count)
        for lane, visitor in zip(lanes, visitors, strict=True)
    ]


def identity_keys(identity: str) -> tuple[int, int]:
    """The key and the lane of a visitor who is known by more than address and browser."""
    known = identity.encode("utf-8", "surrogatepass")
    return crc32(known) << 32 | crc32(known[::-1]), crc32(known) & 0xFFFF


def address_key(address: str) -> int:
    """The key of an address (32 bit)."""
    return crc32(address.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=1024)
def agent_keys(agent: str) -> tuple[int, Sequence[int]]:
    """The key of a user agent, and its lanes, by the remainder of the address's key."""
    raw = agent.encode("utf-8", "surrogatepass")
    likeness = crc32(raw.translate(None, _DIGITS))
    return crc32(raw), [crc32(bytes([number]), likeness) & 0xFFFF for number in range(LIKE)]


def file_key(hit: Hit) -> int:
    """The key of the file that a hit asks for (64 bit), by host, path and query; never 0."""
    name = f"{hit.host}{hit.path}?{hit.query}".encode("utf-8", "surrogatepass")
    return (crc32(name) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF or 1


def download_key(visitor: int, file: int) -> int:
    """The key of a visitor's download of a file (64 bit); never 0."""
    return visitor ^ file or 1
