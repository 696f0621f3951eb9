"""What happens in the sample logs: three days of visitors, browsers, bots and oddities, as raw HTTP requests."""

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

DAYS = ("2026-03-01", "2026-03-02", "2026-03-03")

_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.2"
CHROME = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KHTML} Chrome/145.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
SAFARI = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Safari/605.1.15"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) {_WEBKIT} Mobile/15E148 Safari/604.1"
ANDROID = f"Mozilla/5.0 (Linux; Android 16; Pixel 10) {_KHTML} Chrome/145.0.0.0 Mobile Safari/537.36"
EDGE = f"{CHROME} Edg/145.0.0.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
BINGBOT = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
GPTBOT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)"
CLAUDEBOT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)"
CHATGPT_USER = (
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0; +https://openai.com/bot)"
)

WWW, SHOP = "www.example.org", "shop.example.org"
ASSETS = ("/css/site.css", "/app.js", "/logo.png", "/font.woff2", "/favicon.ico")


class Visit(NamedTuple):
    """One request: when, and the bytes on the wire."""

    at: str  # YYYY-MM-DD HH:MM:SS, UTC
    raw: bytes


class Person(NamedTuple):
    """Who asks."""

    address: str
    agent: str | bytes | None


ANNA = Person("192.0.2.17", CHROME)
BEN = Person("198.51.100.23", FIREFOX)
CHLOE = Person("203.0.113.5", SAFARI)
DAN = Person("2001:db8::7", IPHONE)
EVE = Person("198.51.100.77", ANDROID)
FAY = Person("2001:db8:0:1::42", EDGE)


def story() -> Iterator[list[Visit]]:
    """The requests of each day, in order of time."""
    for number, day in enumerate(DAYS):
        midnight = datetime.fromisoformat(day)
        requests = sorted([*_people(number), *_machines(number), *_oddities(number)], key=lambda entry: entry[0])
        yield [
            Visit((midnight + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S"), raw) for second, raw in requests
        ]


def request(
    who: Person,
    target: str | bytes,
    *,
    method: str = "GET",
    host: str = WWW,
    referrer: str | bytes = "",
    extra: str = "",
) -> bytes:
    """The bytes of one request, after which the server closes the connection."""
    head = [method.encode(), b" ", _raw(target), b" HTTP/1.1\r\nHost: ", host.encode(), b"\r\n"]
    head += [b"X-Forwarded-For: ", who.address.encode(), b"\r\nConnection: close\r\n"]
    if who.agent is not None:
        head += [b"User-Agent: ", _raw(who.agent), b"\r\n"]
    if referrer:
        head += [b"Referer: ", _raw(referrer), b"\r\n"]
    return b"".join([*head, extra.encode(), b"\r\n"])


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


Entry = tuple[int, bytes]


def _page(second: int, who: Person, target: str, referrer: str = "", host: str = WWW) -> Iterator[Entry]:
    """A page and the files that a browser asks for with it."""
    yield second, request(who, target, referrer=referrer, host=host)
    for asset in ASSETS:
        yield second + 1, request(who, asset, referrer=f"https://{host}{target}", host=host)


def _people(day: int) -> Iterator[Entry]:
    hour = 3600
    yield from _page(8 * hour + 60 * day, ANNA, "/", "https://www.google.com/")
    yield 8 * hour + 95, request(ANNA, "/docs/install.html", referrer=f"https://{WWW}/")
    yield 8 * hour + 140, request(ANNA, "/docs/manual.pdf", referrer=f"https://{WWW}/docs/install.html")
    yield 8 * hour + 200, request(ANNA, "/search?q=import+logs&page=2", referrer=f"https://{WWW}/")
    yield 9 * hour + 200, request(ANNA, "/docs/faq.html")  # more than half an hour later: another visit
    yield from _page(10 * hour, BEN, "/?utm_campaign=spring&utm_source=newsletter", "https://news.example.net/issue/7")
    yield 10 * hour + 30, request(BEN, "/shop.html", host=SHOP, referrer=f"https://{WWW}/")
    yield 10 * hour + 80, request(BEN, "/setup.zip", referrer=f"https://{WWW}/")
    yield from _page(13 * hour, CHLOE, "/docs/faq.html", "https://www.facebook.com/")
    yield 13 * hour + 20, request(CHLOE, "/caf%C3%A9.html", referrer=f"https://{WWW}/docs/faq.html")
    yield 13 * hour + 50, request(CHLOE, "/", extra="If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n")
    yield from _page(15 * hour, DAN, "/shop.html", "https://duckduckgo.com/", host=SHOP)
    yield 15 * hour + 40, request(DAN, "/login", method="POST", host=SHOP, extra="Content-Length: 0\r\n")
    yield 18 * hour, request(EVE, "/old", referrer="https://t.co/abc")
    yield 18 * hour + 1, request(EVE, "/docs/install.html", referrer="https://t.co/abc")
    yield 18 * hour + 33, request(EVE, f"/missing-{day}.html", referrer=f"https://{WWW}/docs/install.html")
    secret = base64.b64encode(b"anna:1").decode()
    yield 19 * hour, request(FAY, "/secret/a.html", extra=f"Authorization: Basic {secret}\r\n")
    yield 19 * hour + 5, request(FAY, "/data.csv", referrer=f"https://{WWW}/secret/a.html")
    for part in range(3):  # one download in three ranges
        span = f"Range: bytes={part * 9000}-{part * 9000 + 8999}\r\n"
        yield 20 * hour + part, request(FAY, "/docs/manual.pdf", extra=span)
    if day < 2:
        yield 23 * hour + 3550, request(BEN, "/docs/install.html")  # goes on after midnight
    if day > 0:
        yield 45, request(BEN, "/docs/faq.html", referrer=f"https://{WWW}/docs/install.html")


def _machines(day: int) -> Iterator[Entry]:
    agents = (GOOGLEBOT, BINGBOT, GPTBOT, CLAUDEBOT, CHATGPT_USER, "curl/8.18.0", "python-requests/2.33.0")
    for number, agent in enumerate(agents):
        robot = Person(f"203.0.113.{100 + number}", agent)
        yield 4000 + 700 * number, request(robot, "/robots.txt")
        yield 4005 + 700 * number + day, request(robot, "/" if number % 2 else "/docs/faq.html")
    probe = Person("192.0.2.250", "ELB-HealthChecker/2.0")
    yield 30000, request(probe, "/", method="HEAD")
    yield 30060, request(probe, "*", method="OPTIONS")


def _oddities(day: int) -> Iterator[Entry]:
    odd = Person("198.51.100.200", FIREFOX)
    start = 50000
    yield start, request(Person(odd.address, None), "/")
    yield start + 1, request(Person(odd.address, 'say "hi" \\ twice'), "/docs/faq.html")
    yield (
        start + 2,
        request(Person(odd.address, "Browser größe 日本".encode()), "/", referrer="https://example.net/é?q=ü"),
    )
    yield start + 3, request(Person(odd.address, b"latin \xe9\xff"), "/")
    yield start + 4, request(odd, '/search?q="quoted"&x=a\\b')
    yield start + 5, request(odd, "/caf\u00e9.html".encode())
    yield start + 6, request(odd, f"/search?q={'long+' * 300}")
    yield start + 7, request(odd, "/private/x")
    yield start + 8, request(odd, "/broken")
    yield start + 9, request(odd, "/index.html", method="PROPFIND")
    if day == 1:
        yield start + 20, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xe2\x98\x83\r\n\r\n"  # TLS on a plain port
        yield start + 21, b"GET / HTTP/1.1\r\n"  # never goes on: times out, or is closed
        yield start + 22, b"quit\r\n\r\n"
        yield start + 23, request(odd, "http://elsewhere.example.com/proxied")
