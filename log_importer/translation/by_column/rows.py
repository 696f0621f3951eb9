"""The tracking requests of a chunk's lines, as columns, in the order of the lines."""

from collections.abc import Iterable, Iterator
from typing import Any


class Rows:
    """Grows by one line, or by the columns of several."""

    # In the order of the columns.
    __slots__ = ("places", "queries", "times", "visitors", "agents", "lanes", "idsites", "downloads", "partial")  # noqa: RUF023

    def __init__(self) -> None:
        self.places: list[int] = []  # of the lines in their chunk
        self.queries: list[str] = []
        self.times: list[float] = []
        self.visitors: list[int] = []
        self.agents: list[int] = []
        self.lanes: list[int] = []
        self.idsites: list[int] = []
        self.downloads: list[int] = []  # the key of the download, 0 for none
        self.partial: list[bool] = []

    def __len__(self) -> int:
        return len(self.places)

    def add(
        self, place: int, query: str, time: float, keys: tuple[int, int, int], idsite: int, download: int, partial: bool
    ) -> None:
        """One line; `keys` are those of the visitor, the user agent and the lane."""
        for column, value in zip(self._columns(), (place, query, time, *keys, idsite, download, partial), strict=True):
            column.append(value)

    def extend(self, *columns: Iterable[object]) -> None:
        """Several lines."""
        for column, values in zip(self._columns(), columns, strict=True):
            column.extend(values)

    def sort(self) -> None:
        """Puts them in the order of the lines."""
        order = sorted(range(len(self)), key=self.places.__getitem__)
        if order != list(range(len(self))):
            for column in self._columns():
                column[:] = [column[place] for place in order]

    def _columns(self) -> Iterator[list[Any]]:
        return (getattr(self, name) for name in self.__slots__)
