"""Addresses from which Matomo takes no visit, whatever browser they claim: ranges of search engines.

Matomo answers "tracked" to them and stores nothing. The ranges are those of its tracker (core/Tracker/VisitExcluded),
which has had them unchanged for years; a network written with host bits set means the network it lies in. Its one
exception, for a proxy of Google's that names itself in `Via`, looks at the header of our own post, so it never holds.
"""

from ipaddress import IPv4Network

from log_importer.tracking.rules.networks import Networks

_NETWORKS = """
    64.18.0.0/20 64.233.160.0/19 66.102.0.0/20 66.249.80.0/20 72.14.192.0/18 74.125.0.0/16 173.194.0.0/16
    207.126.144.0/20 209.85.128.0/17 216.239.32.0/19
    64.4.0.0/18 65.52.0.0/14 131.253.24.0/20 131.253.26.0/20 157.54.0.0/15 157.56.0.0/14 157.60.0.0/16 207.46.0.0/16
    207.68.128.0/18 207.68.192.0/20
    72.30.196.0/20 72.30.198.0/20 98.137.207.0/20
    1.202.218.8/32
"""  # Google, Microsoft, Yahoo, and one crawler that hammered sites

search_engine = Networks(IPv4Network(text, strict=False) for text in _NETWORKS.split())
"""Whether an address lies in a search engine's range.

An IPv4 address mapped into IPv6 does not: Matomo keeps it so, and compares only addresses of the same length.
"""
