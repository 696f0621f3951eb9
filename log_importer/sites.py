"""The sites on the server: their main URL, and the check before the first batch.

The check stores nothing and proves address, token, rights and form at once, so that a wrong setting shows before
anything was sent; what fails is named with its cure.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from log_importer.errors import ServerRefused, ServerUnreachable
from log_importer.model import Answer, Site
from log_importer.server import CHECK_PROXY, REDIRECTED, ApiRefused, Server, described, redirected, unreached
from log_importer.tracking.bulk import parse_reply, ping
from log_importer.visible import visible

T = TypeVar("T")
_NEW_TOKEN = "Copy it again from Matomo, or make a new one there."  # noqa: S105 - what to do about one


class NoSuchSite(ServerRefused):
    """There is no such site, or the token may not even look at it."""


PATIENCE = 30.0
"""Seconds for which a server that does not answer is tried before the run."""
_LONGEST_PAUSE = 5.0
_NOTICE = b"This resource is part of "  # Matomo or Piwik: the tracker's page for whoever sends it no tracking request


def main_url(
    server: Server, idsite: int, patience: float = PATIENCE, wait: Callable[[float], object] = time.sleep
) -> Site:
    """The site `idsite` with scheme and host of its main URL. Raises `ServerRefused` or `ServerUnreachable`.

    `patience` in seconds; `wait` pauses for some, and ends the trying by returning true.
    """

    def ask() -> Any:
        try:
            return server.api("SitesManager.getSiteFromId", idSite=str(idsite))
        except ApiRefused as error:
            raise _why_no_site(server, idsite, error) from None

    found = _patiently(ask, patience, wait)
    if isinstance(found, list) and found:  # as Piwik answered
        found = found[0]
    url = found.get("main_url") if isinstance(found, dict) else None
    if not isinstance(url, str):
        raise NoSuchSite(f"{server.url} has no site {idsite}.", "Check --idsite.")
    parts = urlsplit(url if "://" in url else f"http://{url.lstrip(':/')}")
    timezone = found.get("timezone")
    return Site(idsite, f"{parts.scheme}://{parts.netloc}", timezone if isinstance(timezone, str) else "UTC")


def check(
    server: Server, idsites: Iterable[int], now: float, patience: float = PATIENCE,
    wait: Callable[[float], object] = time.sleep,
) -> None:  # fmt: skip
    """Proves for each site that posts to it will be stored; `now` in seconds since 1970 UTC.

    `patience` and `wait` as for `main_url`. Raises `ServerRefused` or `ServerUnreachable`.
    """
    for idsite in idsites:

        def ask(idsite: int = idsite) -> None:
            _judge(server, idsite, server.bulk([ping(idsite, now - 30 * 86400)]))

        _patiently(ask, patience, wait)


def explained(server: Server, idsite: int, now: float) -> str:
    """What the tracker says of a request that stores nothing, asked to explain itself."""
    answer = server.bulk([ping(idsite, now - 30 * 86400)], debug=True)
    if parse_reply(answer.body) is not None:
        return f"Site {idsite}: the tracker explains nothing; debug_on_demand is not set in its configuration."
    return f"Site {idsite}: the tracker says: {visible(answer.body or answer.error, 1800)}"


def make_token(
    server: Server, login: str, password: str, patience: float = PATIENCE,
    wait: Callable[[float], object] = time.sleep,
) -> str:  # fmt: skip
    """A token for a user of Matomo, good for a week. Raises `ServerRefused` or `ServerUnreachable`."""
    form = {
        "userLogin": login, "passwordConfirmation": password, "description": "log-importer", "expireHours": "168",
    }  # fmt: skip
    try:
        found = _patiently(
            lambda: server.api("UsersManager.createAppSpecificTokenAuth", **form), patience, wait
        )  # fmt: skip
    except ApiRefused as error:
        raise ServerRefused(
            f"{server.url} makes no token for the user {visible(login, 80)}.{_said(error)}",
            "Check --login and --password, or make a token in Matomo and give that.",
        ) from None
    token = found.get("value") if isinstance(found, dict) else found
    if not isinstance(token, str) or not token:
        raise ServerRefused(f"{server.url} answers the login without a token.", "Make a token in Matomo and give that.")
    return token


def prove_token(server: Server, patience: float = PATIENCE, wait: Callable[[float], object] = time.sleep) -> None:
    """Proves that there is a Matomo that takes the token, where no site is known yet.

    Raises `ServerRefused` or `ServerUnreachable`.
    """
    try:
        _patiently(lambda: server.api("API.getMatomoVersion"), patience, wait)
    except ApiRefused as error:
        if error.status in (401, 403):
            raise ServerRefused(f"{server.url} does not accept the token.{_said(error)}", _NEW_TOKEN) from None


def version(
    server: Server, patience: float = PATIENCE, wait: Callable[[float], object] = time.sleep
) -> tuple[int, ...]:
    """The server's version, such as (5, 7, 1); () where it does not say. Raises `ServerRefused` and the like."""
    try:
        found = _patiently(lambda: server.api("API.getMatomoVersion"), patience, wait)
    except ApiRefused:
        return ()
    text = str(found.get("value", "") if isinstance(found, dict) else found)
    return tuple(int(part) for part in re.findall(r"[0-9]{1,4}", text.partition("-")[0])[:3])


def sites_of_host(
    server: Server, host: str, patience: float = PATIENCE, wait: Callable[[float], object] = time.sleep
) -> list[int]:
    """The sites that have `host` among their URLs, of those that the token may look at.

    Raises `ServerRefused` or `ServerUnreachable`.
    """
    try:
        found = _patiently(lambda: server.api("SitesManager.getSitesIdFromSiteUrl", url=host), patience, wait)
    except ApiRefused as error:
        raise ServerRefused(
            f"{server.url} does not say which site {host} belongs to.{_said(error)}",
            f"Check the token, or name the site: --site {host}=ID.",
        ) from None
    rows = found if isinstance(found, list) else []
    return [int(row["idsite"]) for row in rows if isinstance(row, dict) and str(row.get("idsite", "")).isdecimal()]


def add_site(
    server: Server, host: str, patience: float = PATIENCE, wait: Callable[[float], object] = time.sleep
) -> int:
    """Makes a site for `host`; its number. Raises `ServerRefused` or `ServerUnreachable`."""
    tried = False

    def ask() -> int:
        nonlocal tried
        # What got no answer may have been done all the same, and two sites for a host would be one too many.
        if tried and (known := sites_of_host(server, host, 0.0, wait)):
            return known[0]
        tried = True
        found = server.api("SitesManager.addSite", siteName=host, **{"urls[0]": f"http://{host}"})
        value = found.get("value") if isinstance(found, dict) else found
        if not str(value).isdecimal():
            raise ServerRefused(f"{server.url} does not say which site it made for {host}.", "Look at its sites.")
        return int(str(value))

    try:
        return _patiently(ask, patience, wait)
    except ApiRefused as error:
        raise ServerRefused(
            f"{server.url} makes no site for {host}.{_said(error)}",
            f"Only a superuser's token may: use one, or name the site with --site {host}=ID.",
        ) from None


def _patiently(call: Callable[[], T], patience: float, wait: Callable[[float], object]) -> T:
    end = time.monotonic() + patience
    pause = 1.0
    while True:
        try:
            return call()
        except ServerUnreachable:
            left = end - time.monotonic()
            if left <= 0 or wait(min(pause, left)):
                raise
            pause = min(2 * pause, _LONGEST_PAUSE)


def _judge(server: Server, idsite: int, answer: Answer) -> None:
    """Returns where the ping was counted, raises why not where it was not."""
    url, status = server.tracker, answer.status
    if status is None or (answer.error and status == 200):
        raise unreached(answer)
    reply = parse_reply(answer.body)
    if status == 200 and reply is not None and reply.success and (reply.tracked, reply.invalid) == (1, 0):
        return
    if 300 <= status < 400:
        raise ServerRefused(redirected(url, answer), REDIRECTED)
    if reply is not None and (status == 200 or status == 400 or status >= 500):
        raise _uncounted(server, idsite, answer, reply.tracked + reply.invalid)
    if status in (408, 429) or status >= 500:
        raise ServerUnreachable(f"{url} fails: {described(answer)}.", "See the server's own error log.")
    raise ServerRefused(*_no_tracker(url, answer))


def _no_tracker(url: str, answer: Answer) -> tuple[str, str]:
    """What and hint for an answer that no tracker with bulk requests gives."""
    said = described(answer)
    if answer.status == 401:
        return f"The web server wants a login for {url} ({said}).", (
            "Give it in --url, as https://user:password@host/."
        )
    if answer.status == 407:
        return answer.error or f"The proxy on the way to {url} wants a login ({said}).", CHECK_PROXY
    if answer.status == 403:
        return f"The web server forbids posts to {url} ({said}).", "Check its own rules: folder, address, firewall."
    if answer.status in (404, 410):
        return f"There is no tracker at {url} (status {answer.status}).", "Check --url and --tracker-endpoint-path."
    if b"plain HTTP" in answer.body:  # nginx and Apache both call it that
        return f"{url} speaks TLS ({said}).", "Write https:// in --url."
    if answer.status == 400 or _NOTICE in answer.body:
        return f"{url} takes no bulk requests ({said}).", "Activate Matomo's BulkTracking plugin."
    return f"{url} did not answer as a tracker does: {said}.", (
        "Check --url: it is the address under which Matomo's own pages open."
    )


def _uncounted(server: Server, idsite: int, answer: Answer, counted: int) -> ServerRefused | ServerUnreachable:
    """Asks the API, where the token is a form field, why the tracker takes nothing from it."""
    if answer.status == 200 and not counted:
        return ServerRefused(
            f"{server.tracker} answers, but tracks nothing: tracking is switched off there.",
            "Set record_statistics=1 under [Tracker] in its config.ini.php.",
        )
    try:
        server.api("SitesManager.getSiteFromId", idSite=str(idsite))
    except ApiRefused as error:
        return _why_no_site(server, idsite, error)
    writable = set[str]()
    for method in ("SitesManager.getSitesIdWithWriteAccess", "SitesManager.getSitesIdWithAdminAccess"):
        try:
            listed = server.api(method)
        except ApiRefused:  # Piwik knows no write access
            continue
        writable |= {str(entry) for entry in listed} if isinstance(listed, list) else set()
    if str(idsite) not in writable:
        return ServerRefused(
            f"The token may look at site {idsite} but not import into it.",
            "Give its user write or admin access to the site in Matomo, or use another token.",
        )
    if answer.status != 200:
        return ServerUnreachable(f"The tracker {server.tracker} fails: {described(answer)}.", "See its error log.")
    return ServerRefused(
        f"The token is good, but the tracker does not take it ({described(answer)}): a token for secure requests only? "
        "In a bulk request no token counts as secure.",
        "In Matomo, make a token without the tick at 'Only allow secure requests'.",
    )


def _said(error: ApiRefused) -> str:
    return f" It says: {error.message}" if error.message else ""


def _why_no_site(server: Server, idsite: int, error: ApiRefused) -> ServerRefused:
    """Messages are in the server's language, so another call tells a bad token from a bad site."""
    said = _said(error)
    try:
        server.api("API.getMatomoVersion")
    except ApiRefused:
        return ServerRefused(
            f"{server.url} does not accept the token for site {idsite}.{said}",
            _NEW_TOKEN,
        )
    if error.status in (401, 403):
        return NoSuchSite(
            f"The token has no access to site {idsite} of {server.url}.{said}",
            "Check --idsite, or give the token's user write or admin access to that site.",
        )
    return NoSuchSite(f"{server.url} has no site {idsite}.{said}", "Check --idsite.")
