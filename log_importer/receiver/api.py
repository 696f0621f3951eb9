"""The calls of Matomo's Reporting API that an importer makes."""

from sqlite3 import Row
from typing import Any

import orjson

from log_importer.receiver.access import Access, Grant, Level
from log_importer.receiver.parameters import Parameters
from log_importer.receiver.store import Store
from log_importer.receiver.tracker import Reply

_VERSION = "5.2.0"
"""The Matomo whose behaviour the receiver has."""
_NO_TOKEN = "Unable to authenticate with the provided token. It is either invalid or expired."  # noqa: S105


class Api:
    """`module=API` of index.php."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access

    def call(self, parameters: Parameters) -> Reply:
        """The answer to one call."""
        grant = self._access.grant(parameters.get("token_auth", ""))
        if grant is None:
            return _json({"result": "error", "message": _NO_TOKEN}, 401)
        method = parameters.get("method", "")
        if method == "API.getMatomoVersion":
            return _json({"value": _VERSION})
        if method == "SitesManager.getSiteFromId":
            return self._site(parameters.get("idSite", ""), grant)
        if method in ("SitesManager.getSitesIdWithWriteAccess", "SitesManager.getSitesIdWithAdminAccess"):
            level = Level.ADMIN if "Admin" in method else Level.WRITE
            return _json([site["idsite"] for site in self._store.sites() if self._may(grant, site["idsite"]) >= level])
        return _json({"result": "error", "message": f"The method '{method}' does not exist."})

    def _site(self, text: str, grant: Grant) -> Reply:
        site = self._store.site(int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else None
        if site is None:
            message = f"An unexpected website was found in the request: website id was set to '{text}' ."
            return _json({"result": "error", "message": message})
        if self._may(grant, site["idsite"]) < Level.VIEW:
            message = (
                f"You can't access this resource as it requires 'view' access for the website id = {site['idsite']}."
            )
            return _json({"result": "error", "message": message}, 401)
        return _json(_described(site))

    @staticmethod
    def _may(grant: Grant, idsite: int) -> Level:
        return grant.level if grant.level is Level.SUPERUSER or idsite in grant.sites else Level.NONE


def _described(site: Row) -> dict[str, Any]:
    names = ("idsite", "name", "main_url")
    return {name: site[name] for name in names} | {"timezone": "UTC", "type": "website"}


def _json(value: object, status: int = 200) -> Reply:
    return Reply(status, "application/json", orjson.dumps(value))
