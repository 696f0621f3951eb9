"""Which hits of a batch can testify: a server that has one of them has stored the batch.

A batch is stored whole or not at all. So a few of its hits are remembered, of different visitors, such as the server
keeps for sure and such as cannot be taken for another hit, nor have come with an earlier batch.
"""

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from log_importer.model import Request
from log_importer.model.rows import Requests
from log_importer.model.rows.layout import ROW, packed

_LOOKS = 4
"""How many hits are looked at for one that is wanted; where none of them will do, some more."""
_MORE_LOOKS = 40
_LONG = 600
"""Bytes of a query from which on its address may be one that a server cuts."""
# Their actions have no address of a page, are no part of visits, or are not stored at all.
_UNFIT = re.compile(rb"[?&](?:search|search_cat|search_count|idgoal|link|c_n|ping|recMode)=").search
_ADDRESS = re.compile(rb"[?&]cip=([^&]+)").search
_KNOWN = re.compile(rb"[?&](?:cip|cid|uid)=[^&]").search
_PAGE_HOST = re.compile(rb"[?&]url=https?(?::|%3A)(?:/|%2F){2}([^/&%]+)", re.IGNORECASE).search
_REFERRER = re.compile(rb"[?&]urlref=(?:https?(?::|%3A)(?:/|%2F){2}([^/&%]+))?", re.IGNORECASE).search
_QUESTIONABLE = re.compile(rb"[?&](?:(?:url|download)=[^&]*(?:%3F|\?|%3B|;|%25)|e_c=)", re.IGNORECASE).search


def choose(
    requests: Requests,
    before: Mapping[int, float],
    drops: Callable[[bytes], bool],
    most: int = 6,
    *,
    doubted: bool = False,
) -> tuple[Request, ...]:
    """Up to `most` hits from all over the batch, the best ones first; none where none can testify.

    `before`: visitor -> when the last hit posted before this batch was logged, in seconds since 1970 UTC; `drops` says
    of a query whether the server may say "tracked" and store nothing. `doubted`: also hits that were in doubt before,
    as where all of them came with one earlier batch.
    """
    for looks in (_LOOKS * most, _MORE_LOOKS * most):
        found = _choose(requests, before, drops, most, list(_spread(len(requests), looks)), doubted=doubted)
        if found or looks >= len(requests):
            return found
    return ()


def _choose(
    requests: Requests,
    before: Mapping[int, float],
    drops: Callable[[bytes], bool],
    most: int,
    places: list[int],
    *,
    doubted: bool,
) -> tuple[Request, ...]:
    rows, texts = requests.part
    visitors = packed(rows, "visitor")
    moments: dict[int, Counter[float]] = {}
    graded: list[list[int]] = [[], [], []]
    seen = set[int | bytes]()
    for place in places:
        _, _, time, visitor, begin, _, _, _, doubts, length, _, text = ROW.unpack_from(rows, place * ROW.size)
        second = time // 1
        if (doubts and not doubted) or visitor in seen or before.get(visitor, -math.inf) // 1 >= second:
            continue
        if visitor not in moments:
            moments[visitor] = Counter(_seconds(rows, visitors, visitor))
        query = texts[text][begin : begin + length]
        address = _ADDRESS(query)
        if moments[visitor][second] > 1 or (address and address[1] in seen):
            continue
        if _UNFIT(query) or not _KNOWN(query) or drops(query):
            continue
        seen |= {visitor, address[1]} if address else {visitor}
        graded[_grade(query)].append(place)
        if len(graded[0]) == most:
            break
    return tuple(requests[place] for place in [place for grade in graded for place in grade][:most])


def _seconds(rows: bytes, visitors: bytes, visitor: int) -> Iterator[float]:
    """In which seconds the visitor's hits were logged; `visitors` is that column of the rows."""
    wanted = visitor.to_bytes(8, sys.byteorder)
    place = visitors.find(wanted)
    while place >= 0:
        if place % 8 == 0:
            yield ROW.unpack_from(rows, place // 8 * ROW.size)[2] // 1
        place = visitors.find(wanted, place + 1)


def _grade(query: bytes) -> int:
    """0 for what is found quickly and surely, 2 for what a server may hold for spam."""
    referrer = _REFERRER(query)
    if referrer is not None:
        page = _PAGE_HOST(query)
        if page is None or referrer[1] is None or referrer[1].lower() != page[1].lower():
            return 2
    return 1 if len(query) > _LONG or _QUESTIONABLE(query) else 0


def _spread(count: int, looks: int) -> Iterator[int]:
    """Some of so many places; the first of them, too, lie all over."""
    places = range(count) if count <= looks else range(count // looks // 2, count, count // looks)
    for first in (0, 2, 1, 3):
        yield from places[first::4]
