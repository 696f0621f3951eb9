"""Texts out of a hit: references such as `status`, `query.q` and `extra.hits`, and templates with these in braces."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from log_importer.model import FIELDS, Hit

Value = Callable[[Hit], str | None]
"""A hit -> the text, `None` where the hit has none."""
BotName = Callable[[Hit], str | None]

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def references(template: str) -> list[str]:
    """The references in `template`; raises `ValueError` where its braces do not fit."""
    left = _BRACES.sub("", template)
    if "{" in left or "}" in left:
        raise ValueError("its braces do not fit; a brace itself is written twice")
    return [match[1] for match in _BRACES.finditer(template) if match[1] is not None]


def is_reference(name: str) -> bool:
    """Whether `name` is a field, `bot`, `query.NAME` or `extra.COLUMN`."""
    kind, dot, rest = name.partition(".")
    return name in FIELDS or name == "bot" or (kind in ("query", "extra") and bool(dot and rest))


def compile_reference(name: str, bot: BotName) -> Value:
    """The function for a name of which `is_reference` holds; `bot` gives the name of the bot that made a hit."""
    kind, _, rest = name.partition(".")
    if kind == "query" and rest:
        return lambda hit: query_value(hit.query, rest)
    if kind == "extra":
        return lambda hit: hit.extra.get(rest) if hit.extra else None
    if name == "bot":
        return bot
    if name == "time":
        return lambda hit: f"{datetime.fromtimestamp(int(hit.time // 1), UTC):%Y-%m-%d %H:%M:%S}"
    place = Hit._fields.index(name)

    def field(hit: Hit) -> str | None:
        value = hit[place]
        return value if value is None or isinstance(value, str) else f"{value:.15g}"

    return field


def compile_template(template: str, bot: BotName) -> Value:
    """The function for a template: `None` where one of its references has no text."""
    literals: list[str] = [""]
    values: list[Value] = []
    position = 0
    for match in _BRACES.finditer(template):
        literals[-1] += template[position : match.start()]
        position = match.end()
        if match[1] is None:
            literals[-1] += match[0][0]
        else:
            values.append(compile_reference(match[1], bot))
            literals.append("")
    literals[-1] += template[position:]

    def fill(hit: Hit) -> str | None:
        parts = [literals[0]]
        for value, literal in zip(values, literals[1:], strict=True):
            text = value(hit)
            if text is None:
                return None
            parts += (text, literal)
        return "".join(parts)

    return fill


def query_value(query: str | None, name: str) -> str | None:
    """The value of the parameter `name`, decoded; of several the last, as PHP reads them. Stray bytes stay."""
    if not query:
        return None
    for pair in reversed(query.split("&")):
        key, _, value = pair.partition("=")
        if unquoted(key) == name:
            return unquoted(value)
    return None


def unquoted(text: str) -> str:
    """`text` as it was before it was put into a query string."""
    if "%" not in text and "+" not in text:
        return text
    raw = unquote_to_bytes(text.replace("+", " ").encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")
