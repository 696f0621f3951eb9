"""Addresses that compiled loops read, judge and write are those that Python reads: at every edge, in three formats."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from log_importer.parsing.format_strings import spec_of
from log_importer.tracking.rules.search_engines import search_engine
from log_importer.tracking.rules.selection import Selection
from tests.translation.test_by_column import PLANS, check

EXCLUDED = ("192.0.2.0/28", "192.0.2.64", "2001:db8::/32", "192.0.2.8/29", "74.125.0.0/24")
OTHERS = {
    "excluding": replace(PLANS["default"], selection=Selection(exclude_addresses=EXCLUDED)),
    "excluding zeros": replace(PLANS["default"], selection=Selection(exclude_addresses=("0.0.0.0/8",))),
    "excluding IPv6": replace(PLANS["default"], selection=Selection(exclude_addresses=("2001:db8::/112",))),
}
SIX = [
    "::", "::1", "1::", "2001:db8::1", "2001:DB8::a", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
    "1::3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1::2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1::2::3", ":::", ":", "1:", ":1:2",
    "1:2:", "12345::", "::12345", "::g", "0000:0000:0000:0000:0000:0000:0000:0000",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "00000::1", "::ffff:1.2.3.4", "::1.2.3.4", "1.2.3.4::",
    "fe80::1%eth0", "fe80::1%", "[::1]", "::1 ", "2001:db8::/32", "1:2:3:4:5:6:7:8%1", "::-1", "::0x1",
    "1:2:3:4::5:6:7:8", "1:2:3::4:5:6:7:8", "::ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "abcd:ef01:2345:6789:abcd:ef01:2345:6789a", "a::b:", ":a::b", "::1:", "1", "a:b",
]  # fmt: skip
ODD = [
    "", "-", "0.0.0.0", "255.255.255.255", "256.0.0.1", "1.2.3.256", "1.2.3.259", "1.2.3.1000", "01.2.3.4", "1.2.3.04",
    "1.2.3.00", "1.2.3", "1.2.3.4.5", "1.2.3.4.", ".1.2.3.4", "1..3.4", "1.2.3.", "1.2.3.-4", "+1.2.3.4", "1.2.3.4:80",
    "[1.2.3.4]", "[2001:db8::1]:443", "2001:db8::1", "::ffff:65.52.0.1", "::1%eth0", "1.2.3.4,5.6.7.8", "1,2.3.4.5",
    "unix:", "host.example", "\u0661.2.3.4", "74.125.0.1x", "x74.125.0.1", "1094975489", "0x41.52.0.1", "1.2.3.4/8",
    "4294967297.2.3.4",
]  # fmt: skip
OWN = spec_of('%h - - %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"')
FORMATS: dict[str, tuple[str, Callable[[str], str]]] = {
    "combined": ("", lambda ip: f'{ip} - - [17/May/2024:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "Mozilla/5.0"'),
    OWN.name: ("", lambda ip: f'{ip} - - [17/May/2024:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "Mozilla/5.0"'),
    "nginx_json": ("", lambda ip: json.dumps({
        "ip": ip, "host": "www.example.org", "path": "/a", "status": "200", "user_agent": "Mozilla/5.0",
        "length": 1, "generation_time_milli": 0.1, "date": "2024-05-17T10:05:03+00:00",
    }, ensure_ascii=False)),
    "w3c_extended": (
        "#Fields: date time c-ip cs-method cs-uri-stem sc-status", lambda ip: f"2024-05-17 10:05:03 {ip} GET /a 200"
    ),
}  # fmt: skip


def edges() -> list[str]:
    """The first and the last address of each network, and those beside them."""
    ends = [end for first, last in search_engine.ranges for end in (first, last)]
    ends += [int(IPv4Address(f"192.0.2.{n}")) for n in (0, 15, 64)]
    return [str(IPv4Address(end + step)) for end in ends for step in (-1, 0, 1)]


@pytest.mark.parametrize("plan", [*PLANS, *OTHERS])
@pytest.mark.parametrize("name", FORMATS)
def test_they_are_what_python_reads(name: str, plan: str) -> None:
    header, line = FORMATS[name]
    chance = random.Random(name)
    random_ones = [str(IPv4Address(chance.getrandbits(32))) for _ in range(200)]
    random_ones += [str(IPv6Address(chance.getrandbits(128) & chance.getrandbits(128))) for _ in range(50)]
    random_ones += ["".join(chance.choices("1af::", k=chance.randint(2, 14))) for _ in range(500)]
    addresses = [*edges(), *ODD, *SIX, *random_ones] * 2
    chosen = (PLANS | OTHERS)[plan]
    chosen = replace(chosen, formats={**chosen.formats, OWN.name: OWN})
    result = check(chosen, name, header, [line(ip).encode() for ip in addresses])
    assert len(result.lengths) > 100


def test_what_is_excluded_is_so_by_its_network() -> None:
    header, line = FORMATS["combined"]
    addresses = ["192.0.1.255", "192.0.2.0", "192.0.2.15", "192.0.2.16", "192.0.2.64", "2001:db8::9", "2001:db9::9"]
    result = check(OTHERS["excluding"], "combined", header, [line(ip).encode() for ip in addresses])
    assert (result.skipped, len(result.lengths)) == ({"ip": 4}, 3)
