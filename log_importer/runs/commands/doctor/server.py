"""The server: whose certificates count, and the check that an import makes before its first batch."""

import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from log_importer.model.errors import UsageError
from log_importer.runs.commands.doctor.finding import Finding, warning

_ANSWERS_WITHIN = 10.0
"""Seconds; an import waits longer."""


def certificates(given: Mapping[str, Any]) -> Finding:
    """Whether the certificates of the authorities that count can be read. Raises `UsageError`."""
    from log_importer.delivery.server import authorities

    if given["accept_invalid_ssl_certificate"]:
        return warning(
            "Any certificate is taken, so that whoever answers may read the token.",
            "Name the server's own with --ca-file.",
        )
    path = authorities(str(given["ca_file"] or ""))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    folder = Path(path).is_dir()
    try:
        context.load_verify_locations(**{"capath" if folder else "cafile": path})
    except OSError as error:  # ssl.SSLError is one
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(f"{path}: no certificates can be read: {reason}.", "Name a file of certificates.") from None
    count = len(list(Path(path).glob("*.[0-9]"))) if folder else context.cert_store_stats()["x509_ca"]
    if not count:
        raise UsageError(f"{path} holds no certificate of an authority.", "Name a file of certificates.")
    return Finding(f"of {count} authorities in {path}")


def server(given: Mapping[str, Any]) -> Finding | None:
    """Whether an import could begin, where a server is named; its sentence where not.

    Raises `UsageError`, `ServerRefused` and `ServerUnreachable`.
    """
    from log_importer.settings.arguments import SERVER_OPTIONS, make_settings

    if given["local"] or not any(given[name] for name in SERVER_OPTIONS):
        return None
    from log_importer.delivery.sites import version
    from log_importer.runs.hosts import Hosts
    from log_importer.runs.job import token_of
    from log_importer.runs.posting import server_of

    try:
        settings = make_settings(
            {**given, "give_up_after": 0.0, "request_timeout": _ANSWERS_WITHIN}, terminal=True
        )  # fmt: skip
    except UsageError as error:
        if given["url"]:
            raise
        return warning(error.what, error.hint)
    with closing(server_of(settings, settings.url, settings.token or token_of(settings))) as one:
        hosts = Hosts(settings, one, time.time, lambda _: None)
        hosts.begin()
        number = ".".join(map(str, version(one, 0.0))) or "of unknown version"
    sites = ", ".join(f"site {idsite}" for idsite in hosts.sites) or "each host's own site"
    return Finding(f"{one.url} is a Matomo {number}; the token is good for {sites}")
