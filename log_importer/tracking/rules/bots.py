"""Which user agents are bots, by Matomo's own rules: what it calls a bot it drops, and still says "tracked".

Nearly a thousand expressions are too many to try on each user agent. So each of their alternatives is known by
literals, one of which must stand in whatever it matches; one pass finds the literals, and only the alternatives behind
them are compiled and tried.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from re import _constants as c  # type: ignore[attr-defined]  # the parse tree has no public name
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import ahocorasick_rs
import regex

from log_importer.parsing.engine import TOKENS

REMEMBERED = 4096
"""Distinct user agents whose verdict is kept."""
_LONGEST_REMEMBERED = 1024
"""Characters; longer ones are judged each time, so that clients who invent them cannot fill the memory."""
_LONGEST = 8192
"""Bytes that are looked at. Web servers take no longer header line unless told to, and some rules are quadratic."""

# The device detector lets a rule begin only where a word does, or behind two makers' prefixes.
_BEGIN = r"(?:^|[^A-Z0-9_-]|[^A-Z0-9-]_|sprd-|MZ-)"
# A rule that opens with one of these begins where a word does wherever the rest of it is found. Looking for the rest
# alone gives the same verdict, in linear time: with its opening, 4,000 underscores in a user agent cost seconds.
_IDLE_OPENINGS = (".*", "[a-z0-9_-]*")
# How a name refers to a group of its expression, in the Python package and in the original rules.
_GROUP = re.compile(r"\\g<([0-9])>|\$([0-9])")
# Collectors for language models that the rules file among other things.
_AI_BY_NAME = frozenset(
    {"Bytespider", "Meta-ExternalFetcher", "Meta-WebIndexer", "Timpibot", "ccBot crawler", "img2dataset"}
)


class Bot(NamedTuple):
    """The first rule that matches a user agent."""

    name: str
    category: str

    @property
    def ai(self) -> bool:
        """Whether it crawls for, or is, an AI; the rules' categories for these begin with "AI "."""
        return self.category.startswith("AI ") or self.name in _AI_BY_NAME


# Of the AI bots, those that a Matomo has reports of: they ask for a page because a person asked them something.
_ASSISTANTS = (
    "ChatGPT-User", "MistralAI-User", "Gemini-Deep-Research", "Claude-User", "Perplexity-User", "GoogleAgent",
    "NovaAct",
)  # fmt: skip


def is_assistant(bot: Bot) -> bool:
    """Whether a Matomo of 5.7 or later keeps its hits, apart from people's visits."""
    return bot.name.startswith(_ASSISTANTS)


def compile_bots(rules: Iterable[Mapping[str, Any]]) -> Callable[[str], Bot | None]:
    """The judge of user agents, from the device detector's list of rules (`regex`, `name`, `category`), in order."""
    ordered = [
        (pattern, Bot(name, str(rule.get("category") or "")))
        for rule in rules for name in [str(rule["name"])]
        for pattern in ([str(rule["regex"])] if _GROUP.search(name) else alternatives(str(rule["regex"])))
    ]  # fmt: skip
    literals: dict[bytes, list[int]] = {}
    always: list[int] = []
    for number, (pattern, _) in enumerate(ordered):
        needed = required_literals(pattern)
        if not needed:
            always.append(number)
        for literal in needed:
            literals.setdefault(literal.encode(), []).append(number)
    behind = list(literals.values())
    automaton = ahocorasick_rs.BytesAhoCorasick(list(literals))
    compiled: dict[int, regex.Pattern[bytes]] = {}

    def first_match(text: bytes) -> Bot | None:
        found = {literal for literal, _, _ in automaton.find_matches_as_indexes(text.lower(), overlapping=True)}
        for number in sorted({number for literal in found for number in behind[literal]}.union(always)):
            pattern, bot = ordered[number]
            if number not in compiled:
                compiled[number] = regex.compile(_anchored(pattern).encode(), regex.IGNORECASE)
            if match := compiled[number].search(text):
                return bot._replace(name=_filled(bot.name, match)) if _GROUP.search(bot.name) else bot
        return None

    def judge(agent: str) -> Bot | None:
        # Bytes, as in Matomo: there no letter outside ASCII is a letter, or the other case of one.
        return first_match(agent.encode("utf-8", "surrogatepass")[:_LONGEST])

    remembered = lru_cache(maxsize=REMEMBERED)(judge)

    def is_bot(agent: str) -> Bot | None:
        return remembered(agent) if len(agent) <= _LONGEST_REMEMBERED else judge(agent)

    return is_bot


def alternatives(pattern: str) -> list[str]:
    """The expressions of which `pattern` matches what any of them matches: some rules have hundreds."""
    found, depth = [""], 0
    for part in TOKENS.findall(pattern):
        depth += (part == "(") - (part == ")")
        if part == "|" and not depth:
            found.append("")
        else:
            found[-1] += part
    return found


def _anchored(pattern: str) -> str:
    """The expression that is searched for: the rule's, where a word begins."""
    for opening in _IDLE_OPENINGS:
        # Where the tree begins with a branch, the opening belongs to the first of several alternatives only.
        if pattern.startswith(opening) and _parser.parse(pattern)[0][0] is not c.BRANCH:
            return pattern.removeprefix(opening)
    return f"{_BEGIN}(?:{pattern})"


def _filled(name: str, match: regex.Match[bytes]) -> str:
    """`name` with the groups of `match` put where it refers to them."""

    def text(reference: re.Match[str]) -> str:
        return (match[int(reference[1] or reference[2])] or b"").decode("utf-8", "replace")

    return _GROUP.sub(text, name).strip()


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
