"""The sites on the server: found, made, asked about, and checked before anything is sent to them."""

from log_importer.delivery.sites.check import check, explained, main_url
from log_importer.delivery.sites.lookup import add_site, make_token, prove_token, sites_of_host, version
from log_importer.delivery.sites.patience import PATIENCE, NoSuchSite, Wait, telling

__all__ = [
    "PATIENCE", "NoSuchSite", "Wait", "add_site", "check", "explained", "main_url", "make_token", "prove_token",
    "sites_of_host", "telling", "version",
]  # fmt: skip
