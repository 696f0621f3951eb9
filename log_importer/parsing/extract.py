"""Columns out of columns: `[extract.COLUMN] pattern` takes a column that holds several values apart."""

import re
from collections.abc import Sequence
from typing import Protocol

from log_importer.parsing.columns import NOTHING, Columns
from log_importer.parsing.cuts import Cuts
from log_importer.parsing.regex_driver import LimitedPattern, compile_pattern
from log_importer.parsing.spec import FormatSpec


class Driver(Protocol):
    """What a driver gives for a line: the values of its columns."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def read(self, line: str) -> Sequence[str | None] | None: ...

    def read_all(self, lines: Sequence[str]) -> Columns: ...

    def stopped_at(self, line: str) -> int: ...


class Extracting:
    """A driver whose rows go on with the groups that the patterns find in its columns."""

    def __init__(self, driver: Driver, spec: FormatSpec) -> None:
        self._driver = driver
        self._patterns: list[tuple[int | None, re.Pattern[str] | LimitedPattern, list[int]]] = []
        columns = list(driver.columns)
        for column, source in spec.extract.items():
            pattern = compile_pattern(source, f"{spec.origin}: extract.{column}.pattern", proved=spec.proved)
            place = columns.index(column) if column in columns else None
            places = [columns.index(name) if name in columns else -1 for name in pattern.groupindex]
            for position, name in enumerate(pattern.groupindex):
                if places[position] < 0:
                    places[position] = len(columns)
                    columns.append(name)
            self._patterns.append((place, pattern, places))
        self.columns = tuple(columns)
        self.stopped_at = driver.stopped_at

    def cuts(self) -> dict[int, Cuts]:
        """None."""
        return {}

    def read_all(self, _lines: Sequence[str]) -> Columns:
        """None: what is to be found in columns is looked for line by line."""
        return NOTHING

    def read(self, line: str) -> Sequence[str | None] | None:
        """The driver's row and the extracted columns; `None` where the driver reads nothing."""
        row = self._driver.read(line)
        if row is None:
            return None
        values = [*row, *[None] * (len(self.columns) - len(row))]
        for place, pattern, places in self._patterns:
            text = values[place] if place is not None else None
            match = pattern.search(text) if text is not None else None
            if match is not None:
                for name, index in zip(pattern.groupindex, places, strict=True):
                    values[index] = match[name] if match[name] is not None else values[index]
        return values
