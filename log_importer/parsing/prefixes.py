"""What syslog, the journal, docker and Kubernetes put in front of a log line, taken off whatever is behind."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import orjson

from log_importer.parsing.engine import compile_regex

Strip = Callable[[str], str | None]
"""A line -> what stands behind the prefix, `None` where there is no such prefix."""

_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T\ ][0-9:.,]++(?:Z|[+-][0-9]{2}:?[0-9]{2})?+"
_BSD = r"[A-Z][a-z]{2}\ [\ 0-9][0-9]\ (?:[0-9]{4}\ )?[0-9:.]++"
_STRUCTURED = (
    rf"<[0-9]{{1,3}}>[0-9]{{1,2}}\ (?:{_ISO}|-)\ [^\ ]++\ [^\ ]++\ [^\ ]++\ [^\ ]++"
    r'\ (?:-|(?:\[(?:[^\]"]++|"(?:[^"\\]++|\\.)*+")*+\])++)(?:\ \ufeff?|$)'
)
_PATTERNS = (
    # RFC 3164 and what journalctl, rsyslog and syslog-ng write to files: time, host, program with its process.
    rf"(?:<[0-9]{{1,3}}>)?(?:{_BSD}|{_ISO})\ [^\ ]++\ [^\ :\[]++(?:\[[0-9]++\])?:\ ?",
    rf"<[0-9]{{1,3}}>(?:{_BSD}|{_ISO})\ [^\ :\[]++(?:\[[0-9]++\])?:\ ?",  # without the host
    _STRUCTURED,  # RFC 5424
    rf"{_ISO}\ (?:stdout|stderr)\ F\ ",  # CRI, as kubelet keeps logs
    r"[A-Za-z0-9._-]++\ *+\|\ ",  # docker compose logs
    r"\[pod/[^\]]++\]\ ",  # kubectl logs --prefix
    rf"{_ISO}\ ",  # docker logs -t, kubectl logs --timestamps
)


def _behind(pattern: str) -> Strip:
    match = compile_regex(pattern, re.VERBOSE | re.ASCII).match

    def strip(line: str) -> str | None:
        found = match(line)
        return line[found.end() :] if found else None

    return strip


def _wrapped(line: str) -> str | None:
    """An object of docker's json-file driver or of `journalctl -o json`."""
    if not line.startswith("{") or ('"log"' not in line and '"MESSAGE"' not in line):
        return None
    try:
        document = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    text = document.get("log") if {"stream", "time"} & document.keys() else None
    text = document.get("MESSAGE") if text is None else text
    if isinstance(text, list):  # the journal writes what is not UTF-8 as numbers
        good = all(isinstance(byte, int) and 0 <= byte < 256 for byte in text)
        text = bytes(text).decode("utf-8", "surrogateescape") if good else None
    return text.removesuffix("\n") if isinstance(text, str) else None


PREFIXES: tuple[Strip, ...] = (*map(_behind, _PATTERNS), _wrapped)


@lru_cache(maxsize=1)
def prefixes_of(line: str) -> Sequence[tuple[Strip, str]]:
    """The prefixes that stand before `line`, and what is behind each; kept, as many formats are tried on one line."""
    return [(prefix, behind) for prefix in PREFIXES if (behind := prefix(line)) is not None]
