"""The `regex` driver: one pattern with named groups for the whole line.

A pattern that is proved linear runs on the standard library's engine. Any other, which only a user can bring, runs on
the `regex` package, which can stop after a time limit.
"""

import re
from collections.abc import Sequence
from typing import Any

import regex

from log_importer.errors import FormatError
from log_importer.parsing.linear import ambiguity
from log_importer.parsing.spec import FormatSpec

TIME_LIMIT = 0.1
"""Seconds that a pattern that is not proved linear may take for one line."""


class RegexDriver:
    """Reads the columns of a line; `columns` are the pattern's named groups."""

    def __init__(self, spec: FormatSpec) -> None:
        self._source: str = spec.options["pattern"]
        try:
            proved = ambiguity(self._source) is None
        except (re.error, OverflowError):
            proved = False  # it may still be one that only the regex package knows
        self._pattern: Any
        if proved:
            self._pattern = re.compile(self._source, re.VERBOSE | re.ASCII)
            self.read = self._read_linear
        else:
            try:
                self._pattern = regex.compile(self._source, regex.VERBOSE | regex.ASCII)
            except regex.error as error:
                raise FormatError(f"{spec.origin}: regex.pattern is not a pattern: {error}.") from None
            self.read = self._read_limited
        self.columns: tuple[str, ...] = tuple(self._pattern.groupindex)
        self._places = tuple(self._pattern.groupindex.values())
        self._all_named = self._places == tuple(range(1, self._pattern.groups + 1))

    def _read_linear(self, line: str) -> Sequence[str | None] | None:
        match = self._pattern.fullmatch(line)
        if match is None:
            return None
        groups: tuple[str | None, ...] = match.groups()
        return groups if self._all_named else [groups[place - 1] for place in self._places]

    def _read_limited(self, line: str) -> Sequence[str | None] | None:
        try:
            match = self._pattern.fullmatch(line, timeout=TIME_LIMIT)
        except TimeoutError:
            return None
        return None if match is None else [match.group(place) for place in self._places]

    def stopped_at(self, line: str) -> int:
        """How far into `line` the pattern can read: the length of the longest beginning that it could still match."""
        pattern = regex.compile(self._source, regex.VERBOSE | regex.ASCII)
        low, high = 0, len(line)
        while low < high:
            middle = (low + high + 1) // 2
            try:
                fits = pattern.fullmatch(line[:middle], partial=True, timeout=TIME_LIMIT) is not None
            except TimeoutError:
                fits = False
            low, high = (middle, high) if fits else (low, middle - 1)
        return low
