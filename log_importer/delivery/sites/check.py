"""The sites on the server: their main URL, and the check before the first batch.

The check stores nothing and proves address, token, rights and form at once, so that a wrong setting shows before
anything was sent; what fails is named with its cure.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from log_importer.delivery.server import CHECK_PROXY, REDIRECTED, ApiRefused, Server, described, redirected, unreached
from log_importer.delivery.sites.patience import NEW_TOKEN, PATIENCE, NoSuchSite, Wait, patiently, pause, said_by
from log_importer.model import Answer, Site
from log_importer.model.errors import ServerRefused, ServerUnreachable
from log_importer.model.visible import visible
from log_importer.tracking.bulk import parse_reply, ping

_NOTICE = b"This resource is part of "  # Matomo or Piwik: the tracker's page for whoever sends it no tracking request


def main_url(server: Server, idsite: int, patience: float = PATIENCE, wait: Wait = pause) -> Site:
    """The site `idsite` with scheme and host of its main URL. Raises `ServerRefused` or `ServerUnreachable`.

    `patience` in seconds; `wait` pauses for some, told why, and ends the trying by returning true.
    """

    def ask() -> Any:
        try:
            return server.api("SitesManager.getSiteFromId", idSite=str(idsite))
        except ApiRefused as error:
            raise _why_no_site(server, idsite, error) from None

    found = patiently(ask, patience, wait)
    if isinstance(found, list) and found:  # as Piwik answered
        found = found[0]
    url = found.get("main_url") if isinstance(found, dict) else None
    if not isinstance(url, str):
        raise NoSuchSite(f"{server.url} has no site {idsite}.", "Check --idsite.")
    parts = urlsplit(url if "://" in url else f"http://{url.lstrip(':/')}")
    timezone = found.get("timezone")
    return Site(idsite, f"{parts.scheme}://{parts.netloc}", timezone if isinstance(timezone, str) else "UTC")


def check(
    server: Server,
    idsites: Iterable[int],
    now: float,
    patience: float = PATIENCE,
    wait: Wait = pause,
) -> None:
    """Proves for each site that posts to it will be stored; `now` in seconds since 1970 UTC.

    `patience` and `wait` as for `main_url`. Raises `ServerRefused` or `ServerUnreachable`.
    """
    for idsite in idsites:

        def ask(idsite: int = idsite) -> None:
            _judge(server, idsite, server.bulk([ping(idsite, now - 30 * 86400)]))

        patiently(ask, patience, wait)


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


def _why_no_site(server: Server, idsite: int, error: ApiRefused) -> ServerRefused:
    """Messages are in the server's language, so another call tells a bad token from a bad site."""
    said = said_by(error)
    try:
        server.api("API.getMatomoVersion")
    except ApiRefused:
        return ServerRefused(
            f"{server.url} does not accept the token for site {idsite}.{said}",
            NEW_TOKEN,
        )
    if error.status in (401, 403):
        return NoSuchSite(
            f"The token has no access to site {idsite} of {server.url}.{said}",
            "Check --idsite, or give the token's user write or admin access to that site.",
        )
    return NoSuchSite(f"{server.url} has no site {idsite}.{said}", "Check --idsite.")


def explained(server: Server, idsite: int, now: float) -> str:
    """What the tracker says of a request that stores nothing, asked to explain itself."""
    answer = server.bulk([ping(idsite, now - 30 * 86400)], debug=True)
    if parse_reply(answer.body) is not None:
        return f"Site {idsite}: the tracker explains nothing; debug_on_demand is not set in its configuration."
    return f"Site {idsite}: the tracker says: {visible(answer.body or answer.error, 1800)}"
