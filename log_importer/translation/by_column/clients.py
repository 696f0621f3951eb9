"""The addresses of lines, from which the first parameter and half of a visitor's key are made."""

from array import array
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from log_importer.model.keys import address_key
from log_importer.native import Native
from log_importer.parsing.cuts import Cells
from log_importer.parsing.parser import Part
from log_importer.tracking import requests
from log_importer.translation.by_column.codes import ALONE
from log_importer.translation.by_column.facts import Client, Facts
from log_importer.translation.by_column.groups import Group, Piece
from log_importer.translation.by_column.texts import Text, Texts

Value = TypeVar("Value")


class Clients(Protocol):
    """Numbers for the addresses of lines, and what there is by these."""

    @property
    def codes(self) -> "array[int]": ...
    @property
    def keys(self) -> "array[int]":
        """Of those whose texts were asked for."""

    @property
    def elsewhere(self) -> "array[int]":
        """1, or 0 for the addresses of search engines, where rules ask for that."""

    @property
    def full(self) -> bool: ...
    def numbers(self, count: int, pieces: "Sequence[array[int]]") -> "array[int]": ...
    def texts(self, numbers: "array[int]") -> Text: ...
    def forget(self) -> None: ...
    def forget_pieces(self, forgotten: Sequence[Piece]) -> None: ...


def of_clients(
    part: Part, client: Callable[[str], Value], otherwise: Value
) -> Callable[[Sequence[Cells]], list[Value]]:
    """Works out what `client` gives for the addresses that a part reads, and `otherwise` where there is none.

    That is asked of every address of a log.
    """

    def of_all(new: Sequence[Cells]) -> list[Value]:
        if part.certain is not None and part.certain([cells[0] for cells in new]):
            return [client(cells[0]) for cells in new if cells[0] is not None]
        hits = [part.read(cells) for cells in new]
        return [otherwise if hit is None else client(hit.client_ip) for hit in hits]

    return of_all


class Listed(Group[Client]):
    """Each is worked out in Python."""

    def __init__(self, native: Native, pieces: Sequence[Piece], part: Part, facts: Facts) -> None:
        """`part` reads the address."""
        work_out = of_clients(part, facts.client, Client(ALONE))
        super().__init__(native, pieces, part.places, work_out, lambda client: client.code)
        self._texts = Texts(native)
        self.keys = array("I")
        self.elsewhere = array("i")

    def texts(self, numbers: "array[int]") -> Text:
        """The parameter of each."""
        clients = self.values
        self.keys.frombytes(bytes(self.keys.itemsize * (len(clients) - len(self.keys))))
        self.elsewhere.extend([not client.search_engine for client in clients[len(self.elsewhere) :]])
        lacking = self._texts.lacking(numbers, len(clients))
        found = [clients[number].address for number in lacking]
        self._texts.put_all(lacking, [requests.address(client) for client in found])
        for number, client in zip(lacking, found, strict=True):
            self.keys[number] = address_key(client)
        return self._texts.of(numbers)

    def forget(self) -> None:
        super().forget()
        self._texts.forget()
        del self.keys[:], self.elsewhere[:]
