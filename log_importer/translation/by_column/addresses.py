"""A piece of lines that is an address: judged and written by compiled loops, since nearly each visitor has another.

What is more than an address (a port, a list) or written in a rare way is read in Python, as in clients.py, by the same
functions; so is IPv6 where rules ask for its networks, or where it is masked.
"""

from array import array
from collections.abc import Iterable, Sequence

from log_importer.model.keys import address_key
from log_importer.native import Native, address, zeros
from log_importer.parsing.cuts import Cuts, PieceOf
from log_importer.parsing.parser import Part
from log_importer.tracking import requests
from log_importer.translation.by_column.facts import Facts
from log_importer.translation.by_column.groups import READ, UNREAD, Piece
from log_importer.translation.by_column.texts import Text, Texts

_SAMPLE = "192.0.2.1"


def addresses_of(native: Native, cuts: Cuts, client: Part, others: Iterable[Part], facts: Facts) -> "Addresses | None":
    """The piece that is nothing but the address that `client` reads, which `others` do not look at.

    `None` where there is none, or where rules look at more of addresses than in which networks they lie.
    """
    read = {place for part in others for place in part.places}
    if client.certain is None or facts.networks is None or not facts.apart or read & set(client.places):
        return None
    for number, piece in enumerate(cuts.pieces):
        if tuple(piece.places) == tuple(client.places) and _is_whole(piece):
            return Addresses(native, piece, number, client, facts)
    return None


def _is_whole(piece: PieceOf) -> bool:
    cells = piece.read({0: _SAMPLE, 1: f'"{_SAMPLE}"'}.get(piece.lead, ""))
    return cells is not None and tuple(cells) == (_SAMPLE,)


class Addresses(Piece):
    """The piece, whose numbers are those of the addresses."""

    def __init__(self, native: Native, of: PieceOf, number: int, part: Part, facts: Facts) -> None:
        """`number` is that of the piece, `part` reads its cell."""
        super().__init__(native, of)
        self._native = native
        self.number = number
        self._lead = of.lead
        self._part = part
        self._facts = facts
        assert facts.networks is not None
        self._networks = [(_columns(networks.ranges), code) for networks, code in facts.networks]
        self._masked = facts.means.changes.mask_bytes
        self._six = not self._masked and not any(networks.six for networks, _ in facts.networks)
        added = facts.means.additions.of_agents
        self._search_engines = _columns(added.is_search_engine.ranges) if added is not None else None
        self._others: dict[int, str] = {}  # those that were read in Python, as they are sent
        self._texts = Texts(native)
        self.codes = array("i")
        self.keys = array("I")
        self.elsewhere = array("i")

    def learn(self) -> None:
        known = len(self.codes)
        count = len(self.table) - known
        if not count:
            return
        native = self._native
        kinds, values, others = zeros("B", count), zeros("I", count), zeros("i", count)
        odd = native.addresses_read(
            self.table.at, known, self._lead, self._six, address(kinds), address(values), address(others)
        )  # fmt: skip
        codes = array("i", [self._facts.code_of_client]) * count
        for (firsts, lasts), code in self._networks:
            native.addresses_within(
                count, address(kinds), address(values), len(firsts), address(firsts), address(lasts), code,
                address(codes),
            )  # fmt: skip
        elsewhere = array("i", [1]) * count
        if self._search_engines is not None:
            firsts, lasts = self._search_engines
            native.addresses_within(
                count, address(kinds), address(values), len(firsts), address(firsts), address(lasts), 0,
                address(elsewhere),
            )  # fmt: skip
        self.codes += codes
        self.elsewhere += elsewhere
        self.readable += array("i", [READ]) * count
        self.keys += zeros("I", count)
        if odd:
            texts = self.table.texts(known)
            for number in others[:odd]:
                self._learn_alone(number, texts[number - known])

    def _learn_alone(self, number: int, text: str) -> None:
        cells = self._read(text)
        hit = self._part.read(cells) if cells is not None else None
        if hit is None:
            self.readable[number], self.failed = UNREAD, True
            return
        client = self._facts.client(hit.client_ip)
        self._others[number] = client.address
        self.codes[number], self.elsewhere[number] = client.code, not client.search_engine

    def numbers(self, _count: int, pieces: "Sequence[array[int]]") -> "array[int]":
        """Those of lines whose pieces have those numbers."""
        return pieces[self.number]

    def texts(self, numbers: "array[int]") -> Text:
        """The parameter of each."""
        lacking = self._texts.lacking(numbers, len(self.codes))
        if self._others:
            for number in [number for number in lacking if number in self._others]:
                lacking.remove(number)
                self._texts.put(number, requests.address(self._others[number]))
                self.keys[number] = address_key(self._others[number])
        if self._native.addresses_tell(
            self.table.at, self._lead, self._masked, len(lacking), address(lacking), requests.address("").encode(),
            self._texts.table.at, address(self._texts.map), address(self.keys),
        ):  # fmt: skip
            raise MemoryError
        return self._texts.of(numbers)

    def forget(self) -> None:
        super().forget()
        self._others.clear()
        self._texts.forget()
        del self.codes[:], self.keys[:], self.elsewhere[:]

    def forget_pieces(self, forgotten: Sequence[Piece]) -> None:
        """It is one."""


def _columns(ranges: Sequence[tuple[int, int]]) -> "tuple[array[int], array[int]]":
    return array("I", [first for first, _ in ranges]), array("I", [last for _, last in ranges])
