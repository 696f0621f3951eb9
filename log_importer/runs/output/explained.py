"""What became of a line, for people: its fate, what was asked, and the parameters one below the other."""

from collections.abc import Iterator, Mapping
from typing import Any

from log_importer.model.visible import visible
from log_importer.runs.output.colours import Paint
from log_importer.tracking.rules.reasons import sentence_of

_FATES = {"tracked": ("would be tracked", "good"), "skipped": ("skipped", "aside"), "rejected": ("rejected", "bad")}
"""Outcome -> what people are told, since only a server can say that it tracked something; and its colour."""
_LONGEST = 2000


def for_people(item: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """The lines that tell of one of `explain`'s objects."""
    fate, kind = _FATES[item["outcome"]]
    reason = f": {item['reason']}" if "reason" in item else ""
    head = f"{visible(item['source'])}:{item['line']}: {fate}{reason}"
    yield f"{paint(head, kind)}  {_asked(item.get('hit', {}))}".rstrip()
    if "reason" in item:
        yield f"  It {sentence_of(item['reason'])}."
    request = item.get("request", {})
    width = max(map(len, request), default=0)
    for name, value in request.items():
        yield f"  {name:<{width}}  {visible(value, _LONGEST)}"


def _asked(hit: Mapping[str, Any]) -> str:
    target = hit.get("path", "") + (f"?{hit['query']}" if "query" in hit else "")
    words = (hit.get("time"), hit.get("client_ip"), hit.get("method"), target, hit.get("status"))
    return " ".join(visible(str(word), _LONGEST) for word in words if word not in (None, ""))
