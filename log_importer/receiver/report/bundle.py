"""What the page is made of, put together: one script and one style sheet, since each further request takes time.

The scripts are modules that import each other; as one they are functions that give what they export.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

import orjson

from log_importer.tracking.rules.reasons import BY_A_RULE, REASONS

_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([a-z-]+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|const) ([A-Za-z]+))", re.MULTILINE)
_REASONS = '<script type="application/json" id="reasons">'
"""Where the page has the sentences of all reasons; without a name, that of those which the settings name."""


@cache
def page_files() -> dict[str, bytes]:
    """All that a browser may ask for, and `report.html`, by name."""
    folder = files("log_importer.receiver.report") / "page"
    parts = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.is_file()}
    licence = parts["uplot.LICENSE.txt"].replace("*/", "")
    modules = "".join(_modules("app", parts, set()))
    script = f'/*\nuPlot:\n{licence}*/\n{parts["uplot.js"]}\n(() => {{\n"use strict";\n{modules}}})();\n'
    sentences = {name: reason.sentence for name, reason in REASONS.items()}
    reasons = orjson.dumps(sentences | {"": BY_A_RULE}).decode()
    whole = {
        "all.js": script, "all.css": parts["uplot.css"] + parts["report.css"], "icon.svg": parts["icon.svg"],
        "report.html": parts["report.html"].replace(_REASONS, _REASONS + reasons),
    }  # fmt: skip
    return {name: text.encode() for name, text in whole.items()}


def _modules(name: str, parts: Mapping[str, str], done: set[str]) -> Iterator[str]:
    """The module `name` as a function of its own that gives what it exports, behind those that it imports."""
    done.add(name)
    source = parts[f"{name}.js"]
    for _, other in _IMPORT.findall(source):
        if other not in done:
            yield from _modules(other, parts, done)
    exports = ", ".join(_EXPORT.findall(source))
    body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = module_\2;", source))
    yield f"const module_{name} = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();\n"
