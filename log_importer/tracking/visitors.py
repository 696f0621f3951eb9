"""Who a hit's visitor is, as Matomo will see it: the user, else the visitor id, else address and browser."""

import re
from functools import lru_cache
from hashlib import sha256

from log_importer.model import Hit

IP_AND_AGENT = "ip+ua"
"""The way to make visitor ids where no cookie was logged."""

_COOKIE = re.compile(r"(?:^|[;\s])_pk_id[.0-9a-zA-Z_-]{0,40}=([0-9a-fA-F]{16})(?![0-9a-zA-Z])")


def visitor_id(hit: Hit, way: str) -> str:
    """16 hexadecimal digits: those of Matomo's own cookie, else made in that `way`; "" for none.

    The same in every run and process.
    """
    if hit.visitor_cookie and (found := _COOKIE.search(hit.visitor_cookie)):
        return found[1].lower()
    return _made(hit.client_ip, hit.user_agent or "") if way == IP_AND_AGENT else ""


@lru_cache(maxsize=8192)
def _made(address: str, agent: str) -> str:
    return sha256(f"{address}\n{agent}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
