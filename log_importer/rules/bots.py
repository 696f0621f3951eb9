"""Which user agents are bots, by Matomo's own rules: what it calls a bot it drops, and still says "tracked".

Nearly a thousand expressions are too many to try on each user agent. So each is known by literals, one of which must
stand in whatever it matches; one pass finds the literals, and only the rules behind them are compiled and tried.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from re import _constants as c  # type: ignore[attr-defined]  # the parse tree has no public name
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import ahocorasick_rs
import regex

REMEMBERED = 20_000
"""Distinct user agents whose verdict is kept."""
_LONGEST = 4096
"""Characters of a user agent that are looked at; the longest that a browser of people sends has some 500."""

# The device detector lets a rule begin only where a word does, or behind two makers' prefixes.
_BEGIN = r"(?:^|[^A-Z0-9_-]|[^A-Z0-9-]_|sprd-|MZ-)"


class Bot(NamedTuple):
    """The first rule that matches a user agent."""

    name: str
    category: str


def compile_bots(rules: Iterable[Mapping[str, Any]]) -> Callable[[str], Bot | None]:
    """The judge of user agents, from the device detector's list of rules (`regex`, `name`, `category`), in order."""
    ordered = [(str(rule["regex"]), Bot(str(rule["name"]), str(rule.get("category") or ""))) for rule in rules]
    literals: dict[str, list[int]] = {}
    always: list[int] = []
    for number, (pattern, _) in enumerate(ordered):
        needed = required_literals(pattern)
        if not needed:
            always.append(number)
        for literal in needed:
            literals.setdefault(literal, []).append(number)
    texts = list(literals)
    behind = [literals[text] for text in texts]
    automaton = ahocorasick_rs.AhoCorasick(texts)
    compiled: dict[int, Any] = {}

    def matches(number: int, agent: str) -> bool:
        if number not in compiled:
            compiled[number] = regex.compile(f"{_BEGIN}(?:{ordered[number][0]})", regex.IGNORECASE)
        return compiled[number].search(agent) is not None

    @lru_cache(maxsize=REMEMBERED)
    def judge(agent: str) -> Bot | None:
        found = {text for text, _, _ in automaton.find_matches_as_indexes(agent.lower(), overlapping=True)}
        candidates = sorted({number for text in found for number in behind[text]}.union(always))
        return next((ordered[number][1] for number in candidates if matches(number, agent)), None)

    def is_bot(agent: str) -> Bot | None:
        return judge(agent[:_LONGEST].encode("utf-8", "replace").decode())

    return is_bot


def required_literals(pattern: str) -> frozenset[str]:
    """Lower-case texts of which one stands in everything that `pattern` matches; none where that cannot be told."""
    try:
        tree = list(_parser.parse(pattern, re.IGNORECASE))
    except (re.error, OverflowError):
        return frozenset()
    return _best(_alternatives(tree))


Texts = frozenset[str]


def _best(choices: list[Texts]) -> Texts:
    """The set whose shortest text is longest."""
    return max(choices, key=lambda texts: min(map(len, texts), default=0), default=frozenset())


def _alternatives(items: list[tuple[Any, Any]]) -> list[Texts]:
    """All sets of texts that a sequence of items needs one of."""
    choices: list[Texts] = []
    run = ""
    for kind, value in [*items, (None, None)]:
        if kind is c.LITERAL and value < 128:
            run += chr(value).lower()
            continue
        if run:
            choices.append(frozenset({run}))
            run = ""
        if kind is c.SUBPATTERN:
            choices += _alternatives(list(value[3]))
        elif kind is c.ATOMIC_GROUP:
            choices += _alternatives(list(value))
        elif kind is c.BRANCH:
            branches = [_best(_alternatives(list(branch))) for branch in value[1]]
            if all(branches):
                choices.append(frozenset().union(*branches))
        elif kind in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT) and value[0] > 0:
            choices += _alternatives(list(value[2]))
    return choices
