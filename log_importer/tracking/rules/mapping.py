"""Mapping rules: what a user wants to be set in tracking requests, from whatever a log tells, or skipped."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate

from log_importer.model import Hit
from log_importer.parsing.regex_driver import compile_pattern
from log_importer.tracking.parameters import TABLES, Check, kind_of, moment
from log_importer.tracking.rules.values import BotName, Value, compile_reference, compile_template, references

PATTERN = "~ "
"""A value to match that begins with this is a pattern to be searched for; others are shell patterns."""

Setting = str | tuple[tuple[str, str], ...]
"""A template; for custom variables, name and template of each."""


@dataclass(frozen=True, slots=True)
class MappingRule:
    """For hits that match, what is set, or under which reason they are skipped."""

    match: tuple[tuple[str, tuple[str, ...]], ...] = ()  # reference, texts of which one must fit; all of them must
    set: tuple[tuple[str, Setting], ...] = ()
    skip: str = ""
    origin: str = ""  # for messages


Setters = list[tuple[str, Check, Value]]
Tables = list[tuple[str, list[tuple[str, Value]]]]


@dataclass(slots=True)
class Matched:
    """What rules do to a hit."""

    skip: str = ""
    setters: Sequence[tuple[Setters, Tables]] = ()

    def values(self, hit: Hit) -> tuple[dict[str, str], list[str]]:
        """The parameters, and the names of those whose value a server could not take, which are left out."""
        values: dict[str, str] = {}
        left_out: list[str] = []
        pairs: dict[str, list[list[str]]] = {}
        for setters, tables in self.setters:
            for name, check, value in setters:
                text = value(hit)
                if not text:
                    continue
                checked = check(text)
                if checked is None:
                    left_out.append(name)
                else:
                    values[name] = checked
            for name, entries in tables:
                found = [(key, value(hit)) for key, value in entries]
                pairs.setdefault(name, []).extend([key, _whole(text)] for key, text in found if text)
        for name, several in pairs.items():
            if several:
                slots = {str(slot): pair for slot, pair in enumerate(several, 1)}
                values[name] = _as_json(slots)
        return values, left_out


NOTHING = Matched()
_as_json = json.JSONEncoder(ensure_ascii=False).encode


def _whole(text: str) -> str:
    """`text` without stray bytes: JSON with one of them is none to a server."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not text.isascii() else text


def compile_rules(rules: Sequence[MappingRule], bot: BotName) -> Callable[[Hit], Matched] | None:
    """What all `rules` together do to a hit; `None` where there is none. The function raises `TimeoutError`."""
    if not rules:
        return None
    compiled = [(_matcher(rule, bot), rule.skip, _setters(rule, bot), _tables(rule, bot)) for rule in rules]

    def apply(hit: Hit) -> Matched:
        matched: list[tuple[Setters, Tables]] = []
        for fits, skip, setters, tables in compiled:
            if fits(hit):
                if skip:
                    return Matched(skip)
                matched.append((setters, tables))
        return Matched("", matched) if matched else NOTHING

    return apply


def wanted_columns(rules: Sequence[MappingRule]) -> tuple[str, ...]:
    """The columns that rules refer to as `extra.COLUMN`."""
    names = [name for rule in rules for name in references_of(rule)]
    return tuple(dict.fromkeys(name.removeprefix("extra.") for name in names if name.startswith("extra.")))


def references_of(rule: MappingRule) -> list[str]:
    """All names that a rule refers to."""
    found = [name for name, _ in rule.match]
    for _, setting in rule.set:
        templates = [setting] if isinstance(setting, str) else [template for _, template in setting]
        found += [name for template in templates for name in references(template)]
    return found


def looks_at(rule: MappingRule) -> frozenset[str]:
    """The fields of a hit that a rule refers to."""
    found = set[str]()
    for name in references_of(rule):
        found |= {"user_agent", "client_ip"} if name == "bot" else {name.partition(".")[0]}
    return frozenset(found)


def only_adds(rule: MappingRule) -> bool:
    """Whether all that a rule does is to add parameters that no hit has by itself."""
    return not rule.skip and not any(name in _OWN for name, _ in rule.set)


def always_tells(rule: MappingRule) -> bool:
    """Whether a rule tells of every hit what it adds: no value is checked, no pattern tried that may take too long."""
    texts = [text for _, texts in rule.match for text in texts]
    return not any(isinstance(setting, str) for _, setting in rule.set) and not any(map(_is_pattern, texts))


def _is_pattern(text: str) -> bool:
    return text.startswith(PATTERN)


_OWN = frozenset(
    """idsite rec apiv dp bots recMode url cip cdt urlref ua lang action_name uid cid _id gt_ms pf_srv bw_bytes
    download link search idgoal e_c e_a e_n c_n""".split()
)
"""What the encoder sets, and what says that a request is no page view."""


def _matcher(rule: MappingRule, bot: BotName) -> Callable[[Hit], bool]:
    conditions = [(compile_reference(name, bot), _fits(texts, rule.origin)) for name, texts in rule.match]

    def fits(hit: Hit) -> bool:
        return all(fit(value(hit) or "") for value, fit in conditions)

    return fits


def _fits(texts: Sequence[str], origin: str) -> Callable[[str], object]:
    shell = [translate(text) for text in texts if not _is_pattern(text)]
    searches = [compile_pattern(text[len(PATTERN) :], origin, verbose=False) for text in filter(_is_pattern, texts)]
    joined = re.compile("|".join(shell)).match if shell else None
    return lambda text: (joined and joined(text)) or any(pattern.search(text) for pattern in searches)


def _setters(rule: MappingRule, bot: BotName) -> Setters:
    found: Setters = []
    for name, setting in rule.set:
        kind = kind_of(name)
        if isinstance(setting, str) and kind is not None:
            found.append((name, kind.check, compile_template(setting, bot)))
    return found


def _tables(rule: MappingRule, bot: BotName) -> Tables:
    return [
        (name, [(key, compile_template(template, bot)) for key, template in setting])
        for name, setting in rule.set
        if name in TABLES and not isinstance(setting, str)
    ]


def with_values(hit: Hit, values: Mapping[str, str]) -> Hit:
    """The hit with those values that tell when it was, and who its visitor is."""
    changes: dict[str, object] = {field: values[name] for name, field in _FIELD_OF.items() if name in values}
    if "cdt" in values:
        changes["time"] = moment(values["cdt"])
    return hit._replace(**changes)  # type: ignore[arg-type]


_FIELD_OF = {"cip": "client_ip", "ua": "user_agent", "uid": "user_id"}
