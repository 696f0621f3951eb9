"""The body of a bulk request and the server's reply to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeGuard

import orjson

from log_importer.model.rows import Queries
from log_importer.tracking.encoding import percent

MAX_BODY = 900 * 1024
"""Bytes of a body; a stock nginx refuses more than 1 MiB."""


@dataclass(frozen=True, slots=True)
class BulkReply:
    """What a Matomo says about a bulk request."""

    success: bool
    tracked: int
    invalid: int
    invalid_indices: tuple[int, ...] | None = None  # only a superuser's token is told


def body(queries: Sequence[bytes], token: str) -> bytes:
    """The JSON body that carries `queries`, percent-encoded query strings with their leading "?"."""
    before, behind = b'{"requests":[', b'],"token_auth":%b}' % orjson.dumps(token)
    if isinstance(queries, Queries):
        return queries.quoted(before, behind)
    return b"".join([before, b",".join([b'"%b"' % query for query in queries]), behind])


def ping(idsite: int, time: float) -> bytes:
    """A tracking request that is counted and stores nothing; `time` in seconds since 1970 UTC."""
    moment = f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}"
    return f"?idsite={idsite}&rec=1&ping=1&cip={_NOBODY}&cdt={percent(moment)}".encode()


_NOBODY = "192.0.2.1"  # reserved for documentation


def parse_reply(reply: bytes) -> BulkReply | None:
    """The reply, or `None` where it is not such JSON, whole and with counts in it."""
    try:
        document = orjson.loads(reply)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    status, tracked, invalid = (document.get(key) for key in ("status", "tracked", "invalid"))
    indices = document.get("invalid_indices")
    if status not in ("success", "error") or not _is_count(tracked) or not _is_count(invalid):
        return None
    if indices is not None and not (isinstance(indices, list) and all(_is_count(index) for index in indices)):
        return None
    return BulkReply(status == "success", tracked, invalid, None if indices is None else tuple(indices))


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
