"""What mapping rules add to requests, worked out once for all lines whose page or visitor is the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from log_importer.model import Hit
from log_importer.tracking.encoding import percent
from log_importer.tracking.rules.changes import Change
from log_importer.tracking.rules.mapping import (
    MappingRule,
    always_tells,
    compile_rules,
    looks_at,
    only_adds,
    references_of,
)
from log_importer.tracking.rules.networks import Networks
from log_importer.tracking.rules.values import BotName, compile_reference
from log_importer.translation.by_column.fields import PAGE, VISITOR
from log_importer.translation.by_column.memory import MOST
from log_importer.translation.plan import SEARCH_ENGINE, Judges

Added = Callable[[Hit], str | None]
"""The parameters that rules add to a hit's request, `None` where they cannot tell."""


class AgentAdditions(NamedTuple):
    """What rules add that look at user agents and bots alone."""

    elsewhere: Added
    search_engine: Added  # where the address is one's
    is_search_engine: Networks
    always: bool  # neither is ever `None`


class Additions(NamedTuple):
    """What rules add to what pages and visitors say; `None` where none does."""

    of_pages: Added | None = None
    of_visitors: Added | None = None
    of_agents: AgentAdditions | None = None  # `of_visitors`, where user agents and bots are all that it looks at


def compile_additions(
    rules: Sequence[MappingRule], judges: Judges, private: Change | None, *, masks: bool
) -> Additions | None:
    """What these rules add; `None` where they do more, or look at pages and visitors at once.

    Rules choose hits by all that was logged, and what they set is made of what `private` leaves; `masks` says whether
    that is less of addresses, by which a search engine's is known.
    """
    groups = _grouped(rules)
    if groups is None:
        return None
    pages, visitors = groups
    of_agents = None
    if all(set(references_of(rule)) <= ({"user_agent"} if masks else {"user_agent", "bot"}) for rule in visitors):
        elsewhere = _work_out(visitors, judges.bot_name_by_agent)
        search_engine = _work_out(visitors, lambda hit: judges.bot_name_by_agent(hit, SEARCH_ENGINE))
        if elsewhere is not None and search_engine is not None:
            always = all(map(always_tells, visitors))
            of_agents = AgentAdditions(elsewhere, search_engine, judges.search_engine, always)
    of_visitors = _compile(visitors, judges.bot_name, private)
    return Additions(_compile(pages, judges.bot_name), of_visitors, of_agents)


def are_apart(rules: Sequence[MappingRule]) -> bool:
    """Whether what rules add can be worked out for pages and visitors apart."""
    return _grouped(rules) is not None


def _grouped(rules: Sequence[MappingRule]) -> tuple[list[MappingRule], list[MappingRule]] | None:
    """Rules for pages and rules for visitors, each of which sets one parameter."""
    if not all(map(only_adds, rules)):
        return None
    each = [replace(rule, set=(one,)) for rule in rules for one in rule.set]
    pages = [rule for rule in each if looks_at(rule) <= PAGE]
    visitors = [rule for rule in each if not looks_at(rule) <= PAGE and looks_at(rule) <= VISITOR]
    of_pages, of_visitors = ({name for rule in some for name, _ in rule.set} for some in (pages, visitors))
    all_of_them = len(pages) + len(visitors) == len(each)
    return (pages, visitors) if all_of_them and not of_pages & of_visitors else None


def _compile(rules: Sequence[MappingRule], bot: BotName, private: Change | None = None) -> Added | None:
    """What rules add, remembered by what they look at."""
    work_out = _work_out(rules, bot, private)
    if work_out is None:
        return None
    named = {name for rule in rules for name in references_of(rule)}
    values = [compile_reference(name, bot) for name in sorted(named)]
    known: dict[tuple[str | None, ...], str | None] = {}

    def added(hit: Hit) -> str | None:
        key = tuple([value(hit) for value in values])
        if key not in known:
            if len(known) >= MOST:
                known.clear()
            known[key] = work_out(hit)
        return known[key]

    return added


def _work_out(rules: Sequence[MappingRule], bot: BotName, private: Change | None = None) -> Added | None:
    apply = compile_rules(rules, bot)
    if apply is None:
        return None

    def work_out(hit: Hit) -> str | None:
        try:
            matched = apply(hit)
            found, left_out = matched.values(hit if private is None else private(hit))
        except TimeoutError:
            return None
        return None if left_out else "".join(f"&{name}={percent(value)}" for name, value in found.items())

    return work_out
