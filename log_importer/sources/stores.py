"""URL -> the file system of fsspec that reaches it. Only here is fsspec imported, and only when a URL is read."""

import logging
from typing import Any

from log_importer.sources.remote_errors import told
from log_importer.sources.unreadable import RemoteError
from log_importer.sources.urls import of_web, scheme_of, usual

_NEEDED = {"hdfs": "pyarrow"}
"""What reads a scheme, where that is not among the extra's."""
_TALKERS = ("fsspec", "s3fs", "gcsfs", "adlfs", "aiobotocore", "botocore", "azure", "google", "asyncio")
_CONNECT = 30.0
"""Seconds for a connection to a web server."""
_SILENT = 60.0
"""Seconds in which a web server has to send more; how long a whole object takes is its own affair."""


def store_of(url: str) -> tuple[Any, str]:
    """The store that has `url`, and its path there. Credentials are the store's own. Raises `RemoteError`."""
    scheme, address = scheme_of(url), usual(url)
    with told(scheme):
        try:
            import fsspec  # type: ignore[import-untyped]

            kind = fsspec.get_filesystem_class(scheme)
            options = kind._get_kwargs_from_urls(address) | (_of_web() if of_web(url) else {})
            # Of listings that are kept, an object that was replaced since would be taken for what it was.
            store = kind(**options, use_listings_cache=False)
        except ImportError:
            package = _NEEDED.get(scheme, "'log-importer[remote]'")
            raise RemoteError(
                f"{scheme}:// takes packages that are not installed", f"Install them: pip install {package}"
            ) from None
        for name in _TALKERS:  # what they log without being asked would stand between our sentences
            logging.getLogger(name).addHandler(logging.NullHandler())
        return store, kind._strip_protocol(address)


def _of_web() -> dict[str, Any]:
    """Bytes as they lie there, also of a log that a web server calls encoded by gzip; proxies of the environment."""
    import aiohttp
    from fsspec.config import conf  # type: ignore[import-untyped]

    given = {**conf.get("http", {}).get("client_kwargs", {}), **conf.get("https", {}).get("client_kwargs", {})}
    ours = {
        "auto_decompress": False,
        "trust_env": True,
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENT),
    }
    return {"client_kwargs": {**ours, **given, "headers": {"Accept-Encoding": "identity", **given.get("headers", {})}}}
