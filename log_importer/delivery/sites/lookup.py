"""What the server's API knows and does: sites by host, new sites, its version, tokens for those who log in."""

import re

from log_importer.delivery.server import ApiRefused, Server
from log_importer.delivery.sites.patience import NEW_TOKEN, PATIENCE, Wait, patiently, pause, said_by
from log_importer.model.errors import ServerRefused
from log_importer.model.visible import visible


def prove_token(server: Server, patience: float = PATIENCE, wait: Wait = pause) -> None:
    """Proves that there is a Matomo that takes the token, where no site is known yet.

    Raises `ServerRefused` or `ServerUnreachable`.
    """
    try:
        patiently(lambda: server.api("API.getMatomoVersion"), patience, wait)
    except ApiRefused as error:
        if error.status in (401, 403):
            raise ServerRefused(f"{server.url} does not accept the token.{said_by(error)}", NEW_TOKEN) from None


def make_token(
    server: Server,
    login: str,
    password: str,
    patience: float = PATIENCE,
    wait: Wait = pause,
) -> str:
    """A token for a user of Matomo, good for a week. Raises `ServerRefused` or `ServerUnreachable`."""
    form = {
        "userLogin": login, "passwordConfirmation": password, "description": "log-importer", "expireHours": "168",
    }  # fmt: skip
    try:
        found = patiently(
            lambda: server.api("UsersManager.createAppSpecificTokenAuth", **form), patience, wait
        )  # fmt: skip
    except ApiRefused as error:
        raise ServerRefused(
            f"{server.url} makes no token for the user {visible(login, 80)}.{said_by(error)}",
            "Check --login and --password, or make a token in Matomo and give that.",
        ) from None
    token = found.get("value") if isinstance(found, dict) else found
    if not isinstance(token, str) or not token:
        raise ServerRefused(f"{server.url} answers the login without a token.", "Make a token in Matomo and give that.")
    return token


def version(server: Server, patience: float = PATIENCE, wait: Wait = pause) -> tuple[int, ...]:
    """The server's version, such as (5, 7, 1); () where it does not say. Raises `ServerRefused` and the like."""
    try:
        found = patiently(lambda: server.api("API.getMatomoVersion"), patience, wait)
    except ApiRefused:
        return ()
    text = str(found.get("value", "") if isinstance(found, dict) else found)
    return tuple(int(part) for part in re.findall(r"[0-9]{1,4}", text.partition("-")[0])[:3])


def sites_of_host(server: Server, host: str, patience: float = PATIENCE, wait: Wait = pause) -> list[int]:
    """The sites that have `host` among their URLs, of those that the token may look at.

    Raises `ServerRefused` or `ServerUnreachable`.
    """
    try:
        found = patiently(lambda: server.api("SitesManager.getSitesIdFromSiteUrl", url=host), patience, wait)
    except ApiRefused as error:
        raise ServerRefused(
            f"{server.url} does not say which site {host} belongs to.{said_by(error)}",
            f"Check the token, or name the site: --site {host}=ID.",
        ) from None
    rows = found if isinstance(found, list) else []
    return [int(row["idsite"]) for row in rows if isinstance(row, dict) and str(row.get("idsite", "")).isdecimal()]


def add_site(server: Server, host: str, patience: float = PATIENCE, wait: Wait = pause) -> int:
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
        return patiently(ask, patience, wait)
    except ApiRefused as error:
        raise ServerRefused(
            f"{server.url} makes no site for {host}.{said_by(error)}",
            f"Only a superuser's token may: use one, or name the site with --site {host}=ID.",
        ) from None
