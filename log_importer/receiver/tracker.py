"""Tracking requests -> visits and actions, with the answers of a real Matomo."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from html import escape
from sqlite3 import Row
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from log_importer.receiver.access import Access, Level
from log_importer.receiver.actions import Action, action_of, page_of
from log_importer.receiver.parameters import (
    GEO,
    Invalid,
    Parameters,
    Poison,
    address_of,
    idsite_of,
    number,
    parse_query,
    switched_on,
    time_of,
)
from log_importer.receiver.settings import Behaviour
from log_importer.receiver.store import Store
from log_importer.receiver.visits import Sender, Visits, referrer_of, stamp, visitor_of


class Reply(NamedTuple):
    """Status, media type and body of an answer."""

    status: int
    media_type: str
    body: bytes


GIF = bytes.fromhex(
    "4749463839610100010080000000000000000021f90401000000002c00000000010001000002024401003b"
)  # fmt: skip
"""One transparent pixel."""
NOTICE = b"<!DOCTYPE html><title>Tracker</title><p>This is the tracker of log-importer's embedded receiver.</p>\n"


class Tracker:
    """The tracker's endpoint, without HTTP. Not safe for threads; the app holds a lock."""

    def __init__(
        self,
        store: Store,
        access: Access,
        is_bot: Callable[[str], object],
        search_engine: Callable[[str], bool],
        clock: Callable[[], datetime],
        behaviour: Behaviour,
    ) -> None:
        self._store = store
        self._access = access
        self._is_bot = is_bot
        self._search_engine = search_engine
        self._clock = clock
        self._behaviour = behaviour
        self._visits = Visits(store, behaviour)

    def single(self, parameters: Parameters, sender: Sender) -> Reply:
        """One tracking request, by GET or as a form."""
        image = parameters.get("send_image") != "0"
        if not self._behaviour.record:
            return Reply(503, "image/gif", GIF)
        refused = False
        try:
            with self._store.transaction():
                try:
                    self._track(parameters, parameters.get("token_auth", ""), sender)
                except Invalid:
                    refused = True  # what was stored before it was found out stays
        except Poison:
            refused = True
        if refused:
            return Reply(400, "image/gif", GIF + NOTICE) if image else Reply(400, "text/html", NOTICE)
        if self._behaviour.debug_on_demand and parameters.get("debug") == "1":
            return Reply(200, "text/html", _debug(parameters))
        return Reply(200, "image/gif", GIF) if image else Reply(204, "text/html", b"")

    def bulk(self, document: Mapping[str, Any], url_token: str, sender: Sender) -> Reply:
        """Many tracking requests in one transaction: all that is valid is stored, or nothing."""
        items = document.get("requests")
        items = list(items.values()) if isinstance(items, dict) else items if isinstance(items, list) else []
        token = document.get("token_auth")
        token = token if isinstance(token, str) else ""
        requests = [request for item in items if (request := _request(item)) is not None]
        if not requests or not self._behaviour.record:
            return _counts("success", 0, [], told=False)
        grant = self._access.grant(token or url_token)
        told = grant is not None and grant.level is Level.SUPERUSER
        tracked, invalid = 0, list[int]()
        try:
            with self._store.transaction():
                for index, request in enumerate(requests):
                    try:
                        self._track(request, token or request.get("token_auth", ""), sender)
                        tracked += 1
                    except Invalid:
                        invalid.append(index)
        except Poison:
            return _counts("error", tracked, invalid, told, status=500)
        if document.get("send_image") in (0, "0"):
            return Reply(204, "text/html", b"")
        return _counts("success", tracked, invalid, told)

    def _track(self, parameters: Parameters, token: str, sender: Sender) -> None:
        if not parameters:
            return
        idsite = idsite_of(parameters)
        site = self._store.site(idsite)
        if site is None:
            raise Invalid("idsite")
        now = self._clock()
        time = time_of(parameters, now, self._behaviour.oldest)
        needs_token = time < now - self._behaviour.no_token_for or any(parameters.get(name) for name in ("cip", *GEO))
        if needs_token and self._access.level(token, idsite) < Level.WRITE:
            raise Invalid("token_auth")
        if parameters.get("cid") and len(parameters["cid"]) != 16:
            raise Invalid("cid")
        ip = address_of(parameters, sender.address)
        agent = parameters.get("ua") or sender.user_agent
        if not switched_on(parameters, "rec") or parameters.get("ping") == "1":
            return
        if not switched_on(parameters, "bots") and (self._is_bot(agent) or self._search_engine(ip)):
            return
        self._record(parameters, site, time, ip, agent, sender)

    def _record(self, parameters: Parameters, site: Row, time: datetime, ip: str, agent: str, sender: Sender) -> None:
        page = page_of(parameters)
        action = action_of(parameters, page)
        if action.values["type"] == "goal" and action.values["idgoal"] not in json.loads(site["goals"]):
            raise Invalid("idgoal")
        idsite = site["idsite"]
        zone = self._store.zone(idsite)
        visitor = visitor_of(parameters, time.astimezone(zone).date(), ip, agent)
        referrer = referrer_of(parameters, page, _own_hosts(site["main_url"]))
        known = self._visits.known(idsite, visitor, time)
        if known is not None and self._visits.goes_on(known, time, zone, parameters, referrer):
            changes = self._visits.go_on(known, parameters, visitor, time, referrer)
            idvisit, counts = known["idvisit"], {name: known[name] for name in ("actions", "searches", "events")}
        else:
            idvisit = self._visits.begin(parameters, idsite, visitor, time, known, referrer, sender)
            known, changes, counts = None, {}, {"actions": 0, "searches": 0, "events": 0}
        changes |= _counted(action, counts, known)
        self._store.change_visit(idvisit, changes)
        if (number(parameters, "pf_srv") or 0) < 0:
            raise Invalid("pf_srv")  # too late, as in a Matomo: the visit has counted it
        if action.values["type"] == "goal" and self._store.converted(idvisit, action.values["idgoal"]):
            return
        if action.values["type"] == "order" and self._store.ordered(idsite, action.values["order_id"]):
            return
        self._store.add("action", {"idvisit": idvisit, "idsite": idsite, "time": stamp(time), **action.values})


def _counted(action: Action, counts: Mapping[str, int], known: Row | None) -> dict[str, Any]:
    """How an action changes the counts and pages of its visit; `known` is the visit before it, if any."""
    kind, url = action.values["type"], action.values["url"]
    changes: dict[str, Any] = {"actions": counts["actions"] + action.counts}
    if kind in ("goal", "order"):
        changes["goal_converted"] = 1
        if kind == "order":
            changes["returned_as"] = "customer"
    if kind == "search":
        changes |= {"searches": counts["searches"] + 1, "exit_url": None}  # its page has no address
    if kind == "event":
        changes["events"] = counts["events"] + 1
    if kind == "view" and url:
        changes["exit_url"] = url
        if known is None:
            changes["entry_url"] = url
    return changes


def _own_hosts(main_url: str) -> frozenset[str]:
    return frozenset({(urlsplit(main_url).hostname or "").removeprefix("www.")})


def _debug(parameters: Parameters) -> bytes:
    """What debug=1 answers, where it is allowed: the parameters but the token, as text that no browser runs."""
    shown = {name: value for name, value in parameters.items() if name != "token_auth"}
    return b"Debug enabled - Input parameters:<br/>" + escape(orjson.dumps(shown).decode()).encode()


def _request(item: object) -> Parameters | None:
    """The parameters of an element of `requests`; `None` for what a Matomo drops before it counts."""
    if isinstance(item, str):
        _, mark, query = item.partition("?")
        return parse_query(query) if mark and query else None
    if isinstance(item, dict):
        return {str(name): _scalar(value) for name, value in item.items() if value is not None}
    if isinstance(item, list):
        return {str(index): _scalar(value) for index, value in enumerate(item)}
    return {}


def _scalar(value: object) -> str:
    """A value of a JSON object as the text that PHP makes of it, so that `"rec": true` is `rec=1`."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return "1" if value else ""
    return orjson.dumps(value).decode()


def _counts(word: str, tracked: int, invalid: list[int], told: bool, status: int = 200) -> Reply:
    """The reply to a bulk request; only a superuser is `told` which requests were invalid."""
    reply: dict[str, Any] = {"status": word, "tracked": tracked, "invalid": len(invalid)}
    if told:
        reply["invalid_indices"] = invalid
    return Reply(status, "application/json", orjson.dumps(reply))
