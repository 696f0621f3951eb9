"""The addresses that Matomo takes no visit from, whatever browser they claim."""

import itertools
from ipaddress import IPv4Address, IPv4Network

import pytest

from log_importer.tracking.rules.search_engines import search_engine


@pytest.mark.parametrize(
    "network",
    ["66.249.80.0/20", "74.125.0.0/16", "216.239.32.0/19", "65.52.0.0/14", "157.54.0.0/15", "157.56.0.0/14",
     "207.68.128.0/18", "131.253.16.0/20", "72.30.192.0/20", "98.137.192.0/20", "1.202.218.8/32"],
)  # fmt: skip
def test_a_range_holds_its_first_and_last_address(network: str) -> None:
    net = IPv4Network(network)
    assert [search_engine(str(net[0])), search_engine(str(net[-1]))] == [True, True]


@pytest.mark.parametrize(
    "address",
    ["66.249.79.255", "66.249.96.0", "65.51.255.255", "65.56.0.0", "1.202.218.7", "1.202.218.9", "0.0.0.0",
     "255.255.255.255", "192.0.2.1"],
)  # fmt: skip
def test_what_lies_beside_the_ranges_is_in_none(address: str) -> None:
    assert False is search_engine(address)


def test_the_googlebot_of_today_is_known_by_its_user_agent_alone() -> None:
    # Matomo's ranges leave out 66.249.64.0/20, from which it crawls.
    assert False is search_engine("66.249.66.1")


@pytest.mark.parametrize("address", ["::ffff:65.52.0.1", "::ffff:4134:1", "2001:4860:4801::1", "::65.52.0.1", "::"])
def test_an_ipv6_address_is_in_no_range_not_even_with_an_ipv4_one_in_it(address: str) -> None:
    assert False is search_engine(address)


@pytest.mark.parametrize(
    "address",
    ["", "-", "host", "65.52.0", "65.52.0.1.1", "065.052.000.001", "65.52.0.1:80", "[65.52.0.1]", "65.52.0.1/14",
     " 65.52.0.1", "65.52.0.1\n", "65.52.0.\udcff", "٦٥.٥٢.٠.١", "unix:", "1094975489", "9" * 70_000],
)  # fmt: skip
def test_what_is_no_address_is_in_no_range(address: str) -> None:
    assert False is search_engine(address)


def test_the_ranges_do_not_overlap_so_that_one_look_finds_the_right_one() -> None:
    assert [(a, b) for a, b in itertools.pairwise(search_engine.ranges) if a[1] >= b[0]] == []
    assert all(search_engine(str(IPv4Address(first))) for first, _ in search_engine.ranges)
