"""`Live.getLastVisitsDetails`: visits with their actions, by days of the site's clock and by who came or what was seen.

An action's `timestamp` is what the site's clock showed, as if that were UTC; a visit's timestamps are true.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from sqlite3 import Row
from typing import Any
from urllib.parse import unquote_plus

from log_importer.receiver.agents import describe
from log_importer.receiver.parameters import Parameters, address_of
from log_importer.receiver.store import Store
from log_importer.receiver.visits import LAYOUT, stamp

MOST_VISITS = 2_000
MOST_ACTIONS = 50_000
"""Of one answer; where there are more, whoever asks has to ask for less."""
MOST_OF_A_VISIT = 500
"""Actions that are told of one visit, the first; a Matomo's own limit."""
_USUAL_LIMIT = 100
_MOST_CONDITIONS = 100
_COLUMNS = {"visitIp": "ip", "visitorId": "visitor", "userId": "user_id"}
_KINDS = {"pageUrl": "view", "downloadUrl": "download"}
_NAMES = {"view": "action", "order": "ecommerceOrder"}  # the others are called as they are here
_BEGINNINGS = ("http://", "http://www.", "https://", "https://www.")
_CONDITION = re.compile(r"([A-Za-z0-9_.]+)==(.+)", re.DOTALL)

Where = tuple[str, list[object]]
"""A condition in SQL, and the values of its question marks."""


class Unanswerable(Exception):
    """What is asked for cannot be told; the words are for whoever asks."""


def last_visits(store: Store, idsite: int, parameters: Parameters, now: datetime) -> list[dict[str, Any]]:
    """The visits asked for, the latest first. Raises `Unanswerable`."""
    zone = store.zone(idsite)
    first, end = _days(parameters, zone, now)
    conditions: list[Where] = [("idsite = ?", [idsite]), *_since(parameters)]
    if first is not None and end is not None:
        conditions.append(("last_action_time >= ? AND last_action_time < ?", [stamp(first), stamp(end)]))
    conditions += _segment(parameters.get("segment", ""), idsite, first, end)
    limit = _number(parameters, "filter_limit", _USUAL_LIMIT)
    few = 0 <= limit <= MOST_VISITS
    where = " AND ".join(f"({sql})" for sql, _ in conditions)
    latest_first = "ORDER BY last_action_time DESC, idvisit DESC LIMIT ? OFFSET ?"
    rows = store.rows(
        f"SELECT * FROM visit LEFT JOIN agent USING (user_agent) WHERE {where} {latest_first}",  # noqa: S608 - our names
        [value for _, values in conditions for value in values]
        + [limit if few else MOST_VISITS + 1, max(0, _number(parameters, "filter_offset", 0))],
    )
    left = MOST_ACTIONS
    visits = list[dict[str, Any]]()
    for row in rows:
        actions = store.rows(
            "SELECT * FROM action WHERE idvisit = ? ORDER BY time, idaction LIMIT ?", [row["idvisit"], MOST_OF_A_VISIT]
        )
        left -= len(actions)
        if left < 0 or len(visits) == MOST_VISITS:
            raise Unanswerable(f"There are more than {MOST_VISITS} visits or {MOST_ACTIONS} actions; ask for less.")
        visits.append(_visit(row, actions, zone))
    return visits


def _number(parameters: Parameters, name: str, otherwise: int) -> int:
    text = parameters.get(name, "")
    return int(text) if re.fullmatch("-?[0-9]{1,10}", text) else otherwise


def _days(parameters: Parameters, zone: tzinfo, now: datetime) -> tuple[datetime | None, datetime | None]:
    """When the first day begins and the last ends, in UTC; `None` where no date is given."""
    period, text = parameters.get("period", ""), parameters.get("date", "")
    if not text:
        return None, None
    begin, comma, last = text.partition(",")
    if period not in ("day", "range") or (period == "range") != bool(comma):
        raise Unanswerable(f"The period '{period}' with the date '{text}' is not supported.")
    today = now.astimezone(zone).date()
    dates = [_date(one, today) for one in (begin, last or begin)]
    midnights = (datetime.combine(day, time(), zone) for day in (dates[0], dates[1] + timedelta(1)))
    first, end = (midnight.astimezone(UTC) for midnight in midnights)
    return first, end


def _date(text: str, today: date) -> date:
    named = {"today": today, "yesterday": today - timedelta(1)}
    try:
        found = named.get(text) or datetime.strptime(text, "%Y-%m-%d").date()
        if 1971 < found.year < 2999:  # midnights on other clocks are times too
            return found
    except ValueError:
        pass
    raise Unanswerable(f"The date '{text}' is not a valid one.")


def _since(parameters: Parameters) -> list[Where]:
    least = _number(parameters, "minTimestamp", 0)
    times = [] if least <= 0 else [stamp(datetime.fromtimestamp(least, UTC))]
    return [("last_action_time > ?", [one]) for one in times]


def _segment(text: str, idsite: int, first: datetime | None, end: datetime | None) -> list[Where]:
    """The conditions of a segment: a semicolon is "and", a comma "or" and binds closer; values are percent-encoded."""
    if len(re.findall("[,;]", text)) >= _MOST_CONDITIONS:
        raise Unanswerable(f"The segment has more than {_MOST_CONDITIONS} conditions.")
    return [_any_of(group.split(","), idsite, first, end) for group in text.split(";") if group]


def _any_of(conditions: Iterable[str], idsite: int, first: datetime | None, end: datetime | None) -> Where:
    parts, values = list[str](), list[object]()
    for condition in conditions:
        match = _CONDITION.fullmatch(condition)
        name = match[1] if match else re.split("[=!<>]", condition)[0]
        value = unquote_plus(match[2], errors="replace") if match else ""
        if match and name in _COLUMNS:
            parts.append(f"{_COLUMNS[name]} = ?")
            values.append(_as_kept(name, value))
        elif match and name in _KINDS:
            # Actions lie within the days of their visits; a day more, for those that came late.
            days = "" if first is None else " AND time >= ? AND time < ?"
            bounds = [] if first is None or end is None else [stamp(first - timedelta(1)), stamp(end)]
            parts.append(
                f"idvisit IN (SELECT idvisit FROM action WHERE idsite = ?{days} AND type = ? AND url IN (?, ?, ?, ?))"  # noqa: S608 - our own words
            )
            values += [idsite, *bounds, _KINDS[name], *_addresses(value)]
        else:
            raise Unanswerable(f"Segment '{name}' is not a supported segment.")
    return " OR ".join(parts), values


def _as_kept(name: str, value: str) -> str:
    if name == "visitIp":
        return address_of({"cip": value}, "")
    return value.lower() if name == "visitorId" else value


def _addresses(url: str) -> list[str]:
    """The same address with and without TLS and www, which a Matomo does not tell apart."""
    bare = re.sub(r"^https?://(www\.)?", "", url)
    return [beginning + bare for beginning in _BEGINNINGS]


def _visit(row: Row, actions: Iterable[Row], zone: tzinfo) -> dict[str, Any]:
    first, last = (_moment(row[f"{name}_action_time"]) for name in ("first", "last"))
    browser, system = row["browser"], row["os"]
    if browser is None:  # it is named when there is time
        browser, _, system, *_ = describe(row["user_agent"])
    details = list[dict[str, Any]]()
    pages = 0
    for action in actions:
        is_page = action["type"] in ("view", "search")
        pages += is_page
        details.append(_action(action, zone) | {"pageviewPosition": pages if is_page else None})
    return {
        "idSite": row["idsite"],
        "idVisit": row["idvisit"],
        "visitIp": row["ip"],
        "visitorId": row["visitor"],
        "userId": row["user_id"],
        "browserCode": browser,
        "operatingSystemCode": system,
        "firstActionTimestamp": int(first.timestamp()),
        "lastActionTimestamp": int(last.timestamp()),
        "serverTimestamp": int(last.timestamp()),
        "serverDate": f"{last:%Y-%m-%d}",
        "actions": row["actions"],
        "actionDetails": details,
    }


def _action(row: Row, zone: tzinfo) -> dict[str, Any]:
    shown = _moment(row["time"]).astimezone(zone).replace(tzinfo=UTC)
    told: dict[str, Any] = {
        "type": _NAMES.get(row["type"], row["type"]),
        "url": row["url"],
        "timestamp": int(shown.timestamp()),
        "serverTimePretty": f"{shown:%b} {shown.day}, {shown:%Y %H:%M:%S}",
    }
    return told | _own(row)


def _own(row: Row) -> dict[str, Any]:
    """The members that actions of one kind have."""
    match row["type"]:
        case "search":
            return {"siteSearchKeyword": row["search_keyword"]}
        case "event":
            return {f"event{name}": row[f"event_{name.lower()}"] for name in ("Category", "Action", "Name")}
        case "goal":
            return {"goalId": row["idgoal"]}
        case "order":
            return {"orderId": row["order_id"]}
        case _:
            return {"pageTitle": row["title"]}


def _moment(text: str) -> datetime:
    return datetime.strptime(text, LAYOUT).replace(tzinfo=UTC)
