"""What `--url` says: where the tracker and the API are, who logs in, which proxy lies on the way."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import requests

from log_importer.model.errors import UsageError
from log_importer.model.visible import visible

_ENDPOINT = "/piwik.php"  # every version has it, Piwik and Matomo alike
_FILES = ("matomo.php", "piwik.php", "index.php")


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address in parts; none of them that may be shown holds a secret."""

    base: str  # scheme, host and folder, without a trailing slash
    tracker: str
    auth: tuple[str, str] | None = field(default=None, repr=False)


def read_address(url: str, endpoint: str = "") -> Address:
    """The parts of `url`, with or without scheme, trailing slash, login, or the tracker's file. Raises `UsageError`."""
    full = url.strip() if "://" in url else f"http://{url.strip()}"
    try:
        parts = urlsplit(full)
        port = f":{parts.port}" if parts.port is not None else ""
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        path, _, file = parts.path.rstrip("/").rpartition("/")
        if file not in _FILES:
            path, file = parts.path.rstrip("/"), ""
        base = f"{parts.scheme}://{host}{port}{path}"
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise ValueError
        requests.Request("POST", base).prepare()  # it knows what is no host name
    except ValueError:
        # What follows the path may be a token and what precedes the host a password: neither is shown.
        shown = full.partition("?")[0].partition("#")[0]
        scheme, _, rest = shown.partition("://")
        shown = f"{scheme}://{rest.rpartition('@')[2]}"
        raise UsageError(
            f"--url {visible(shown)} is not the address of a server.", "Write https://matomo.example.org/."
        ) from None
    named = "" if file == "index.php" else file
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return Address(base, f"{base}/{(endpoint or named or _ENDPOINT).lstrip('/')}", auth)


def proxies_for(url: str) -> dict[str, str]:
    """The environment's proxies for `url`; none for this machine itself, where the embedded receiver listens."""
    return {} if _is_here(urlsplit(url).hostname or "") else dict(requests.utils.get_environ_proxies(url))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
