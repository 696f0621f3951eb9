"""The calls of Matomo's Reporting API that an importer makes."""

import re
from collections.abc import Callable
from datetime import datetime
from sqlite3 import Row
from typing import Any
from urllib.parse import urlsplit

import orjson

from log_importer.receiver.access import Access, Grant, Level
from log_importer.receiver.live import Unanswerable, last_visits
from log_importer.receiver.parameters import Parameters
from log_importer.receiver.store import Store
from log_importer.receiver.tracker import Reply

_VERSION = "5.2.0"
"""The Matomo whose behaviour the receiver has."""
_NO_TOKEN = "Unable to authenticate with the provided token. It is either invalid or expired."  # noqa: S105
_WRONG_LOGIN = "The current password you entered is not correct."


class _Refused(Exception):
    """An error object as a Matomo words it, with its status."""

    def __init__(self, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """`module=API` of index.php. A token's refusal has status 401, other errors are objects with status 200."""

    def __init__(self, store: Store, access: Access, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._access = access
        self._methods: dict[str, Callable[[Parameters, Grant], object]] = {
            "API.getMatomoVersion": lambda _parameters, _grant: {"value": _VERSION},
            "API.getPiwikVersion": lambda _parameters, _grant: {"value": _VERSION},
            "SitesManager.getSiteFromId": self._site,
            "SitesManager.getAllSites": self._all_sites,
            "SitesManager.getSitesIdFromSiteUrl": self._sites_of_url,
            "SitesManager.getSitesWithAdminAccess": lambda _, grant: self._sites(grant, Level.ADMIN),
            "SitesManager.getSitesIdWithAdminAccess": lambda _, grant: self._ids(grant, Level.ADMIN),
            "SitesManager.getSitesIdWithWriteAccess": lambda _, grant: self._ids(grant, Level.WRITE),
            "SitesManager.addSite": self._add_site,
            "Live.getLastVisitsDetails": self._last_visits,
        }

    def call(self, parameters: Parameters) -> Reply:
        """The answer to one call."""
        try:
            return _json(self._answer(parameters))
        except _Refused as refused:
            return _json({"result": "error", "message": str(refused)}, refused.status)

    def _answer(self, parameters: Parameters) -> object:
        method = parameters.get("method", "")
        if method == "UsersManager.createAppSpecificTokenAuth":
            return self._new_token(parameters)
        grant = self._access.grant(parameters.get("token_auth", ""))
        if grant is None:
            raise _Refused(_NO_TOKEN, 401)
        if method not in self._methods:
            module, _, name = method.partition(".")
            raise _Refused(f"The method '{name}' does not exist or is not available in the module '{module}'.")
        return self._methods[method](parameters, grant)

    def _new_token(self, parameters: Parameters) -> object:
        token = self._access.new_token(parameters.get("userLogin", ""), parameters.get("passwordConfirmation", ""))
        if token is None:
            raise _Refused(_WRONG_LOGIN)
        return {"value": token}

    def _site(self, parameters: Parameters, grant: Grant) -> object:
        return self._described(self._viewable(parameters, grant))

    def _last_visits(self, parameters: Parameters, grant: Grant) -> object:
        site = self._viewable(parameters, grant)
        try:
            return last_visits(self._store, site["idsite"], parameters, self._clock())
        except Unanswerable as error:
            raise _Refused(str(error)) from None

    def _viewable(self, parameters: Parameters, grant: Grant) -> Row:
        text = parameters.get("idSite", "")
        site = self._store.site(int(text)) if re.fullmatch("[0-9]{1,9}", text) else None
        if site is None:
            raise _Refused(f"An unexpected website was found in the request: website id was set to '{text}' .")
        if grant.on(site["idsite"]) < Level.VIEW:
            idsite = site["idsite"]
            raise _Refused(
                f"You can't access this resource as it requires 'view' access for the website id = {idsite}.", 401
            )
        return site

    def _all_sites(self, _parameters: Parameters, grant: Grant) -> object:
        _require_superuser(grant)
        return [self._described(site) for site in self._store.sites()]

    def _sites(self, grant: Grant, level: Level) -> object:
        return [self._described(site) for site in self._store.sites() if grant.on(site["idsite"]) >= level]

    def _ids(self, grant: Grant, level: Level) -> object:
        return [site["idsite"] for site in self._store.sites() if grant.on(site["idsite"]) >= level]

    def _sites_of_url(self, parameters: Parameters, grant: Grant) -> object:
        host = _bare_host(parameters.get("url", ""))
        sites = [site for site in self._store.sites() if _bare_host(site["main_url"]) == host]
        return [{"idsite": site["idsite"]} for site in sites if grant.on(site["idsite"]) >= Level.VIEW]

    def _add_site(self, parameters: Parameters, grant: Grant) -> object:
        _require_superuser(grant)
        urls = [value for name, value in parameters.items() if re.fullmatch(r"urls(\[[0-9]*\])?", name) and value]
        name = parameters.get("siteName", "").strip()
        if not name or not urls:
            missing = "siteName" if not name else "urls"
            raise _Refused(f"Please specify a value for '{missing}'.")
        url = urls[0] if "://" in urls[0] else f"http://{urls[0]}"
        return {"value": self._store.add_site(name, url.rstrip("/"))}

    def _described(self, site: Row) -> dict[str, Any]:
        told = {name: site[name] for name in ("idsite", "name", "main_url")}
        return told | {"timezone": self._store.timezone(site["idsite"]), "currency": "USD", "type": "website"}


def _require_superuser(grant: Grant) -> None:
    if grant.level is not Level.SUPERUSER:
        raise _Refused("You can't access this resource as it requires a 'superuser' access.", 401)


def _bare_host(url: str) -> str:
    host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    return host.removeprefix("www.")


def _json(value: object, status: int = 200) -> Reply:
    return Reply(status, "application/json", orjson.dumps(value))
