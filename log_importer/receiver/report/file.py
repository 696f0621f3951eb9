"""The report as one file: the page with its script, its style and its figures inside."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import orjson

from log_importer.receiver.report.page import page_files

_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([a-z-]+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|const) ([A-Za-z]+))", re.MULTILINE)
_LINK = re.compile(r"<link rel=[^>]*>\n")
_SCRIPT = re.compile(r'<script src="[^"]*"[^>]*></script>\n')


def report_file(contents: Mapping[str, Any]) -> bytes:
    """The file for the report's `contents`; nothing that they hold can end the element that they lie in."""
    files = {name: content.decode() for name, content in page_files().items()}
    style = files["uplot.css"] + files["report.css"]
    scripts = (files["uplot.js"], "".join(_modules("app", files, set())))
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {' '.join(map(_hash, scripts))}; base-uri 'none'; "
    )
    policy += "form-action 'none'"
    data = orjson.dumps(contents).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    page = _SCRIPT.sub("", _LINK.sub("", files["report.html"]))
    head, _, body = page.partition("</head>")
    meta, title = '<meta charset="utf-8">\n', f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    head = head.replace(meta, f"{meta}{title}") + f"<style>{style}</style>\n"
    licence = f"<!-- uPlot, in the first script:\n{files['uplot.LICENSE.txt'].replace('--', '')}-->\n"
    body, _, end = body.rpartition("</body>")
    inside = (
        f'<script type="application/json" id="report-data">{data}</script>\n<script>{scripts[0]}</script>\n{licence}'
    )
    return f'{head}</head>{body}{inside}<script type="module">{scripts[1]}</script>\n</body>{end}'.encode()


def _modules(name: str, files: Mapping[str, str], done: set[str]) -> Iterator[str]:
    """The module `name` as a function of its own that gives what it exports, behind those that it imports."""
    done.add(name)
    source = files[f"{name}.js"]
    for _, other in _IMPORT.findall(source):
        if other not in done:
            yield from _modules(other, files, done)
    exports = ", ".join(_EXPORT.findall(source))
    body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = module_\2;", source))
    yield f"const module_{name} = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();\n"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
