"""nginx `log_format` definitions.

Reference: https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format
"""

import re

from log_importer.parsing.engine import compile_regex
from log_importer.parsing.format_strings.columns import CLF, Column, Token, header
from log_importer.parsing.format_strings.document import json_document, text_document

_VARIABLES = {
    "remote_addr": Column("remote_addr", "address", "client_ip"),
    "realip_remote_addr": Column("realip_remote_addr", "address"),
    "binary_remote_addr": Column("binary_remote_addr"),
    "proxy_protocol_addr": Column("proxy_protocol_addr", "address", "client_ip", 1),
    "proxy_add_x_forwarded_for": Column("proxy_add_x_forwarded_for", "list", "forwarded_for", 1),
    "remote_user": Column("remote_user", "user", "user_id"),
    "time_local": Column("time_local", "time", "time", layout=CLF),
    "time_iso8601": Column("time_iso8601", "time", "time", layout="iso8601"),
    "msec": Column("msec", "time", "time", layout="epoch", unit="s"),
    "request": Column("request", "request"),
    "request_method": Column("request_method", "word", "method"),
    "request_uri": Column("request_uri", "path", "path"),
    "uri": Column("uri", "path", "path", 1),
    "document_uri": Column("document_uri", "path", "path", 1),
    "is_args": Column("is_args", "mark"),
    "args": Column("args", "word", "query"),
    "query_string": Column("query_string", "word", "query"),
    "scheme": Column("scheme", "word", "scheme"),
    "host": Column("host", "host", "host"),
    "server_name": Column("server_name", "host", "host", 4),
    "ssl_server_name": Column("ssl_server_name", "host", "host", 4),
    "server_protocol": Column("server_protocol", "word", "protocol"),
    "status": Column("status", "number", "status"),
    "body_bytes_sent": Column("body_bytes_sent", "number", "bytes_sent"),
    "bytes_sent": Column("bytes_sent", "number", "bytes_sent", 1),
    "request_time": Column("request_time", "number", "duration", unit="s"),
}
_NUMBERS = frozenset({
    "request_length", "connection", "connection_requests", "connection_time", "pid", "remote_port", "server_port",
    "gzip_ratio", "content_length", "tcpinfo_rtt", "limit_rate",
})  # fmt: skip
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)
_STATEMENT = re.compile(r"\s*+(?:log_format\s++\S++\s++)?(?:escape=(\w++)\s++)?(.*)", re.DOTALL)
_STRING = compile_regex(r"""'((?:[^'\\]|\\.)*+)'|"((?:[^"\\]|\\.)*+)"|([^\s;]++)""", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}


def read_nginx(text: str) -> str:
    """The format file for a definition: the whole statement, or the string in it. Raises `FormatError`."""
    match = _STATEMENT.fullmatch(text)
    assert match is not None
    escape, body = match[1] or "default", match[2].strip()
    if body[:1] == "'" or text.lstrip().startswith(("log_format", "escape=")):
        body = "".join(_unescaped(one[1] or one[2] or one[3] or "") for one in _STRING.finditer(body))
    tokens = tokenise(body)
    if body.lstrip().startswith("{"):
        return json_document(tokens, repair=escape != "json")
    return text_document(tokens, {"default": ("quoted", "hex-escapes"), "json": ("quoted",)}.get(escape, ()))


def _unescaped(text: str) -> str:
    return re.sub(r"\\(['\"\\tnr])", lambda match: _ESCAPES.get(match[1], match[1]), text)


def tokenise(body: str) -> list[Token]:
    """Literal text and columns."""
    tokens: list[Token] = []
    end = 0
    for match in _VARIABLE.finditer(body):
        tokens += [body[end : match.start()], _column(match[1] or match[2])]
        end = match.end()
    return [*tokens, body[end:]]


def _column(name: str) -> Column:
    if name in _VARIABLES:
        return _VARIABLES[name]
    if name.startswith("http_"):
        return header(name.removeprefix("http_"))
    if name in _NUMBERS:
        return Column(name, "number")
    if name.startswith("upstream_"):
        times = name.endswith(("_time", "_status", "_length", "bytes_received", "bytes_sent"))
        return Column(name, "numbers" if times else "list")
    return Column(name, "free" if name in ("request_body", "http_cookie") else "word")
