"""The sites on the server: their main URL, and the check before the first batch.

The check stores nothing and proves address, token, rights and form at once, so that a wrong setting shows before
anything was sent; what fails is named with its cure.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from log_importer.errors import ServerRefused, ServerUnreachable
from log_importer.model import Answer, Site
from log_importer.server import Server, described, redirected
from log_importer.tracking.bulk import parse_reply
from log_importer.tracking.encoding import percent
from log_importer.visible import visible

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for which a server that does not answer is tried before the run."""
_PAUSE = 1.0
_ADDRESS = "192.0.2.1"  # of nobody: reserved for documentation


def main_url(server: Server, idsite: int, patience: float = PATIENCE) -> Site:
    """The site `idsite` with scheme and host of its main URL. Raises `ServerRefused` or `ServerUnreachable`."""
    found = _patiently(lambda: server.api("SitesManager.getSiteFromId", idSite=str(idsite)), patience)
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict) or not isinstance(found.get("main_url"), str):
        raise _no_site(server, idsite, found)
    url = found["main_url"]
    parts = urlsplit(url if "://" in url else f"http://{url.lstrip(':/')}")
    return Site(idsite, f"{parts.scheme}://{parts.netloc}")


def check(server: Server, idsites: Iterable[int], now: float, patience: float = PATIENCE) -> None:
    """Proves for each site that posts to it will be stored; `now` in seconds since 1970 UTC.

    Raises `ServerRefused` or `ServerUnreachable`.
    """
    day = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now - 30 * 86400))
    for idsite in idsites:
        ping = f"?idsite={idsite}&rec=1&ping=1&cip={_ADDRESS}&cdt={percent(day)}".encode()
        answer = _patiently(lambda ping=ping: _reached(server.bulk([ping])), patience)  # type: ignore[misc]
        _judge(server, idsite, answer)


def _patiently(call: Callable[[], T], patience: float) -> T:
    end = time.monotonic() + patience
    while True:
        try:
            return call()
        except ServerUnreachable as error:
            if time.monotonic() + _PAUSE > end:
                raise ServerUnreachable(error.what, "Check --url, and that the server runs.") from None
            time.sleep(_PAUSE)


def _reached(answer: Answer) -> Answer:
    if answer.status is None and not answer.tls:
        raise ServerUnreachable(answer.error)
    if answer.status in (429, 502, 503, 504):
        raise ServerUnreachable(f"The server is not ready: {described(answer)}.")
    return answer


def _judge(server: Server, idsite: int, answer: Answer) -> None:
    url = server.tracker
    if answer.tls:
        raise ServerRefused(answer.error, "Mend the certificate, or name its authority with REQUESTS_CA_BUNDLE.")
    assert answer.status is not None
    if 300 <= answer.status < 400:
        raise ServerRefused(redirected(url, answer))
    if answer.status == 404:
        raise ServerRefused(f"There is no tracker at {url} (status 404).", "Check --url and --tracker-endpoint-path.")
    reply = parse_reply(answer.body)
    if answer.status in (401, 403) and reply is None:
        raise ServerRefused(
            f"{url} lets nobody post ({described(answer)}).", "Check the web server's own access rules."
        )
    if answer.status == 400 and reply is None:
        raise ServerRefused(
            f"{url} takes no bulk requests ({described(answer)}).", "Activate Matomo's BulkTracking plugin."
        )
    if reply is None:
        raise ServerRefused(
            f"{url} did not answer as a tracker does: {described(answer)}.",
            "Check --url: it is the address under which Matomo's own pages open.",
        )
    if answer.status == 200 and reply.success and reply.tracked == 1:
        return
    if answer.status == 200 and not reply.tracked and not reply.invalid:
        raise ServerRefused(
            "The server answers, but tracks nothing: tracking is switched off there.",
            "Set record_statistics=1 under [Tracker] in its config.ini.php.",
        )
    raise _refused(server, idsite, answer)


def _refused(server: Server, idsite: int, answer: Answer) -> ServerRefused:
    """Asks the API why the tracker takes nothing with this token."""
    site = server.api("SitesManager.getSiteFromId", idSite=str(idsite))
    if not (isinstance(site, list) and site) and not (isinstance(site, dict) and "main_url" in site):
        return _no_site(server, idsite, site)
    rights = server.api("SitesManager.getSitesIdWithWriteAccess")
    admin = server.api("SitesManager.getSitesIdWithAdminAccess")
    writable = {str(entry) for listed in (rights, admin) if isinstance(listed, list) for entry in listed}
    if str(idsite) not in writable:
        return ServerRefused(
            f"The token may look at site {idsite} but not import into it.",
            "Give its user write or admin access to the site in Matomo, or use another token.",
        )
    return ServerRefused(
        f"The token is good, but the tracker does not take it ({described(answer)}): a token for secure requests only?",
        "In Matomo, make a token without the tick at 'Only allow secure requests'.",
    )


def _no_site(server: Server, idsite: int, found: Any) -> ServerRefused:
    message = found.get("message", "") if isinstance(found, dict) else ""
    said = visible(str(message), 160)
    if "authenticate" in message or "token" in message.lower() or "access" in message.lower():
        return ServerRefused(
            f"{server.url} does not accept the token for site {idsite}: {said}", "Copy it again from Matomo's settings."
        )
    return ServerRefused(f"{server.url} has no site {idsite}: {said or 'it says nothing of it'}", "Check --idsite.")
