"""The server's own definition of its log format -> the format file that it stands for."""

import re

from log_importer.model.errors import FormatError
from log_importer.parsing.format_strings.apache import read_apache
from log_importer.parsing.format_strings.haproxy import read_haproxy
from log_importer.parsing.format_strings.nginx import read_nginx
from log_importer.parsing.format_strings.pattern import ORIGIN
from log_importer.parsing.spec import FormatSpec, load

_HAPROXY = re.compile(
    r"\s*+log-format\b|.*?%(?:\[|\{[+-]|(?:ci|cp|tr|ST|HM|HU|HP|HV|Tt|Ta|TR|ft)(?![A-Za-z]))", re.DOTALL
)
_NGINX = re.compile(r"\s*+log_format\b|.*?\$\{?[a-z]", re.DOTALL)
_APACHE = re.compile(r".*?%(?:[<>]?[a-zA-Z]|\{|!?[0-9])", re.DOTALL)


def document_of(text: str) -> str:
    """The format file's text for a `LogFormat`, `log_format` or `log-format` string. Raises `FormatError`."""
    for known, read in ((_HAPROXY, read_haproxy), (_NGINX, read_nginx), (_APACHE, read_apache)):
        if known.match(text):
            return read(text)
    raise FormatError(
        f"{ORIGIN}: this is no format string of Apache, nginx or HAProxy, and no #Fields: line.",
        "Copy it from the server's configuration, in single quotes.",
    )


def spec_of(text: str) -> FormatSpec:
    """The format of such a string. Raises `FormatError`."""
    return load(document_of(text), ORIGIN)
