"""Regular expressions that match rightly on every CPython from 3.11.0 on.

A possessive quantifier around a group, as `(?:...)*+`, matches wrongly in the standard library: before 3.11.5 it
tells that a line matches, or does not, where the opposite is true (gh-100061, gh-106052), and up to 3.13 at least it
can lose what a group in it has matched (gh-101955). The same written as an atomic group, `(?>(?:...)*)`, is right in
all of them, and so is a possessive quantifier behind a single character or class. So each such quantifier becomes an
atomic group between parsing and compiling, whoever wrote the pattern.
"""

import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from re import _compiler, _parser  # type: ignore[attr-defined]  # what stands between the two has no public name
from re import _constants as c  # type: ignore[attr-defined]
from typing import Any

from log_importer.model.errors import UsageError

SINGLE = frozenset({c.LITERAL, c.NOT_LITERAL, c.IN, c.ANY})
"""Kinds of items that match one character."""


@lru_cache(maxsize=512)
def compile_regex(source: str, flags: int = 0) -> "re.Pattern[str]":
    """Like `re.compile`, and right; the attribute `pattern` of what it gives is None. Raises `re.error`."""
    tree = _parser.parse(source, flags)
    _make_atomic(tree)
    compiled: re.Pattern[str] = _compiler.compile(tree, flags)
    return compiled


def _make_atomic(tree: Any) -> None:
    for position, (kind, value) in enumerate(tree):
        for part in parts(kind, value):
            _make_atomic(part)
        if kind is c.POSSESSIVE_REPEAT and not (len(value[2]) == 1 and value[2][0][0] in SINGLE):
            repeat = _parser.SubPattern(tree.state, [(c.MAX_REPEAT, value)])
            tree[position] = (c.ATOMIC_GROUP, repeat)


def parts(kind: Any, value: Any) -> Iterator[Any]:
    """The sequences of items in an item of a parse tree."""
    if kind is c.SUBPATTERN:
        yield value[3]
    elif kind is c.BRANCH:
        yield from value[1]
    elif kind is c.ATOMIC_GROUP:
        yield value
    elif kind in (c.ASSERT, c.ASSERT_NOT):
        yield value[1]
    elif kind in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        yield value[2]
    elif kind is c.GROUPREF_EXISTS:
        yield from filter(None, value[1:])


TOKENS = compile_regex(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]|.", re.DOTALL)
"""A pattern's escapes, classes, and all other characters one by one."""

_PROOFS: tuple[tuple[str, str, tuple[str | None, ...] | None], ...] = (
    # a pattern, a text, and the groups that they give; None: no match
    (r"(?:ab?a)*+", "a", None),
    (r"([^ :]*+(?::(?![0-9]++ )[^ :]*+)*+):[0-9]++ (?:(x)|y)*+", "1::2:3 xy", ("1::2", "x")),
)


def check_engine(compiler: Callable[[str], "re.Pattern[str]"] = compile_regex) -> None:
    """Tries each kind of construct that patterns are made of, in less than a millisecond.

    Raises `UsageError` where this interpreter gets one wrong, since it would read logs wrongly, too.
    """
    for pattern, text, groups in _PROOFS:
        try:
            match = compiler(pattern).fullmatch(text)
            found = match.groups() if match is not None else None
        except SystemError:  # what one of these faults ends in
            found = ("",)
        if found != groups:
            raise UsageError(
                f"Python {sys.version.split()[0]} ({sys.executable}) gets the regular expression {pattern} wrong "
                "and would read logs wrongly; nothing was done.",
                "Install log-importer with another Python, such as the newest 3.12 or 3.13.",
            )
