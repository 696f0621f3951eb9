"""Proves of a pattern that matching takes time linear in the line's length, by its structure alone.

A client chooses what stands in a request line, so a pattern in which two unbounded repeats can match the same text
lets it choose how long we take. The rule here is simple and strict: every unbounded repeat is possessive (or in an
atomic group), or what follows it cannot begin with a character that it can match. Either way there is one way only.
"""

import re
from collections.abc import Sequence
from re import _constants as c  # type: ignore[attr-defined]  # the parse tree has no public name
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from log_importer.parsing.engine import SINGLE

_OTHER = 256  # stands for every character beyond Latin-1
_ALL = frozenset(range(_OTHER + 1))
_END = frozenset[int]()

Items = Sequence[tuple[Any, Any]]


def ambiguity(pattern: str, flags: int = re.VERBOSE | re.ASCII) -> str | None:
    """One sentence on the first repeat that is not proved linear, or `None` when all are.

    Raises `re.error` where the pattern is none.
    """
    tree = _parser.parse(pattern, flags)
    if tree.state.flags & re.IGNORECASE:
        return "the flag (?i) is not looked through; write both cases"
    return _sequence(list(tree), _END)


def _sequence(items: Items, after: frozenset[int]) -> str | None:
    """Looks at each item with the set of characters that can come after it."""
    for position, item in enumerate(items):
        follow = _first(items[position + 1 :], after)
        if problem := _item(item, follow):
            return problem
    return None


def _item(item: tuple[Any, Any], follow: frozenset[int]) -> str | None:
    kind, value = item
    if kind is c.SUBPATTERN:
        return _sequence(list(value[3]), follow)
    if kind is c.BRANCH:
        return next((p for branch in value[1] if (p := _sequence(list(branch), follow))), None)
    if kind is c.ATOMIC_GROUP:
        return _sequence(list(value), _END)
    if kind in (c.ASSERT, c.ASSERT_NOT):
        return _sequence(list(value[1]), _END)
    if kind in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        return _repeat(kind, value[1], value[2], follow)
    if kind in (c.GROUPREF, c.GROUPREF_EXISTS):
        return "a back reference is not looked through"
    return None


def _repeat(kind: Any, most: Any, body: Any, follow: frozenset[int]) -> str | None:
    items = list(body)
    begins = _first(items, _END)
    possessive = kind is c.POSSESSIVE_REPEAT
    # Inside a loop, the next round's beginning comes after its end.
    inner = begins if possessive else begins | follow
    if most is c.MAXREPEAT and len(items) != 1 and _nullable(items):
        return "an unbounded repeat of something that can be empty"
    if problem := _sequence(items, inner if most != 1 else (_END if possessive else follow)):
        return problem
    if most is not c.MAXREPEAT or possessive:
        return None
    if not _single(items):
        return "an unbounded repeat of a group is not possessive; write (?:...)*+"
    overlap = begins & follow
    if overlap:
        char = min(overlap)
        return f"an unbounded repeat and what follows it can both match {chr(char)!r}; make it possessive (*+ or ++)"
    return None


def _single(items: Items) -> bool:
    return len(items) == 1 and items[0][0] in SINGLE


def _nullable(items: Items) -> bool:
    return all(_item_nullable(item) for item in items)


def _item_nullable(item: tuple[Any, Any]) -> bool:
    kind, value = item
    if kind is c.SUBPATTERN:
        return _nullable(list(value[3]))
    if kind is c.BRANCH:
        return any(_nullable(list(branch)) for branch in value[1])
    if kind is c.ATOMIC_GROUP:
        return _nullable(list(value))
    if kind in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        return value[0] == 0 or _nullable(list(value[2]))
    return kind in (c.AT, c.ASSERT, c.ASSERT_NOT, c.GROUPREF, c.GROUPREF_EXISTS)


def _first(items: Items, after: frozenset[int]) -> frozenset[int]:
    """The characters with which what `items` match, followed by `after`, can begin."""
    found = frozenset[int]()
    for item in items:
        found |= _item_first(item)
        if not _item_nullable(item):
            return found
    return found | after


def _item_first(item: tuple[Any, Any]) -> frozenset[int]:
    kind, value = item
    if kind is c.LITERAL:
        return frozenset({min(value, _OTHER)})
    if kind is c.NOT_LITERAL:
        return _ALL - {value}
    if kind is c.ANY:
        return _ALL - {10}
    if kind is c.IN:
        return _set(value)
    if kind is c.SUBPATTERN:
        return _first(list(value[3]), _END)
    if kind is c.BRANCH:
        return frozenset().union(*(_first(list(branch), _END) for branch in value[1]))
    if kind is c.ATOMIC_GROUP:
        return _first(list(value), _END)
    if kind in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        return _first(list(value[2]), _END)
    return _END


def _set(parts: Items) -> frozenset[int]:
    found = set[int]()
    negated = False
    for kind, value in parts:
        if kind is c.NEGATE:
            negated = True
        elif kind is c.LITERAL:
            found.add(min(value, _OTHER))
        elif kind is c.RANGE:
            found.update(range(min(value[0], _OTHER), min(value[1], _OTHER) + 1))
        elif kind is c.CATEGORY:
            found |= _category(value)
    if not negated:
        return frozenset(found)
    return (_ALL - found) | {_OTHER}


def _category(category: Any) -> set[int]:
    name = str(category).removeprefix("CATEGORY_").removeprefix("NOT_").lower()
    pattern = {"digit": r"\d", "space": r"\s", "word": r"\w"}.get(name)
    if pattern is None:
        return set(_ALL)
    matching = {code for code in range(_OTHER) if re.match(pattern, chr(code), re.ASCII)}
    return set(_ALL) - matching if "NOT_" in str(category) else matching
