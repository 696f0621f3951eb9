"""Text -> what may stand in a query string, so that PHP reads back the same bytes."""

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

MAX_URL = 1024
"""Characters of a page's address that Matomo keeps."""

_STANDS = "/(),"
"""What RFC 3986 lets stand in a query and PHP reads as itself: with the blank, bodies are a seventh shorter.

Not the colon: early versions of PHP 5 take it and digits behind it for a port. Nor what separates or quotes somewhere.
"""
_PLAIN = re.compile(rf"[A-Za-z0-9_.~{re.escape(_STANDS)}-]*").fullmatch
_ASCII = [chr(code) if _PLAIN(chr(code)) else f"%{code:02X}" for code in range(128)]  # a list is the fastest table
_ASCII[ord(" ")] = "+"
_NEARLY = re.compile(rf"[A-Za-z0-9_.~{re.escape(_STANDS)}:; -]*").fullmatch  # as are most user agents and addresses
_ESCAPES_AT_END = re.compile(r"(?:%[0-9A-Fa-f]{2}){1,4}$")


def percent(text: str) -> str:
    """`text` as UTF-8, everything but letters, digits and `_.~-/(),` percent-encoded; stray bytes stay themselves.

    A blank is a `+`, as in a form.
    """
    if _PLAIN(text):
        return text
    if _NEARLY(text):
        return text.replace(":", "%3A").replace(";", "%3B").replace(" ", "+")
    if text.isascii():
        return text.translate(_ASCII)
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, as JSON text can hold it, is no character
        raw = text.encode("utf-8", "replace")
    return quote_from_bytes(raw, safe=_STANDS + " ").replace(" ", "+")


def cut_url(url: str) -> str:
    """The first 1,024 characters of `url`, not ending inside an escape or an escaped character."""
    cut = url[:MAX_URL]
    cut = re.sub(r"%[0-9A-Fa-f]?$", "", cut)
    match = _ESCAPES_AT_END.search(cut)
    if match:
        try:
            unquote_to_bytes(match[0]).decode("utf-8")
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":
                cut = cut[: match.start() + 3 * error.start]
    return cut
