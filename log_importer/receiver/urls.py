"""Addresses of pages as a Matomo keeps them: cleaned of sessions, campaigns and fragments."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlsplit

from log_importer.tracking.page_queries import DROPPED

MAX_URL = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """A page's address: as it is kept, with its host, and the parameters it came with."""

    kept: str
    host: str
    parameters: tuple[tuple[str, str], ...]  # of query and fragment, decoded

    def parameter(self, *names: str) -> str:
        """The value of the first of `names` that has one."""
        values = dict(reversed([(name.lower(), value) for name, value in self.parameters]))
        return next((values[name] for name in names if values.get(name)), "")


def parse_address(text: str) -> Address | None:
    """The address in `text`, `None` where it is none with scheme and host."""
    text = re.sub(r"[\x00\r\n]", "", text).strip()
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]+)([^?#]*)(?:\?([^#]*))?(?:#(.*))?$", text, re.DOTALL)
    if match is None:
        return None
    scheme, authority, path, query, fragment = match.groups()
    if ";" in path:  # a.php;jsessionid=1 is a page with a parameter
        path, _, extra = path.partition(";")
        query = f"{extra}&{query}" if query else extra
    pairs = list(_pairs(query or ""))
    kept_pairs = [raw for raw, name, _ in pairs if name.lower() not in DROPPED]
    user, at, host = authority.rpartition("@")
    kept = f"{scheme}://{user}{at}{host.lower()}{path}" + (f"?{'&'.join(kept_pairs)}" if kept_pairs else "")
    parameters = [(name, value) for _, name, value in (*pairs, *_pairs((fragment or "").rpartition("?")[2]))]
    return Address(kept[:MAX_URL], _hostname(host), tuple(parameters))


def _pairs(query: str) -> Iterator[tuple[str, str, str]]:
    for raw in query.split("&"):
        if raw:
            name, _, value = raw.partition("=")
            yield raw, unquote_plus(name), unquote_plus(value)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
