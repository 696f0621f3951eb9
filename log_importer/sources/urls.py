"""URLs of objects: which schemes there are, and how one is shown without what is secret in it."""

import re
from urllib.parse import parse_qsl, urlsplit

SCHEMES = {
    "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az", "hdfs": "hdfs",
    "https": "https", "http": "http",
}  # fmt: skip
"""Scheme -> the one that it is another name of."""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SIGNED = re.compile(
    r"x-(amz|goog|oss|obs)-|.*(sig$|signature|token|secret|passw|pwd|credential|api-?_?key|accesskey|access_?id)|(token_)?auth(orization)?$",
    re.IGNORECASE,
)
_OF_SIGNATURE = frozenset("sv ss srt sr st se sp sip spr skoid sktid skt ske sks skv saoid suoid scid sdd ses".split())
"""What Azure signs beside `sig`; other people's parameters may have these names."""
_OF_POLICY = frozenset(["expires", "policy", "key-pair-id", "hash-algorithm"])
"""What Amazon and Google sign beside `Signature`."""


def scheme_of(text: str) -> str:
    """The scheme of a URL, as we call it; "" where `text` is none, or of a scheme that we do not read."""
    found = _URL.match(text)
    return SCHEMES.get(found[1].lower(), "") if found else ""


def unknown_scheme(text: str) -> str:
    """The scheme of a URL that we do not read; "" where `text` is none such."""
    found = _URL.match(text)
    return found[1] if found and found[1].lower() not in SCHEMES else ""


def of_web(url: str) -> bool:
    """Whether a web server has it, which has no listings: a URL is one file, and "?" in it begins its query."""
    return scheme_of(url) in ("http", "https")


def usual(url: str) -> str:
    """The URL with the usual name of its scheme, so that an object has one name."""
    scheme, _, rest = url.partition("://")
    return f"{scheme_of(url) or scheme}://{rest}"


def shown(url: str) -> str:
    """The URL without a password and the signature that lets its holder read it: fit for messages and the ledger.

    What is no URL is given back.
    """
    if not _URL.match(url):
        return url
    scheme, _, rest = usual(url).partition("://")
    host, slash, path = rest.partition("/")
    user, _, behind = host.rpartition("@")
    if of_web(url) or ":" in user:
        host = behind
    if not of_web(url):
        return f"{scheme}://{host}{slash}{path}"
    path, question, query = (slash + path).partition("?")
    pairs = [pair for pair in query.partition("#")[0].split("&") if pair]
    names = {name.lower() for name, _ in parse_qsl(urlsplit(f"?{query}").query, keep_blank_values=True)}
    hidden = (_OF_SIGNATURE if "sig" in names else frozenset()) | (_OF_POLICY if "signature" in names else frozenset())
    kept = [pair for pair in pairs if not _secret(pair.partition("=")[0], hidden)]
    return f"{scheme}://{host}{path}{question if kept else ''}{'&'.join(kept)}"


def _secret(name: str, hidden: frozenset[str]) -> bool:
    return name.lower() in hidden or _SIGNED.match(name) is not None
