"""Networks of IPv4 addresses as ranges, so that one look tells whether an address lies in any of many."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, collapse_addresses

from log_importer.parsing.addresses import is_ipv4


class Networks:
    """Whether an IPv4 address, as a text, lies in one of them; `False` for anything else."""

    def __init__(self, networks: Iterable[IPv4Network]) -> None:
        self.ranges: Sequence[tuple[int, int]] = [(int(one[0]), int(one[-1])) for one in collapse_addresses(networks)]
        """First and last address of each range; they ascend, and none meets another."""
        self._firsts = [first for first, _ in self.ranges]
        self._octets = {
            str(octet) for first, last in self.ranges for octet in range(first >> 24, (last >> 24) + 1)
        }  # with which addresses in any of them begin

    def __call__(self, address: str) -> bool:
        if address.partition(".")[0] not in self._octets or not is_ipv4(address):
            return False
        first, second, third, last = map(int, address.split("."))
        number = ((first << 8 | second) << 8 | third) << 8 | last
        place = bisect_right(self._firsts, number) - 1
        return place >= 0 and number <= self.ranges[place][1]
