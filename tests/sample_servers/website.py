"""The small web site that all servers serve: its files, and what lies behind a password, a redirect or an error."""

import base64
import hashlib
import os
from pathlib import Path

HOSTS = ("example.org", "www.example.org", "shop.example.org")
LAST_MODIFIED = 1_769_904_000  # Sun, 01 Feb 2026 00:00:00 GMT, for the requests that are answered with 304
LAST_MODIFIED_TEXT = "Sun, 01 Feb 2026 00:00:00 GMT"

USERS = {"alice": "wonderland", "mary ann": "rabbit"}  # a space in a user name is legal, and hard on log readers
REDIRECTS = {"/old-shop": (301, "/products/"), "/login": (302, "/account/"), "/contact/send": (302, "/contact/")}
FORBIDDEN = "/private/"
BROKEN = "/cart/broken"
PASSWORD = "/account/"

FILES = {
    "/index.html": 5120,
    "/products/index.html": 7340,
    "/products/desk-lamp.html": 6011,
    "/products/floor-lamp.html": 5877,
    "/products/oak-desk.html": 6402,
    "/blog/index.html": 8215,
    "/blog/2026/03/spring-sale.html": 9120,
    "/blog/2026/02/how-we-make-lamps.html": 12044,
    "/blog/2026/02/light & colour.html": 4410,
    "/café/index.html": 3900,
    "/日本語.html": 2780,
    "/about.html": 3211,
    "/contact/index.html": 2904,
    "/search/index.html": 4870,
    "/account/index.html": 3377,
    "/account/orders.html": 4120,
    "/private/notes.html": 100,
    "/downloads/catalogue 2026.pdf": 24000,
    "/downloads/lamp-manual.pdf": 18000,
    "/downloads/drivers.zip": 31000,
    "/assets/site.css": 4033,
    "/assets/site.js": 9801,
    "/assets/logo.png": 2210,
    "/assets/text.woff2": 15080,
    "/favicon.ico": 1150,
    "/robots.txt": 68,
    "/sitemap.xml": 940,
}


def build(root: Path) -> None:
    """Writes the files, every one with the same time of last change, and the password file beside them."""
    for name, size in FILES.items():
        path = root / "html" / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        os.utime(path, (LAST_MODIFIED, LAST_MODIFIED))
    lines = [f"{user}:{{SHA}}{_sha1(password)}\n" for user, password in USERS.items()]
    (root / "users").write_text("".join(lines))
    for path in [root, *root.rglob("*")]:  # a server that root starts reads them as another user
        path.chmod(0o755 if path.is_dir() else 0o644)


def _sha1(password: str) -> str:
    # The one scheme that nginx and Apache both read without the system's crypt().
    return base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


def basic(user: str, password: str) -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
