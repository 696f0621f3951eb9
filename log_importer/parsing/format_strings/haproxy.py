"""HAProxy `log-format` strings.

Reference: https://docs.haproxy.org/2.8/configuration.html#8.2.6
"""

import re

from log_importer.model.errors import FormatError
from log_importer.parsing.engine import compile_regex
from log_importer.parsing.format_strings.columns import Column, Token, header, quoted
from log_importer.parsing.format_strings.document import json_document, text_document
from log_importer.parsing.format_strings.pattern import ORIGIN

_ALIASES = {
    "ci": Column("client ip", "address", "client_ip"),
    "cp": Column("client port", "number"),
    "r": Column("request", "request"),
    "HM": Column("method", "word", "method"),
    "HU": Column("uri", "path", "path"),
    "HPO": Column("path", "path", "path", 1),
    "HP": Column("path and query", "path", "path", 1),
    "HQ": Column("query string", "query", "query"),
    "HV": Column("version", "word", "protocol"),
    "ST": Column("status", "number", "status"),
    "B": Column("bytes read", "number", "bytes_sent"),
    "U": Column("bytes uploaded", "number"),
    "Ta": Column("active time", "number", "duration", unit="ms"),
    "Tt": Column("total time", "number", "duration", 1, unit="ms"),
    "Tr": Column("response time", "number", "duration", 2, unit="ms"),
    "tr": Column("time", "time", "time", layout="%d/%b/%Y:%H:%M:%S.%f"),
    "t": Column("time", "time", "time", 1, layout="%d/%b/%Y:%H:%M:%S.%f"),
    "trg": Column("time", "time", "time", layout="%d/%b/%Y:%H:%M:%S %z"),
    "trl": Column("time", "time", "time", layout="%d/%b/%Y:%H:%M:%S %z"),
    "T": Column("time", "time", "time", layout="%d/%b/%Y:%H:%M:%S %z"),
    "Tl": Column("time", "time", "time", layout="%d/%b/%Y:%H:%M:%S %z"),
    "Ts": Column("time", "time", "time", 2, layout="epoch", unit="s"),
    "ts": Column("termination state"),
    "hr": Column("captured request headers", "captured"),
    "hs": Column("captured response headers", "captured"),
    "sslv": Column("tls version"),
    "sslc": Column("tls cipher"),
}
_SAMPLES = {
    "src": Column("src", "address", "client_ip", 1),
    "path": Column("path", "path", "path", 2),
    "pathq": Column("pathq", "path", "path", 1),
    "url": Column("url", "path", "path", 1),
    "method": Column("method", "word", "method", 1),
    "query": Column("query", "word", "query", 1),
    "ssl_fc_sni": Column("ssl_fc_sni", "host", "host", 4),
}
_NUMERIC = re.compile(r"T[a-zA-Z]|[abfsr]c|[sb]q|cp|fp|sp|bp|si_port|ms|rt|pid|lc|Tu")
_HEADER = compile_regex(r"(?:\w++\.)*+f?hdr\(([A-Za-z0-9_-]++)(?:,-?[0-9]++)?\).*+")
_SET = compile_regex(r"var\((?:[a-z]++\.)*+([A-Za-z0-9_-]++)\).*+")
_SHORT = {
    "ua": "user-agent",
    "useragent": "user-agent",
    "ref": "referer",
    "referrer": "referer",
    "xff": "x-forwarded-for",
}
_VARIABLE = compile_regex(r"%(?:(%)|(?:\{([^}]*+)\})?(?:\[((?:[^\[\]]|\[[^\]]*+\])*+)\]|([A-Za-z]++)))")


def read_haproxy(text: str) -> str:
    """The format file for a string: as it stands in the configuration, or the whole statement. Raises `FormatError`."""
    body = re.sub(r"\s*+log-format(?:-sd)?\s++", "", text, count=1).strip()
    if len(body) > 1 and body[0] == body[-1] and body[0] in "'\"":
        body = body[1:-1]
    body = re.sub(r"\\([\\ \"'#])", r"\1", body)
    tokens = tokenise(body)
    if body.lstrip().startswith("{") and '"' in body[:20] and not body.lstrip().startswith("{%"):
        return json_document(tokens, repair=False)
    return text_document(tokens, ())


def tokenise(body: str) -> list[Token]:
    """Literal text and columns."""
    tokens: list[Token] = []
    end, always_quoted = 0, False
    for match in _VARIABLE.finditer(body):
        tokens.append(body[end : match.start()])
        end = match.end()
        flags = match[2] or ""
        if match[1]:
            tokens.append("%")
        elif match[4] == "o":
            always_quoted = "+Q" in flags or (always_quoted and "-Q" not in flags)
        else:
            column = _column(match[3], match[4])
            is_quoted = "+Q" in flags or (always_quoted and "-Q" not in flags)
            tokens += quoted(column) if is_quoted else [column]
            if column.kind == "captured" and body[end : end + 1] == " ":
                end += 1  # where nothing is captured, there is no blank behind it either
    if (rest := body[end:]).count("%"):
        raise FormatError(f"{ORIGIN}: '{rest[rest.index('%') :][:10]}' is no column of HAProxy's.")
    return [*tokens, rest]


def _column(sample: str | None, alias: str | None) -> Column:
    if sample is not None:
        if found := _HEADER.fullmatch(sample):
            return header(found[1])
        if found := _SET.fullmatch(sample):  # as people call what they keep of a request
            return header(_SHORT.get(found[1].lower(), found[1]))
        name = sample.split(",", 1)[0]
        return _SAMPLES.get(name, Column(name))
    assert alias is not None
    if alias in _ALIASES:
        return _ALIASES[alias]
    return Column(alias, "number" if _NUMERIC.fullmatch(alias) else "word")
