"""The `regex` driver: one pattern with named groups for the whole line.

A pattern that is proved linear runs on the standard library's engine. Any other, which only a user can bring, runs on
the `regex` package, which can stop after a time limit.
"""

import contextlib
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import regex

from log_importer.model.errors import FormatError
from log_importer.parsing.addresses import client_address
from log_importer.parsing.columns import NOTHING, Columns
from log_importer.parsing.cuts import Cuts
from log_importer.parsing.engine import TOKENS, compile_regex
from log_importer.parsing.linear import ambiguity
from log_importer.parsing.spec import FormatSpec
from log_importer.parsing.split_pattern import SplitPattern

TIME_LIMIT = 0.1
"""Seconds that a pattern that is not proved linear may take for one line."""
TIMEOUTS = 100
"""So many lines on which it took longer, and it is not tried any more."""


class LimitedPattern:
    """A pattern under the time limit; raises `TimeoutError` where it takes longer, always after too many."""

    def __init__(self, source: str, flags: Any) -> None:
        self._pattern = regex.compile(_negated_classes_kept(source), flags)
        self.groupindex, self.groups = self._pattern.groupindex, self._pattern.groups
        self._left = TIMEOUTS

    def fullmatch(self, text: str) -> Any:
        """Like `re.Pattern.fullmatch`."""
        return self._run(self._pattern.fullmatch, text)

    def search(self, text: str) -> Any:
        """Like `re.Pattern.search`."""
        return self._run(self._pattern.search, text)

    def renew(self) -> None:
        """It is tried again, as it would be if it had never taken too long."""
        self._left = TIMEOUTS

    def _run(self, function: Any, text: str) -> Any:
        if not self._left:
            raise TimeoutError
        try:
            return function(text, timeout=TIME_LIMIT)
        except TimeoutError:
            self._left -= 1
            raise


def _negated_classes_kept(source: str) -> str:
    """`source` for the `regex` package, which takes the alternatives `[^a]|[^b]` for `[^ab]`.

    It joins negated classes of one character only, so each gets a second character, one that stands in no text.
    """
    return "".join(part[:-1] + "\ud800]" if part.startswith("[^") else part for part in TOKENS.findall(source))


def compile_pattern(
    source: str, where: str, *, verbose: bool = True, proved: bool = False
) -> "re.Pattern[str] | LimitedPattern":
    """`source` compiled, under a time limit unless it is `proved` linear or can be now; `where` names it.

    Raises `FormatError`.
    """
    flags = re.VERBOSE | re.ASCII if verbose else re.ASCII
    try:
        if proved or _is_linear(source, flags):
            return compile_regex(source, flags)
    except (re.error, OverflowError):
        pass  # it may still be one that only the regex package knows
    try:
        return LimitedPattern(source, regex.VERBOSE | regex.ASCII if verbose else regex.ASCII)
    except regex.error as error:
        raise FormatError(f"{where} is not a pattern: {error}.") from None


@lru_cache(maxsize=256)
def _is_linear(source: str, flags: int) -> bool:
    return ambiguity(source, flags) is None


class RegexDriver:
    """Reads the columns of a line; `columns` are the pattern's named groups."""

    def __init__(self, spec: FormatSpec) -> None:
        self._source: str = spec.options["pattern"]
        self._verbose: bool = spec.options.get("verbose", True)
        self._pattern = compile_pattern(
            self._source, f"{spec.origin}: regex.pattern", verbose=self._verbose, proved=spec.proved
        )  # fmt: skip
        self.columns: tuple[str, ...] = tuple(self._pattern.groupindex)
        self._places = tuple(self._pattern.groupindex.values())
        self._all_named = self._places == tuple(range(1, self._pattern.groups + 1))

    @cached_property
    def _split(self) -> SplitPattern | None:
        """What a detection, which tries many formats on lines one by one, has no need of."""
        with contextlib.suppress(ValueError, re.error):
            flags = re.VERBOSE | re.ASCII if self._verbose else re.ASCII
            return SplitPattern(self._source, flags) if isinstance(self._pattern, re.Pattern) else None
        return None

    def read(self, line: str) -> Sequence[str | None] | None:
        """The groups' values, `None` where the pattern does not match. Raises `TimeoutError`."""
        match = self._pattern.fullmatch(line)
        if match is None:
            return None
        groups: tuple[str | None, ...] = match.groups()
        return groups if self._all_named else [groups[place - 1] for place in self._places]

    def read_all(self, lines: Sequence[str]) -> Columns:
        """The columns of those lines that can be read together."""
        if self._split is not None:
            return self._split.read_all(lines)
        if isinstance(self._pattern, LimitedPattern):
            return NOTHING  # it may take too long for a line, which is to be said of that one
        rows = [self.read(line) for line in lines]
        places = [place for place, row in enumerate(rows) if row is not None]
        return Columns(places, list(zip(*[row for row in rows if row is not None], strict=True))) if places else NOTHING

    def cuts(self) -> dict[int, Cuts]:
        """How lines can be cut, by their quotes."""
        return self._split.cuts if self._split is not None else {}

    def renew(self) -> None:
        """A pattern that is not tried any more is tried again."""
        if isinstance(self._pattern, LimitedPattern):
            self._pattern.renew()

    def stopped_at(self, line: str) -> int:
        """How far into `line` the pattern can read: the length of the longest beginning that it could still match."""
        pattern = regex.compile(self._source, regex.VERBOSE | regex.ASCII if self._verbose else regex.ASCII)
        low, high = 0, len(line)
        while low < high:
            middle = (low + high + 1) // 2
            try:
                fits = pattern.fullmatch(line[:middle], partial=True, timeout=TIME_LIMIT) is not None
            except TimeoutError:
                fits = False
            low, high = (middle, high) if fits else (low, middle - 1)
        # A word can be anything; only the client or the time tells whether the line comes near the format at all.
        groups = found.groupdict() if low and (found := pattern.fullmatch(line[:low], partial=True)) else {}
        client = groups.get("client_ip")
        near = client_address(client) is not None if client else bool(groups.get("time"))
        return low if near or "client_ip" not in pattern.groupindex else 0
