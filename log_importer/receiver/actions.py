"""What a tracking request records: a view, download, outlink, search, event, goal or order."""

from typing import Any, NamedTuple

from log_importer.receiver.parameters import Parameters, Poison, custom_variables, json_text, number, title
from log_importer.receiver.urls import Address, parse_address
from log_importer.tracking.page_queries import SEARCH_PARAMETERS

_LARGEST_COUNT = 4_294_967_295


class Action(NamedTuple):
    """The columns of an action, and how it counts in its visit."""

    values: dict[str, Any]
    counts: bool  # among the visit's actions; a goal or an order does not


def page_of(parameters: Parameters) -> Address | None:
    """The address of the page that the request is about."""
    return parse_address(parameters.get("url", ""))


def action_of(parameters: Parameters, page: Address | None) -> Action:
    """The action of a request. Raises `Poison` for what the database of a Matomo cannot hold."""
    kind, url, own = _kind(parameters, page)
    values: dict[str, Any] = {
        "type": kind,
        "url": url,
        "title": title(parameters.get("action_name", "")) or None if kind == "view" else None,
        "referrer_url": parameters.get("urlref") or None,
        "search_keyword": None,
        "search_category": None,
        "search_count": None,
        "event_category": None,
        "event_action": None,
        "event_name": None,
        "event_value": None,
        "idgoal": None,
        "revenue": None,
        "order_id": None,
        "generation_ms": _whole(parameters, "pf_srv") if kind == "view" else None,
        "network_ms": _whole(parameters, "pf_net") if kind == "view" else None,
        "transfer_ms": _whole(parameters, "pf_tfr") if kind == "view" else None,
        "bandwidth": _whole(parameters, "bw_bytes"),
        "custom_variables": json_text(custom_variables(parameters.get("cvar", ""))),
    }
    return Action(values | own, kind not in ("goal", "order"))


def _kind(parameters: Parameters, page: Address | None) -> tuple[str, str | None, dict[str, Any]]:
    url = page.kept if page else None
    if "idgoal" in parameters and parameters["idgoal"] != "":
        goal = int(number(parameters, "idgoal") or 0)
        revenue = number(parameters, "revenue") or 0
        if goal == 0 and parameters.get("ec_id"):
            return "order", None, {"idgoal": 0, "revenue": revenue, "order_id": parameters["ec_id"]}
        return "goal", url, {"idgoal": goal, "revenue": revenue}
    for name, kind in (("download", "download"), ("link", "outlink")):
        if parameters.get(name):
            target = parse_address(parameters[name])
            return kind, target.kept if target else None, {}
    if parameters.get("e_c") and parameters.get("e_a"):
        value = number(parameters, "e_v") or 0 if "e_v" in parameters else None
        names = {"event_category": "e_c", "event_action": "e_a", "event_name": "e_n"}
        texts = {column: parameters.get(name, "").strip() or None for column, name in names.items()}
        return "event", url, texts | {"event_value": value}
    if keyword := parameters.get("search", "").strip() or _searched(parameters, page):
        return "search", None, _search(parameters, keyword)
    return "view", url, {}


def _searched(parameters: Parameters, page: Address | None) -> str:
    if page is None or "search" in parameters:
        return ""
    return page.parameter(*SEARCH_PARAMETERS).strip()


def _search(parameters: Parameters, keyword: str) -> dict[str, Any]:
    count = number(parameters, "search_count")
    if count is not None and count > _LARGEST_COUNT:
        raise Poison("search_count")
    return {
        "search_keyword": keyword,
        "search_category": parameters.get("search_cat", "").strip() or None,
        "search_count": int(count) if count is not None and count >= 0 else None,
    }


def _whole(parameters: Parameters, name: str) -> int | None:
    value = number(parameters, name)
    return None if value is None or value < 0 else int(value)
