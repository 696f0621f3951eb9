"""Lines translated together by compiled loops: what is new on them is worked out by the same functions as in Python."""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from log_importer.model import Site
from log_importer.native import Native, Table, address, zeros
from log_importer.parsing.cuts import Cuts
from log_importer.parsing.parser import Parser
from log_importer.tracking.requests import measures
from log_importer.translation.by_column import client_part
from log_importer.translation.by_column.addresses import addresses_of
from log_importer.translation.by_column.clients import Clients, of_clients
from log_importer.translation.by_column.codes import ALONE
from log_importer.translation.by_column.cutter import Cut, Cutter
from log_importer.translation.by_column.facts import NO_CODE, Facts, Find, Page, Referrer
from log_importer.translation.by_column.fields import AGENT, BESIDE, MEASURES, PAGE, REFERRER, VISITOR
from log_importer.translation.by_column.groups import MOST, Group, Groups, Piece, gathered
from log_importer.translation.by_column.moments import Moments
from log_importer.translation.by_column.packed import Packed
from log_importer.translation.by_column.texts import Text, Texts, assembled
from log_importer.translation.by_column.visitors import Numbers, gathered_all, visitors_of

_LEAST = 0.75
"""The share of lines that must be cut: the others are translated one by one, which is slow."""
Value = TypeVar("Value")


class Natively:
    """Translates lines that are cut in one way, as far as they can be."""

    def __init__(self, native: Native, parser: Parser, cuts: Cuts, facts: Facts, longest: int) -> None:
        """`longest`: bytes of a line."""
        self._native = native
        self._facts = facts
        page, visitor, referrer, measured = map(parser.part, (PAGE, VISITOR, REFERRER, MEASURES))
        client, clock = client_part(parser), parser.clock
        parts = (page, visitor, client, referrer, measured)
        read = {place for part in parts for place in part.places}
        wanted = read | set(clock.places)
        if read & set(clock.places):  # what else is read of them has to be what was logged
            clock = clock._replace(slot=-1)
        beside = (page, referrer, measured, parser.part(AGENT), parser.part(BESIDE))
        addresses = addresses_of(native, cuts, client, beside, facts)
        pieces = [Piece(native, piece) for piece in cuts.pieces]
        if addresses is not None:
            pieces[addresses.number] = addresses
        self._cutter = Cutter(native, cuts, pieces, clock, frozenset(wanted), longest)
        groups = Groups(native, self._cutter.pieces)
        later = facts.means.changes.add_to_date
        self._moments = Moments(native, groups, clock, later, split=self._cutter.split)
        nowhere: Referrer = "", None
        self._pages = groups.of_part(page, facts.page, Page(ALONE), lambda page: page.code)
        self._clients: Group[int] | None = None  # else what is readable of their piece tells it
        if addresses is None:
            self._clients = Group(native, pieces, client.places, of_clients(client, lambda _: NO_CODE, ALONE), int)
        self._visitors = visitors_of(native, parser, facts, groups, addresses)
        self._referrers = groups.of_part(referrer, facts.referrer, nowhere)
        self._measures = groups.of_part(measured, measures, "")
        self._groups: Sequence[Group[Any] | Clients] = (
            self._moments.group, self._pages, *([self._clients] if self._clients is not None else ()),
            *self._visitors.groups, self._referrers, self._measures,
        )  # fmt: skip
        self._of_pages = Texts(native)  # of the one site
        self._urls: dict[tuple[int, int], int] = {}  # else of page and site
        self._of_referrers, self._of_measures = Texts(native), Texts(native)
        self._files, self._partial, self._has_title = array("Q"), array("B"), array("i")  # of pages
        self._titles, self._titled = Table(native), dict[tuple[int, int, int], int]()
        self._titles.add("")
        self._sites: dict[int, Site] = {}

    def translate(
        self, data: bytes, starts: "array[int]", first: int, now: float, find: Find
    ) -> tuple[Packed | None, Counter[int], Sequence[int]] | None:
        """The requests of those lines of `data` from `first` on that are tracked, the codes of all, and which are left.

        `starts` says where each line begins, `now` is in seconds since 1970 UTC. `None` where too few can be cut.
        """
        native, facts = self._native, self._facts
        self._forget()
        cut = self._cutter.cut(data, starts, first)
        count, total = len(cut.places), len(starts) - 1 - first
        if count < _LEAST * total or not count:
            return None
        pages = self._pages.numbers(count, cut.pieces)
        codes = gathered(native, self._pages.codes, pages)
        if facts.of_visitors and self._clients is not None:
            self._lower(codes, None, self._clients, self._clients.numbers(count, cut.pieces))
        for piece, numbers in zip(self._cutter.pieces, cut.pieces, strict=True):
            if piece.failed:
                native.lower(count, None, address(numbers), address(piece.readable), address(codes))
        undecided = self._places_from(codes, facts.of_visitors)
        of_them = gathered_all(native, cut.pieces, undecided)
        visitors = self._visitors.numbers(len(undecided), of_them)
        for group, numbers in zip(self._visitors.groups, visitors, strict=True):
            self._lower(codes, undecided, group, numbers)
        clocks = self._moments.group.numbers(count, cut.pieces)
        self._lower(codes, None, self._moments.group, clocks)
        times, ends = self._moments.of(cut, clocks)
        if ends[0] <= ends[1] and not facts.all_in_time(ends[0], ends[1], now):
            known = [None if math.isnan(time) else time for time in times]
            codes = array("i", facts.in_time(known, codes.tolist(), now))
        among = self._places_from(gathered(native, codes, undecided), facts.codes.tracked)
        packed = None
        if among:
            packed = self._packed(
                cut, times, pages, gathered(native, undecided, among), gathered_all(native, visitors, among),
                codes, find,
            )  # fmt: skip
        verdicts = self._verdicts(codes)
        left = zeros("i", total - count)
        native.others(first, first + total, count, address(cut.places), address(left))
        if any(code < 0 for code in verdicts):
            alone = [place for place, code in zip(cut.places, codes, strict=True) if code < 0]
            return packed, verdicts, sorted([*alone, *left])
        return packed, verdicts, left

    def _packed(
        self,
        cut: Cut,
        times: "array[float]",
        pages: "array[int]",
        places: "array[int]",
        visitors: Numbers,
        codes: "array[int]",
        find: Find,
    ) -> Packed | None:
        """The requests of the lines at these places of the cut, by those visitors; `codes` tells of what cannot be."""
        native = self._native
        asked = gathered(native, pages, places)
        urls, table, sites = self._begun(asked, places, codes, find)
        if min(urls) < 0:
            made = self._places_from(urls, 0)
            if not made:
                return None
            places, asked, urls = (gathered(native, column, made) for column in (places, asked, urls))
            visitors = gathered_all(native, visitors, made)
            sites = array("I", [sites[number] for number in made])
        count = len(places)
        pieces = gathered_all(native, cut.pieces, places)
        referrers = self._referrers.numbers(count, pieces)
        measured = self._measures.numbers(count, pieces)
        when, told = self._moments.texts(times, places)
        who = self._visitors.texts(visitors)
        keys, agents, lanes = self._visitors.keys(visitors)
        for page in self._pages.values[len(self._files) :]:
            self._files.append(page.file)
            self._partial.append(page.partial)
            self._has_title.append(page.titled)
        titles = self._titles_of(asked, referrers, sites)
        downloads, partial = zeros("Q", count), zeros("B", count)
        native.key_downloads(count, address(asked), address(self._files), address(keys), address(downloads))
        native.take_8(count, address(asked), address(self._partial), address(partial))
        blob, lengths = assembled(native, [
            (table, urls), (self._titles, titles),
            *who,
            *told,
            self._text(self._of_referrers, referrers, self._referrers, lambda told: told[0]),
            self._text(self._of_measures, measured, self._measures, str),
        ])  # fmt: skip
        lines = gathered(native, cut.places, places)
        return Packed(lines, blob, lengths, when, keys, agents, lanes, sites, downloads, partial)

    def _begun(
        self, asked: "array[int]", places: "array[int]", codes: "array[int]", find: Find
    ) -> "tuple[array[int], Table, array[int]]":
        """How the requests for these pages begin, the texts of that, and their sites.

        Where a request cannot be made, its number is below 0 and its code says why.
        """
        values, known = self._pages.values, len(self._pages.values)
        texts = self._of_pages
        if (one := self._facts.means.site) is not None:
            for page in texts.lacking(asked, known):
                texts.put(page, self._facts.url(values[page], one))
            urls = gathered(self._native, texts.map, asked)
            sites = array("I", [one.idsite]) * len(asked)
            self._sites[one.idsite] = one
        else:
            urls, sites = zeros("i", len(asked)), zeros("I", len(asked))
            for number, page in enumerate(asked):
                site = find(values[page].host)
                if site is None:
                    urls[number] = _NO_SITE
                    continue
                sites[number] = site.idsite
                self._sites[site.idsite] = site
                key = page, site.idsite
                if key not in self._urls:
                    url = self._facts.url(values[page], site)
                    self._urls[key] = _NO_URL if url is None else texts.table.add(url)
                urls[number] = self._urls[key]
        for number, began in enumerate(urls) if min(urls) < 0 else ():
            if began < 0:
                codes[places[number]] = self._facts.codes.without_site if began == _NO_SITE else ALONE
        return urls, texts.table, sites

    def _text(self, texts: Texts, numbers: "array[int]", group: Group[Value], text: Callable[[Value], str]) -> Text:
        """The texts of a group's values, and the number of each row's."""
        lacking = texts.lacking(numbers, len(group.values))
        texts.put_all(lacking, [text(group.values[number]) for number in lacking])
        return texts.of(numbers)

    def _titles_of(self, asked: "array[int]", referrers: "array[int]", sites: "array[int]") -> "array[int]":
        """The number of each row's title, which is empty for most pages."""
        found = zeros("i", len(asked))
        for row in self._places_from(gathered(self._native, self._has_title, asked), 1):
            key = asked[row], referrers[row], sites[row]
            title = self._titled.get(key)
            if title is None:
                page, (_, referrer) = self._pages.values[key[0]], self._referrers.values[key[1]]
                title = self._titles.add(self._facts.title(page, self._sites[key[2]], referrer))
                self._titled[key] = title
            found[row] = title
        return found

    def _lower(
        self, codes: "array[int]", places: "array[int] | None", group: Group[Value] | Clients, numbers: "array[int]"
    ) -> None:
        """Lets codes at these places, or all, be no larger than those of the group's values."""
        where = address(places) if places is not None else None
        self._native.lower(len(numbers), where, address(numbers), address(group.codes), address(codes))

    def _verdicts(self, codes: "array[int]") -> Counter[int]:
        """How often each code is there."""
        found, counts = zeros("i", len(codes)), zeros("q", len(codes))
        distinct = self._native.count_each(len(codes), address(codes), address(found), address(counts))
        if distinct < 0:
            raise MemoryError
        return Counter(dict(zip(found[:distinct], counts[:distinct], strict=True)))

    def _places_from(self, codes: "array[int]", least: int) -> "array[int]":
        """The places of codes from `least` on."""
        found = zeros("i", len(codes))
        count = self._native.from_(len(codes), address(codes), least, address(found))
        del found[count:]
        return found

    def _forget(self) -> None:
        """Begins anew with what has become much, so that clients who invent values cannot fill the memory."""
        if full := [piece for piece in self._cutter.pieces if piece.full]:
            for piece in full:
                piece.forget()
            for group in self._groups:
                group.forget_pieces(full)
        if len(self._titled) > MOST or self._pages.full or self._referrers.full:
            self._titled.clear()
            self._titles.clear()
            self._titles.add("")
        if len(self._urls) > MOST or self._pages.full:
            self._urls.clear()
            self._of_pages.forget()
            del self._files[:], self._partial[:], self._has_title[:]
        self._visitors.forget()
        if self._referrers.full:
            self._of_referrers.forget()
        if self._measures.full:
            self._of_measures.forget()
        self._moments.forget()
        for group in self._groups:
            if group.full:
                group.forget()


_NO_SITE, _NO_URL = -4, -3
