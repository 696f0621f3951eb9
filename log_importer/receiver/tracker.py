"""Tracking requests -> visits and actions, with the answers of a real Matomo."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from typing import Any, NamedTuple

import orjson

from log_importer.receiver.access import Access, Level
from log_importer.receiver.parameters import (
    MAX_TEXT,
    Invalid,
    Parameters,
    address_of,
    clean_url,
    idsite_of,
    number,
    parse_query,
    recorded,
    time_of,
    visitor_id,
)
from log_importer.receiver.store import Store

_VISIT = timedelta(minutes=30)
_NO_TOKEN_FOR = timedelta(hours=24)


class Reply(NamedTuple):
    """Status, media type and body of an answer."""

    status: int
    media_type: str
    body: bytes


GIF = bytes.fromhex("4749463839610100010080000000000000000021f90401000000002c00000000010001000002024401003b")
"""One transparent pixel."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who posted: what a request falls back on where it does not say itself."""

    address: str
    user_agent: str


class Tracker:
    """The tracker's endpoint, without HTTP. Not safe for threads; the app holds a lock."""

    def __init__(
        self, store: Store, access: Access, is_bot: Callable[[str], object], search_engine: Callable[[str], bool],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC).replace(microsecond=0),
    ) -> None:  # fmt: skip
        self._store = store
        self._access = access
        self._is_bot = is_bot
        self._search_engine = search_engine
        self._clock = clock

    def single(self, parameters: Parameters, sender: Sender) -> Reply:
        """One tracking request, by GET or as a form."""
        try:
            with self._store.transaction():
                self._track(parameters, parameters.get("token_auth", ""), sender)
        except Invalid:
            return Reply(400, "image/gif", GIF)
        return Reply(204, "", b"") if parameters.get("send_image") == "0" else Reply(200, "image/gif", GIF)

    def bulk(self, document: Mapping[str, Any], url_token: str, sender: Sender) -> Reply:
        """Many tracking requests in one transaction."""
        items = document.get("requests")
        items = list(items.values()) if isinstance(items, dict) else items if isinstance(items, list) else []
        token = document.get("token_auth")
        token = token if isinstance(token, str) else ""
        tracked = 0
        invalid: list[int] = []
        requests = [request for item in items if (request := _request(item)) is not None]
        with self._store.transaction():
            for index, request in enumerate(requests):
                try:
                    self._track(request, token or request.get("token_auth", ""), sender)
                    tracked += 1
                except Invalid:
                    invalid.append(index)
        if document.get("send_image") == 0:
            return Reply(204, "", b"")
        reply: dict[str, Any] = {"status": "success", "tracked": tracked, "invalid": len(invalid)}
        grant = self._access.grant(token or url_token)
        if grant is not None and grant.level is Level.SUPERUSER:
            reply["invalid_indices"] = invalid
        return Reply(200, "application/json", orjson.dumps(reply))

    def _track(self, parameters: Parameters, token: str, sender: Sender) -> None:
        idsite = idsite_of(parameters)
        if self._store.site(idsite) is None:
            raise Invalid("idsite")
        now = self._clock()
        time = time_of(parameters, now)
        trusted = self._access.level(token, idsite) >= Level.WRITE
        needs_token = any(parameters.get(name) for name in ("cip", "country", "region", "city", "lat", "long"))
        if not trusted and (needs_token or time < now - _NO_TOKEN_FOR):
            raise Invalid("token_auth")
        if "cid" in parameters and len(parameters["cid"]) != 16:
            raise Invalid("cid")
        if (number(parameters, "pf_srv") or 0) < 0:
            raise Invalid("pf_srv")
        if not recorded(parameters):
            return
        address = address_of(parameters, sender.address)
        agent = parameters.get("ua", sender.user_agent)
        if "bots" not in parameters and (self._is_bot(agent) or self._search_engine(address)):
            return
        if parameters.get("ping") == "1":
            return
        self._store_action(idsite, parameters, time, address, agent)

    def _store_action(self, idsite: int, parameters: Parameters, time: datetime, address: str, agent: str) -> None:
        visitor = _visitor(parameters, address, agent)
        action = _action(parameters)
        stamp = _stamp(time)
        found = None
        if parameters.get("new_visit") != "1":
            found = self._store.visit_between(
                idsite, visitor, _stamp(max(time - _VISIT + timedelta(seconds=1), _midnight(time))),
                _stamp(time + _VISIT - timedelta(seconds=1)),
            )  # fmt: skip
        if found is not None and found[1][:10] == stamp[:10]:
            idvisit = found[0]
        else:
            idvisit = self._store.add_visit(_visit(parameters, idsite, visitor, stamp, address, agent))
        self._store.add_action({"idvisit": idvisit, "idsite": idsite, "time": stamp, **action})


def _request(item: object) -> Parameters | None:
    """The parameters of an element of `requests`; `None` for what a Matomo drops before it counts."""
    if isinstance(item, str):
        _, mark, query = item.partition("?")
        return parse_query(query) if mark and query else None
    if isinstance(item, dict):
        return {str(name): _scalar(value) for name, value in item.items()}
    return {}


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)


def _visitor(parameters: Parameters, address: str, agent: str) -> str:
    if uid := parameters.get("uid"):
        return sha1(uid.encode("utf-8", "replace")).hexdigest()[:16]  # noqa: S324 - as Matomo makes it
    sent = visitor_id(parameters, "cid") or visitor_id(parameters, "_id")
    return sent or sha256(f"{address}\n{agent}".encode("utf-8", "replace")).hexdigest()[:16]


def _visit(
    parameters: Parameters, idsite: int, visitor: str, stamp: str, address: str, agent: str
) -> dict[str, Any]:  # fmt: skip
    return {
        "idsite": idsite,
        "visitor": visitor,
        "first_action_time": stamp,
        "last_action_time": stamp,
        "actions": 0,
        "ip": address,
        "user_agent": agent,
        "user_id": parameters.get("uid") or None,
        "language": parameters.get("lang") or None,
        "resolution": parameters.get("res") or None,
        "country": parameters.get("country") or None,
        "region": parameters.get("region") or None,
        "city": parameters.get("city") or None,
        "latitude": number(parameters, "lat"),
        "longitude": number(parameters, "long"),
        "referrer": parameters.get("urlref") or None,
        "custom_variables": parameters.get("_cvar") or None,
    }


def _action(parameters: Parameters) -> dict[str, Any]:
    count = number(parameters, "search_count")
    kind, url = _kind(parameters)
    goal = number(parameters, "idgoal")
    return {
        "type": kind,
        "url": clean_url(url),
        "title": parameters.get("action_name", "")[:MAX_TEXT] or None,
        "referrer": parameters.get("urlref") or None,
        "search": parameters.get("search") or None,
        "search_category": parameters.get("search_cat") or None,
        "search_count": None if count is None else int(count),
        "event_category": parameters.get("e_c") or None,
        "event_action": parameters.get("e_a") or None,
        "event_name": parameters.get("e_n") or None,
        "event_value": number(parameters, "e_v"),
        "idgoal": None if goal is None else int(goal),
        "revenue": number(parameters, "revenue"),
        "server_time": _whole(number(parameters, "pf_srv")),
        "bandwidth": _whole(number(parameters, "bw_bytes")),
        "custom_variables": parameters.get("cvar") or None,
    }


def _kind(parameters: Parameters) -> tuple[str, str]:
    for name, kind in (("download", "download"), ("link", "outlink")):
        if parameters.get(name):
            return kind, parameters[name]
    url = parameters.get("url", "")
    if parameters.get("e_c") and parameters.get("e_a"):
        return "event", url
    if parameters.get("search"):
        return "search", url
    return ("goal" if parameters.get("idgoal") else "view"), url


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0)


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
