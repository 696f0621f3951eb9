"""A pattern for a line, taken apart at its quotes, so that each piece of a line is matched by itself and only once.

Most pieces (a request, a user agent) were there on lines before, and to look them up costs a fraction of matching
the line. It gives what the whole pattern gives: where a line has as many quotes as the pattern asks for, and no
backslash, each quote of the pattern stands for one of the line, and nothing else in the pattern can match a quote.
Other lines, and those of which a piece does not match, are left to the whole pattern.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, chain, compress, pairwise
from operator import and_

from log_importer.parsing.columns import NOTHING, Column, Columns
from log_importer.parsing.cuts import Cuts, PieceOf
from log_importer.parsing.engine import TOKENS, compile_regex

_QUOTE, _BRACKET = ('"', r"\""), (r"\[",)
_REPEATS = frozenset("?*+{")
_MOST = 4096
"""Pieces of a kind that are remembered."""
_LONGEST = 512
"""Characters; longer pieces are matched each time, so that clients who invent them cannot fill the memory."""
SAMPLE = 20
"""Lines whose quotes tell how many the others have."""


class SplitPattern:
    """Reads lines piece by piece."""

    def __init__(self, source: str, flags: int) -> None:
        """Raises `ValueError` where the pattern cannot be taken apart, and `re.error`."""
        pattern = compile_regex(source, flags)
        self._kinds = {kind.quotes: kind for kind in map(_Kind, _variants(_taken_apart(source, flags)))}
        longest = max(self._kinds.values(), key=lambda kind: len(kind.names))
        if longest.names != tuple(pattern.groupindex) or len(longest.names) != pattern.groups:
            raise ValueError("a group has no name, or stands across a quote")
        if 0 in self._kinds:
            raise ValueError("there are no quotes")
        self._groups = pattern.groups

    @cached_property
    def cuts(self) -> dict[int, Cuts]:
        """How lines are cut, by their quotes."""
        return {quotes: kind.cuts() for quotes, kind in self._kinds.items()}

    def read_all(self, lines: Sequence[str]) -> Columns:
        """The groups of those lines that can be read so; most lines of a log have the same quotes."""
        counts = [line.count('"') for line in lines[:SAMPLE]]
        kind = max(self._kinds.values(), key=lambda kind: counts.count(kind.quotes))
        places: Sequence[int] = [place for place, line in enumerate(lines) if line.count('"') == kind.quotes]
        text = '"'.join([lines[place] for place in places])
        if "\\" in text:
            places = [place for place in places if "\\" not in lines[place]]
            text = '"'.join([lines[place] for place in places])
        if not places:
            return NOTHING
        found, matched = kind.read(text)
        if matched is not None:
            places = list(compress(places, matched))
        lacking: list[Column] = [[None] * len(places)] * (self._groups - len(found))
        return Columns(places, [*found, *lacking])


_Groups = str | None | tuple[str | None, ...]


class _Piece(dict[str, _Groups]):
    """What stands between two quotes -> its group, or all of them where there are several."""

    def __init__(self, source: str, flags: int, lead: int = -1) -> None:
        """`lead` is that of a `PieceOf`."""
        self._pattern = compile_regex(source, flags)
        self.names = tuple(self._pattern.groupindex)
        self.lead = lead if len(self.names) == 1 else -1
        self.no_match: _Groups = ("",) * len(self.names)  # known by its identity
        self.failed = False

    def cells(self, text: str) -> tuple[str | None, ...] | None:
        """The groups of a text that may never come again; `None` where it does not match."""
        match = self._pattern.fullmatch(text)
        return match.groups() if match is not None else None

    def __missing__(self, text: str) -> _Groups:
        match = self._pattern.fullmatch(text)
        if match is None:
            self.failed = True
            return self.no_match
        groups = match.groups() if len(self.names) > 1 else match[1] if self.names else None
        if len(text) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[text] = groups
        return groups

    def read(self, texts: Sequence[str]) -> list[_Groups]:
        """The groups of each of these texts."""
        return list(map(self.__getitem__, texts))

    def columns(self, groups: Sequence[_Groups]) -> list[Column]:
        """By group."""
        if len(self.names) > 1:
            return list(zip(*groups, strict=True)) or [()] * len(self.names)
        return [groups] * len(self.names)  # type: ignore[list-item]


class _UpTo(_Piece):
    """Everything up to a character, and something that is always the same, as a time in brackets: no two are alike."""

    def __init__(self, source: str, flags: int, end: str, rest: str) -> None:
        super().__init__(source, flags, lead=0)
        self._end = end
        self._rest = rest

    def cells(self, text: str) -> tuple[str | None, ...] | None:
        """What is before the character; `None` where what follows is something else."""
        value, between, behind = text.partition(self._end)
        return (value,) if value and between and behind == self._rest else None

    def read(self, texts: Sequence[str]) -> list[_Groups]:
        """The groups of each of these texts."""
        rest = self._rest
        parts = [text.partition(self._end) for text in texts]
        found: list[_Groups] = [
            value if value and between and behind == rest else self.no_match for value, between, behind in parts
        ]
        self.failed = any(one is self.no_match for one in found)
        return found


def _piece(part: "_Part") -> _Piece:
    found = _UP_TO.fullmatch(part.text)
    end, rest = (text.replace("\\", "") for text in found.groups()) if found is not None else ("", "")
    if end and rest.startswith(end):
        return _UpTo(part.source, part.flags, end, rest[1:])
    return _Piece(part.source, part.flags, lead=0 if _GROUP.match(part.text) else -1)


def _head(part: "_Part") -> tuple[str, _Piece] | None:
    """Where a part begins with a group of everything up to a character: that, and what it goes on with from there."""
    found = _HEAD.match(part.text)
    if found is None or found[1].removeprefix("\\") != found[2] or _LOOKS_BACK.search(part.text):
        return None
    end = next(place for place, (text, depth) in enumerate(part.tokens) if text == ")" and not depth) + 1
    behind = _Part(part.tokens[end:], part.flags)
    return found[2], _Piece(behind.source, part.flags)


def _whole(text: str) -> tuple[str] | None:
    return (text,) if text else None


_GROUP = re.compile(r"\(\?P<[a-z0-9_]+>")
_BRACKETED = re.escape(r"\[[^\]\ ]*+\](?::[0-9]++)?|")
"""An address in brackets, perhaps with a port, which has no blank either."""
_HEAD = re.compile(rf"\(\?P<[a-z0-9_]+>(?:{_BRACKETED})?\[\^(\\?[^\\])\](?:\+\+|\*\+)\)\\([ -/:-@\[-`{{-~])")
_LOOKS_BACK = re.compile(r"\(\?<|\(\?P=|\\[0-9bB]")
"""What may match otherwise where something else is before it."""
_UP_TO = re.compile(r"\(\?P<[a-z0-9_]+>\[\^(\\?[^\\])\]\+\+\)((?:\\[^A-Za-z0-9])+)")


class _Kind:
    """The pattern for lines with so many quotes."""

    def __init__(self, whole: "_Part") -> None:
        parts = whole.split(_QUOTE)
        self.quotes = len(parts) - 1
        first = parts[0].split(_BRACKET)
        self._bracketed = len(first) == 2  # what is before the time, and the time, which is another on each line
        if self._bracketed:
            parts[:1] = first
        self._first = parts[0]
        self._pieces = list(map(_piece, parts))
        self.names = tuple(chain.from_iterable(piece.names for piece in self._pieces))

    def cuts(self) -> Cuts:
        """How lines with so many quotes are cut."""
        ends = list(accumulate((len(piece.names) for piece in self._pieces), initial=0))
        pieces = [
            PieceOf(range(begin, end), piece.cells, piece.lead)
            for piece, (begin, end) in zip(self._pieces, pairwise(ends), strict=True)
        ]
        head = _head(self._first) if self._bracketed else None
        if head is None:
            return Cuts(pieces, self.quotes, self._bracketed)
        # What begins a line, the address mostly, is often new, while what is behind it is hardly ever.
        first, behind = head
        pieces[:1] = [PieceOf(range(1), _whole, 0), PieceOf(range(1, ends[1]), behind.cells, -1)]
        return Cuts(pieces, self.quotes, self._bracketed, first)

    def read(self, text: str) -> tuple[list[Column], list[bool] | None]:
        """The groups of lines with so many quotes, joined by another, and which matched; `None` for all of them."""
        texts = text.split('"')
        columns: list[Sequence[str]] = [texts[number :: self.quotes + 1] for number in range(self.quotes + 1)]
        if self._bracketed:
            halves = [text.partition("[") for text in columns[0]]
            columns[:1] = [[before for before, _, _ in halves], [behind for _, _, behind in halves]]
        found = [piece.read(column) for piece, column in zip(self._pieces, columns, strict=True)]
        matched: list[bool] | None = None
        for piece, groups in zip(self._pieces, found, strict=True):
            if piece.failed:
                piece.failed = False
                good = [one is not piece.no_match for one in groups]
                matched = good if matched is None else list(map(and_, matched, good))
        if matched is not None:
            found = [list(compress(groups, matched)) for groups in found]
        return [*chain.from_iterable(map(_Piece.columns, self._pieces, found))], matched


class _Part:
    """A part of a pattern: its characters, escapes and classes, each with how many groups stand around it."""

    def __init__(self, tokens: Sequence[tuple[str, int]], flags: int) -> None:
        self.tokens = tokens
        self.flags = flags

    @property
    def source(self) -> str:
        # Where a group looks for a quote, that is the piece's end.
        return "".join(r"\Z" if text in _QUOTE else text for text, _ in self.tokens)

    @property
    def text(self) -> str:
        """The source without blanks that say nothing."""
        return "".join(text for text, _ in self.tokens if not (self.flags & re.VERBOSE and text.isspace()))

    def split(self, separators: Sequence[str]) -> "list[_Part]":
        """The parts between separators that stand in no group."""
        places = [place for place, (text, depth) in enumerate(self.tokens) if not depth and text in separators]
        begins, ends = [0, *(place + 1 for place in places)], [*places, len(self.tokens)]
        return [self.cut(begin, end) for begin, end in zip(begins, ends, strict=True)]

    def cut(self, begin: int, end: int) -> "_Part":
        return _Part(self.tokens[begin:end], self.flags)


def _taken_apart(source: str, flags: int) -> _Part:
    found: list[tuple[str, int]] = []
    depth = 0
    for text in TOKENS.findall(source):
        depth -= text == ")"
        found.append((text, depth))
        depth += text == "("
        if text == "#" and flags & re.VERBOSE:
            raise ValueError("it has comments")
    for (text, around), (following, _) in pairwise(found):
        if not around and (text == "|" or (text in _QUOTE and following in _REPEATS)):
            raise ValueError("not all lines that it matches have the same quotes")
    return _Part(found, flags)


def _variants(whole: _Part) -> Iterator[_Part]:
    """The pattern; where it ends with an optional group, without that group and with it."""
    texts = [text for text, _ in whole.tokens]
    while texts and texts[-1].isspace():
        texts.pop()
    ending = next((len(end) for end in ([")", "?", "+"], [")", "?"]) if texts[-len(end) :] == end), 0)
    if not ending:
        yield whole
        return
    end = len(texts) - ending
    begin = next(place for place in range(end - 1, -1, -1) if whole.tokens[place] == ("(", 0))
    if texts[begin : begin + 3] != ["(", "?", ":"]:
        raise ValueError("the optional group at the end has a name")
    yield whole.cut(0, begin)
    inner = [(text, depth - 1) for text, depth in whole.tokens[begin + 3 : end]]
    yield _Part([*whole.tokens[:begin], *inner], whole.flags)
