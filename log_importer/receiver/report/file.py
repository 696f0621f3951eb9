"""The report as one file: the page with its script, its style and its figures inside."""

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from log_importer.receiver.report.bundle import page_files

_ELSEWHERE = re.compile(r"<(?:link rel=[^>]*>|script src=[^>]*></script>)\n")


def report_file(contents: Mapping[str, Any]) -> bytes:
    """The file for the report's `contents`; nothing that they hold can end the element that they lie in."""
    files = {name: content.decode() for name, content in page_files().items()}
    style, script = files["all.css"], files["all.js"]
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    data = orjson.dumps(contents).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    page = _ELSEWHERE.sub("", files["report.html"])
    charset = '<meta charset="utf-8">\n'
    page = page.replace(charset, f'{charset}<meta http-equiv="Content-Security-Policy" content="{policy}">\n')
    head, _, body = page.partition("</head>")
    body, _, end = body.rpartition("</body>")
    inside = f'<script type="application/json" id="report-data">{data}</script>\n<script>{script}</script>\n'
    return f"{head}<style>{style}</style>\n</head>{body}{inside}</body>{end}".encode()


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
