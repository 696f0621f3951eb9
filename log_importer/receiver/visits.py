"""Which visit an action belongs to: joined within half an hour, split by midnight, campaign and new_visit."""

import secrets
from datetime import date, datetime, tzinfo
from hashlib import sha256
from sqlite3 import Row
from typing import Any, NamedTuple

import orjson

from log_importer.receiver.parameters import (
    Parameters,
    Poison,
    coordinate,
    country_of,
    custom_variables,
    json_text,
    language_of,
    local_time,
    user_visitor,
    visitor_id,
)
from log_importer.receiver.referrers import Referrer, classify
from log_importer.receiver.settings import Behaviour
from log_importer.receiver.store import Store
from log_importer.receiver.urls import Address

LAYOUT = "%Y-%m-%d %H:%M:%S"
"""Of times as they are stored."""
_LONGEST_CITY = 255
_LONGEST_REGION = 3


class Sender(NamedTuple):
    """Who posted: what a request falls back on where it does not say itself."""

    address: str
    user_agent: str
    language: str


class Visitor(NamedTuple):
    """Who acts, and how sure that is."""

    sent: str | None  # cid or uid, which alone decide; or _id
    enforced: bool
    fingerprint: str
    ip: str
    user_agent: str


def stamp(time: datetime) -> str:
    """`time` as it is stored."""
    return time.strftime(LAYOUT)


def visitor_of(parameters: Parameters, day: date, ip: str, user_agent: str) -> Visitor:
    """Who acts, by `uid`, `cid`, `_id`, or address, browser and the day on the site's clock."""
    parts = (ip, user_agent, parameters.get("lang", ""), f"{day:%Y-%m-%d}")
    fingerprint = sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:16]
    uid = parameters.get("uid", "")
    enforced = user_visitor(uid) if uid else visitor_id(parameters, "cid")
    return Visitor(enforced or visitor_id(parameters, "_id"), enforced is not None, fingerprint, ip, user_agent)


class Visits:
    """Finds or makes the visit of an action."""

    def __init__(self, store: Store, behaviour: Behaviour) -> None:
        self._store = store
        self._behaviour = behaviour

    def known(self, idsite: int, visitor: Visitor, time: datetime) -> Row | None:
        """The visitor's latest visit that began or went on until half an hour after `time`."""
        until = stamp(time + self._behaviour.visit_length)
        if visitor.sent is not None:
            found = self._store.last_visit(idsite, "visitor", visitor.sent, until)
            if found is not None or visitor.enforced:
                return found
        found = self._store.last_visit(idsite, "fingerprint", visitor.fingerprint, until)
        # Who is known by address and browser alone is somebody else after half an hour.
        oldest = stamp(time - self._behaviour.visit_length)
        return found if found is not None and found["last_action_time"] >= oldest else None

    def goes_on(
        self, known: Row | None, time: datetime, zone: tzinfo, parameters: Parameters, referrer: Referrer
    ) -> bool:
        """Whether the action belongs to the visit `known`; `zone` is the site's."""
        if known is None or parameters.get("new_visit") == "1":
            return False
        last = datetime.strptime(known["last_action_time"], LAYOUT).replace(tzinfo=time.tzinfo)
        if time - last >= self._behaviour.visit_length:
            return False
        if last.astimezone(zone).date() != time.astimezone(zone).date():
            return False
        before = (known["referrer_type"], known["referrer_name"])
        changed = referrer.type == "campaign" and before != ("campaign", referrer.name)
        return not (changed and known["referrer_type"] != "direct")

    def begin(
        self,
        parameters: Parameters,
        idsite: int,
        visitor: Visitor,
        time: datetime,
        known: Row | None,
        referrer: Referrer,
        sender: Sender,
    ) -> int:
        """A new visit without actions; its id. Raises `Poison`."""
        language = language_of(parameters, sender.language)
        since: dict[str, Any] = {"visit_number": 1, "returned_as": None}
        since |= {"seconds_since_first_visit": None, "seconds_since_last_visit": None}
        if known is not None:
            first = datetime.strptime(known["first_action_time"], LAYOUT).replace(tzinfo=time.tzinfo)
            passed = max(0, int((time - first).total_seconds()))
            since = {
                "visit_number": known["visit_number"] + 1,
                "returned_as": known["returned_as"] or "visitor",
                "seconds_since_first_visit": passed + (known["seconds_since_first_visit"] or 0),
                "seconds_since_last_visit": passed,
            }
        values = {
            "idsite": idsite,
            "visitor": visitor.sent or (known["visitor"] if known is not None else secrets.token_hex(8)),
            "fingerprint": visitor.fingerprint,
            "first_action_time": stamp(time),
            "last_action_time": stamp(time),
            "actions": 0,
            "searches": 0,
            "events": 0,
            "goal_converted": 0,
            **since,
            "ip": visitor.ip,
            "user_agent": visitor.user_agent,
            "user_id": parameters.get("uid", "")[:200] or None,
            "language": language or None,
            "country": country_of(parameters, language),
            "region": parameters.get("region", "")[:_LONGEST_REGION] or None,
            "city": parameters.get("city", "")[:_LONGEST_CITY] or None,
            "latitude": coordinate(parameters, "lat"),
            "longitude": coordinate(parameters, "long"),
            "resolution": parameters.get("res", "")[:18] or "unknown",
            "local_time": local_time(parameters),
            "referrer_type": referrer.type,
            "referrer_name": referrer.name or None,
            "referrer_url": referrer.url or None,
            "referrer_keyword": referrer.keyword or None,
            "entry_url": None,
            "exit_url": None,
            "custom_variables": json_text(custom_variables(parameters.get("_cvar", ""))),
        }
        return self._store.add("visit", values)

    def go_on(
        self, visit: Row, parameters: Parameters, visitor: Visitor, time: datetime, referrer: Referrer
    ) -> dict[str, Any]:
        """What a further action changes in its visit, beside the counts. Raises `Poison`."""
        changes: dict[str, Any] = {"last_action_time": max(visit["last_action_time"], stamp(time))}
        if visitor.sent is not None:
            changes["visitor"] = visitor.sent
        if parameters.get("uid"):
            changes["user_id"] = parameters["uid"][:200]
        if visit["referrer_type"] == "direct" and referrer.type != "direct":
            changes |= {
                "referrer_type": referrer.type, "referrer_name": referrer.name or None,
                "referrer_url": referrer.url or None, "referrer_keyword": referrer.keyword or None,
            }  # fmt: skip
        if len(parameters.get("city", "")) > _LONGEST_CITY:
            raise Poison("city")
        for name, column in (("lat", "latitude"), ("long", "longitude")):
            if parameters.get(name):
                changes[column] = coordinate(parameters, name)
        if parameters.get("country"):
            changes["country"] = parameters["country"].lower()
        if parameters.get("region"):
            changes["region"] = parameters["region"][:_LONGEST_REGION]
        if parameters.get("city"):
            changes["city"] = parameters["city"]
        if named := custom_variables(parameters.get("_cvar", "")):
            kept = orjson.loads(visit["custom_variables"] or "{}")  # each slot is kept until it is sent again
            changes["custom_variables"] = json_text(dict(sorted((kept | named).items())))
        return changes


def referrer_of(parameters: Parameters, page: Address | None, own_hosts: frozenset[str]) -> Referrer:
    """Where a visit that begins with this request came from."""
    return classify(page, parameters.get("urlref", ""), own_hosts)
