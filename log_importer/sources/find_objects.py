"""What a URL on the command line names: an object, those that a pattern fits, or those of a folder."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from log_importer.model.errors import SourceError
from log_importer.sources.listed import Listed, listed
from log_importer.sources.remote_errors import is_without_bucket, told
from log_importer.sources.stores import store_of
from log_importer.sources.urls import of_web, scheme_of, shown, usual

_MAGIC = "*?["


def find_objects(argument: str, no_logs: Collection[str]) -> list[Listed]:
    """The objects by name; of a folder those that are not hidden and do not end in one of `no_logs`.

    What a listing tells is asked for once, not again for each. Raises `RemoteError`, and `SourceError` for a pattern
    or a folder without objects.
    """
    url = usual(argument)
    store, path = store_of(url)
    with told(scheme_of(url)):
        if of_web(url):
            return [listed(url, store.info(path))]
        if set(_MAGIC) & set(path):
            return _matching(url, store, path)
        if not url.endswith("/"):
            info = store.info(path)
            if info["type"] == "file":
                return [listed(url, info)]
        return _in_folder(url, store, path, no_logs)


def _matching(url: str, store: Any, pattern: str) -> list[Listed]:
    fixed = len(pattern[: min(pattern.index(one) for one in _MAGIC if one in pattern)].rpartition("/")[0])
    hidden = "/." in pattern[fixed:]  # as for files, only asked for by name
    found = [
        info for name, info in store.glob(pattern, detail=True).items()
        if info["type"] == "file" and not name.endswith("/") and (hidden or "/." not in name[fixed:])
    ]  # fmt: skip
    if found:
        return _all(url, found)
    try:
        return [listed(url, store.info(pattern))]  # "[" may be a part of its name
    except FileNotFoundError as error:
        if is_without_bucket(error):
            raise
        raise SourceError(
            f"{shown(url)}: no object matches.", "Check the pattern, and that the shell left it to us."
        ) from None


def _in_folder(url: str, store: Any, path: str, no_logs: Collection[str]) -> list[Listed]:
    found = []
    for info in store.ls(path, detail=True):
        name = info["name"].rpartition("/")[2]  # "" is what some tools leave to show that there is a folder
        ending = name[name.rfind(".") :].lower() if "." in name else ""
        if info["type"] == "file" and name and name[0] != "." and ending not in no_logs:
            found.append(info)
    if not found:
        raise SourceError(f"{shown(url)}: no log files lie in it.", "Name files, or a folder that has some.")
    return _all(url, found)


def _all(url: str, found: Iterable[Mapping[str, Any]]) -> list[Listed]:
    return [listed(_url(url, info["name"]), info) for info in sorted(found, key=lambda info: str(info["name"]))]


def _url(like: str, name: str) -> str:
    """The URL of what a store calls `name`, by one of the same store."""
    scheme, _, rest = like.partition("://")
    host = rest.partition("/")[0]
    if scheme == "hdfs":
        return f"{scheme}://{host}{name}"
    if "@" in host:  # container@account
        container, _, path = name.partition("/")
        return f"{scheme}://{container}@{host.partition('@')[2]}/{path}"
    return f"{scheme}://{name}"
