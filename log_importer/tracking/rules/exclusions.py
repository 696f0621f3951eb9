"""Which hits become tracking requests: like a browser's own tracker, people's page views and downloads.

They run in the order of the list that `compile_exclusions` makes, and the first reason wins.
"""

from collections.abc import Callable, Iterator

from log_importer.model import Hit
from log_importer.tracking.rules.files import DOWNLOAD_EXTENSIONS, extension, is_static
from log_importer.tracking.rules.networks import Networks
from log_importer.tracking.rules.selection import Rule, Selection, chosen_after, chosen_before, looking_at

FUTURE = 60.0
"""Seconds a hit may lie ahead of our clock; the sender waits for it."""
TOO_OLD = 7300 * 86400.0
"""Seconds; a real Matomo stores a hit older than 7,300 days, or one in the future, with the time of its arrival."""


def compile_exclusions(selection: Selection, is_bot: Callable[[str], object], search_engine: Networks) -> list[Rule]:
    """The rules in force, in the order in which their reasons win."""
    rules: list[Rule] = [*chosen_before(selection), _time]
    if not selection.replay:
        rules += _of_pages(selection)
    if not selection.bots:
        rules += _bots(is_bot, search_engine)
    return [*rules, *chosen_after(selection)]


def _of_pages(selection: Selection) -> Iterator[Rule]:
    yield _method(selection.methods)
    if not selection.http_errors:
        yield _status_error
    if not selection.http_redirects:
        yield _status_redirect
    if not selection.static:
        yield _static
    yield _download(selection.downloads)


def servers_own(selection: Selection, is_bot: Callable[[str], object], search_engine: Networks) -> list[Rule]:
    """Those of the rules that a server applies too, unasked: for hits of which time, address or browser was changed."""
    return [_time] if selection.bots else [_time, *_bots(is_bot, search_engine)]


@looking_at("time")
def _time(hit: Hit, now: float) -> str | None:
    if hit.time > now + FUTURE:
        return "time-future"
    return "time-too-old" if hit.time < now - TOO_OLD else None


def _method(wanted: frozenset[str]) -> Rule:
    @looking_at("method", "path")
    def method(hit: Hit, _now: float) -> str | None:
        if hit.method is None:  # some logs have none; where a request line held none, it asked for nothing
            return None if hit.path.startswith("/") else "method"
        return None if hit.method in wanted else "method"

    return method


@looking_at("status")
def _status_error(hit: Hit, _now: float) -> str | None:
    return "status-error" if hit.status is not None and hit.status >= 400 else None


@looking_at("status")
def _status_redirect(hit: Hit, _now: float) -> str | None:
    # 304 is a page that the browser still had: a view.
    return "status-redirect" if hit.status is not None and 300 <= hit.status < 400 and hit.status != 304 else None


@looking_at("path")
def _static(hit: Hit, _now: float) -> str | None:
    return "static" if is_static(hit.path) else None


def _download(wanted: frozenset[str]) -> Rule:
    unwanted = DOWNLOAD_EXTENSIONS - wanted

    @looking_at("path")
    def download(hit: Hit, _now: float) -> str | None:
        return "download" if unwanted and extension(hit.path) in unwanted and not is_static(hit.path) else None

    return download


def _bots(is_bot: Callable[[str], object], search_engine: Networks) -> Iterator[Rule]:
    @looking_at("user_agent")
    def by_name(hit: Hit, _now: float) -> str | None:
        return "bot" if hit.user_agent is not None and is_bot(hit.user_agent) else None

    @looking_at("client_ip")
    def by_address(hit: Hit, _now: float) -> str | None:
        return "bot" if search_engine(hit.client_ip) else None

    yield by_name
    yield by_address._replace(networks=search_engine)
