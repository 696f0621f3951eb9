"""An IIS log, built from Microsoft's field reference, since IIS itself runs on Windows alone.

What the reference and IIS's own files say, and is done here: times in UTC, time-taken in milliseconds, "-" for nothing,
a space written as "+", the stem decoded and in UTF-8, the query as it was sent, lines that end in CRLF, and the four
lines of the header again whenever the service starts or somebody changes the fields. What http.sys turns away before
it is a request (TLS bytes, broken request lines, time-outs) goes to another file, HTTPERR, and so is not here.
https://learn.microsoft.com/en-us/windows/win32/http/w3c-logging
"""

import random
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from . import website
from .request import Request, to_bytes

DEFAULT_FIELDS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip "
    "cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken"
)
# What the administrator of this server chose for the third day.
MORE_FIELDS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs-version "
    "cs(User-Agent) cs(Referer) cs-host sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken"
)
RESTARTED_AT = timedelta(days=1, hours=9, minutes=12, seconds=40)
CHANGED_AT = timedelta(days=2, hours=0, minutes=0, seconds=5)
HEADERS_SENT = 240


class Answer(NamedTuple):
    status: int
    substatus: int = 0
    win32: int = 0
    size: int = 1245


def log_bytes(requests: list[Request], day: datetime) -> bytes:
    chance = random.Random("iis")
    headers = [(day, DEFAULT_FIELDS), (day + RESTARTED_AT, DEFAULT_FIELDS), (day + CHANGED_AT, MORE_FIELDS)]
    lines: list[bytes] = []
    fields = DEFAULT_FIELDS
    for request in sorted(requests, key=lambda request: request.at):
        if request.raw is not None or request.method == "CONNECT":
            continue
        while headers and headers[0][0] <= request.at:
            since, fields = headers.pop(0)
            lines += _header(since, fields)
        values = _values(request, chance)
        lines.append(b" ".join(values[name] for name in fields.split()))
    return b"".join(line + b"\r\n" for line in lines)


def _header(since: datetime, fields: str) -> list[bytes]:
    text = f"#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: {since:%Y-%m-%d %H:%M:%S}"
    return [*text.encode().split(b"\n"), b"#Fields: " + fields.encode()]


def _values(request: Request, chance: random.Random) -> dict[str, bytes]:
    path, _, query = request.target.removeprefix("http://example.org").partition("?")
    stem = unquote_to_bytes(to_bytes(path))
    answer = _answer(request, stem.decode("utf-8", "surrogateescape"))
    milliseconds = chance.randint(0, 90) + answer.size // 40 + int(request.held * 1000)
    texts = {
        "date": f"{request.at:%Y-%m-%d}",
        "time": f"{request.at:%H:%M:%S}",
        "s-ip": "198.51.100.1" if "." in request.client else "2001:db8::1",
        "cs-method": request.method,
        "cs-uri-query": query,
        "s-port": "443",
        "cs-username": _user(request) if answer.status != 401 else "",
        "c-ip": request.client,
        "cs-version": request.protocol,
        "cs(User-Agent)": request.agent or "",
        "cs(Referer)": request.referrer,
        "cs-host": request.host,
        "sc-status": str(answer.status),
        "sc-substatus": str(answer.substatus),
        "sc-win32-status": str(answer.win32),
        "sc-bytes": str(answer.size + HEADERS_SENT),
        "cs-bytes": str(len(request.target) + len(request.agent or "") + len(request.referrer) + 120),
        "time-taken": str(milliseconds),
    }
    values = {name: _word(to_bytes(text)) for name, text in texts.items()}
    return {**values, "cs-uri-stem": _word(stem)}


def _word(value: bytes) -> bytes:
    """A field holds no blank and no control character: "+" stands for each."""
    return bytes(0x2B if byte <= 0x20 or byte == 0x7F else byte for byte in value) or b"-"


def _user(request: Request) -> str:
    return next(
        (user for user, password in website.USERS.items() if website.basic(user, password) in request.headers), ""
    )


def _answer(request: Request, path: str) -> Answer:
    """What IIS says: the codes are those of "HTTP status codes in IIS", win32 is Windows's own error number."""
    sent = dict(request.headers)
    size = website.FILES.get(path, website.FILES.get(path + "index.html", 0))
    if path in website.REDIRECTS:
        return Answer(website.REDIRECTS[path][0], size=160)
    if path.startswith(website.FORBIDDEN):
        return Answer(403, 14)
    if path.startswith(website.BROKEN):
        return Answer(500, 19, 13)
    if path.startswith(website.PASSWORD) and not _user(request):
        return Answer(401, 1, 1326) if "Authorization" in sent else Answer(401, 2, 5)
    if request.method not in ("GET", "HEAD", "POST"):
        return Answer(200, size=0) if request.method == "OPTIONS" else Answer(405)
    if not size:
        return Answer(404, 0, 2)
    if "If-Modified-Since" in sent:
        return Answer(304, size=0)
    if "Range" in sent:
        first, _, last = sent["Range"].removeprefix("bytes=").partition("-")
        if int(first) >= size:
            return Answer(416)
        return Answer(206, size=min(int(last or size), size - 1) - int(first) + 1)
    return Answer(200, size=0 if request.method == "HEAD" else size)
