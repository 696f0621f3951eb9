"""Networks of addresses; those of IPv4 as ranges, so that one look tells whether an address lies in any of many."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address

from log_importer.parsing.addresses import is_address, is_ipv4


class Networks:
    """Whether an address, as a text, lies in one of them; `False` for anything else.

    An IPv4 address mapped into IPv6 lies in no network of IPv4.
    """

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        networks = list(networks)
        four = collapse_addresses([one for one in networks if isinstance(one, IPv4Network)])
        self.ranges: Sequence[tuple[int, int]] = [(int(one[0]), int(one[-1])) for one in four]
        """First and last address of each range of IPv4; they ascend, and none meets another."""
        self.six = [one for one in networks if isinstance(one, IPv6Network)]
        """Those of IPv6."""
        self._firsts = [first for first, _ in self.ranges]
        self._octets = {
            str(octet) for first, last in self.ranges for octet in range(first >> 24, (last >> 24) + 1)
        }  # with which addresses in any of them begin

    @property
    def example(self) -> str | None:
        """An address that lies in one of them; `None` where there is none."""
        first = [str(IPv4Address(first)) for first, _ in self.ranges[:1]] + [str(one[0]) for one in self.six[:1]]
        return first[0] if first else None

    def _in_six(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in one for one in self.six)

    def __call__(self, address: str) -> bool:
        if not is_ipv4(address):
            return bool(self.six) and is_address(address) and self._in_six(ip_address(address))
        if address.partition(".")[0] not in self._octets:
            return False
        first, second, third, last = map(int, address.split("."))
        number = ((first << 8 | second) << 8 | third) << 8 | last
        place = bisect_right(self._firsts, number) - 1
        return place >= 0 and number <= self.ranges[place][1]
