"""Ordinary days on the site: visits of people, rounds of robots, downloads. Random, yet the same for the same seed."""

import random
from datetime import datetime, timedelta

from . import people, website
from .request import Request

PAGES = (
    "/",
    "/products/",
    "/products/desk-lamp.html",
    "/products/floor-lamp.html?colour=green&size=L",
    "/products/oak-desk.html",
    "/products/?page=2",
    "/blog/",
    "/blog/2026/03/spring-sale.html",
    "/blog/2026/02/how-we-make-lamps.html",
    "/blog/2026/02/light%20&%20colour.html",
    "/caf%C3%A9/",
    "/about.html",
    "/contact/",
    "/search/?q=lamp",
    "/search/?q=standing+desk&category=desks",
    "/search/?q=caf%C3%A9%20table",
)
ASSETS = ("/assets/site.css", "/assets/site.js", "/assets/logo.png", "/assets/text.woff2", "/favicon.ico")
CACHED = (("If-Modified-Since", website.LAST_MODIFIED_TEXT),)
FIRST_ADDRESS = 10


class Traffic:
    """Collects the requests of one log. `day` is the first of three days; times are UTC."""

    def __init__(self, seed: str, day: datetime, hosts: tuple[str, ...], visits: int) -> None:
        self.chance = random.Random(seed)
        self.day = day
        self.hosts = hosts
        self.requests: list[Request] = []
        self._addresses = 0
        for number in range(visits):
            browser = list(people.BROWSERS.values())[number % len(people.BROWSERS)]
            start = self.time(number % 3, self.chance.randint(7, 21), self.chance.randint(0, 45))
            self.visit(start, browser, pages=self.chance.randint(2, 5))
        self._visits_with_a_point()
        self._robots()
        self._downloads()

    def time(self, day: int, hour: int, minute: int, second: int = 0) -> datetime:
        return self.day + timedelta(days=day, hours=hour, minutes=minute, seconds=second)

    def address(self) -> str:
        number = self._addresses
        self._addresses += 1
        return people.NETWORKS[number % len(people.NETWORKS)].format(FIRST_ADDRESS + number)

    def visit(self, at: datetime, agent: str, pages: int, entry: str | None = None, client: str | None = None) -> str:
        """A person who comes from somewhere, loads a page with its assets, and walks on from page to page."""
        client = client or self.address()
        host = self.chance.choice(self.hosts)
        scheme = "https" if "shop" in host else "http"
        protocol = "HTTP/2.0" if "Chrome" in agent else "HTTP/1.1"
        first = Request(at, client, agent, host=host, protocol=protocol)
        referrer = self.chance.choice(people.REFERRERS)
        entries = PAGES + people.CAMPAIGNS
        target = entry or self.chance.choice(entries)
        for step in range(pages):
            self.requests.append(first._replace(at=at, target=target, referrer=referrer))
            page = f"{scheme}://{host}{target}"
            loaded = ASSETS[: self.chance.randint(1, 4)] if step == 0 else ASSETS[:1]
            for number, asset in enumerate(loaded, 1):
                known = CACHED if step else ()
                later = at + timedelta(seconds=number)
                self.requests.append(first._replace(at=later, target=asset, referrer=page, headers=known))
            referrer, target = page, self.chance.choice(PAGES)
            at += timedelta(seconds=self.chance.randint(12, 240))
        return client

    def _visits_with_a_point(self) -> None:
        browsers = people.BROWSERS
        # Back after 29 minutes: still the same visit; after 31 more: a second one.
        client = self.visit(self.time(0, 9, 0), browsers["firefox"], 1, "/products/")
        self.visit(self.time(0, 9, 29), browsers["firefox"], 1, "/products/desk-lamp.html", client)
        self.visit(self.time(0, 10, 0, 30), browsers["firefox"], 1, "/contact/", client)
        # Across midnight.
        client = self.visit(self.time(0, 23, 54), browsers["iphone"], 2, people.CAMPAIGNS[0])
        self.visit(self.time(1, 0, 1), browsers["iphone"], 2, "/blog/", client)
        # Two people behind one address.
        client = self.visit(self.time(1, 14, 0), browsers["edge"], 2)
        self.visit(self.time(1, 14, 0, 20), browsers["safari"], 2, "/about.html", client)
        self._customer(self.time(2, 11, 0))

    def _customer(self, at: datetime) -> None:
        """Asked for a password, gives a wrong one, then the right one; and a user whose name holds a space."""
        visitor = Request(at, self.address(), people.BROWSERS["firefox-windows"], host=self.hosts[-1])
        account = visitor._replace(target=website.PASSWORD)
        attempts: tuple[tuple[tuple[str, str], ...], ...] = (
            (),
            (website.basic("alice", "guess"),),
            (website.basic("alice", website.USERS["alice"]),),
        )
        for number, headers in enumerate(attempts):
            self.requests.append(account._replace(at=at + timedelta(seconds=8 * number), headers=headers))
        orders = account._replace(target="/account/orders.html?year=2026", headers=attempts[-1])
        self.requests.append(orders._replace(at=at + timedelta(seconds=40)))
        spaced = (website.basic("mary ann", website.USERS["mary ann"]),)
        self.requests.append(orders._replace(at=at + timedelta(minutes=9), client=self.address(), headers=spaced))

    def _robots(self) -> None:
        for number, agent in enumerate(people.ROBOTS.values()):
            client, host = self.address(), self.chance.choice(self.hosts)
            for step, target in enumerate(("/robots.txt", *self.chance.sample(PAGES, 3))):
                at = self.time(number % 3, 3 + number, 7 * step, 11)
                self.requests.append(Request(at, client, agent, target, host=host))
        assistant = Request(self.time(1, 16, 5), self.address(), people.ASSISTANT, host=self.hosts[0])
        for step, target in enumerate(("/products/desk-lamp.html", "/search/?q=lamp", "/about.html")):
            at = assistant.at + timedelta(seconds=3 * step)
            self.requests.append(assistant._replace(at=at, target=target))
        curl = Request(self.time(2, 6, 0), self.address(), people.LIBRARIES["curl"], "/sitemap.xml", host=self.hosts[0])
        script = curl._replace(at=self.time(2, 6, 1), client=self.address(), agent=people.LIBRARIES["requests"])
        self.requests += [curl, curl._replace(at=self.time(2, 6, 0, 30), target="/", method="HEAD"), script]

    def _downloads(self) -> None:
        host = self.hosts[-1]
        whole = Request(self.time(0, 15, 0), self.address(), people.BROWSERS["chrome"], host=host)
        whole = whole._replace(target="/downloads/catalogue%202026.pdf", referrer=f"http://{host}/products/")
        self.requests.append(whole)
        # A reader that fetches one file in pieces: one download, three lines, one of them for a range out of reach.
        pieces = whole._replace(client=self.address(), agent=people.BROWSERS["android"])
        for number, wanted in enumerate(("0-7999", "8000-15999", "16000-", "99999-")):
            at = self.time(1, 10, 30, 2 * number)
            piece = pieces._replace(at=at, target="/downloads/lamp-manual.pdf", headers=(("Range", f"bytes={wanted}"),))
            self.requests.append(piece)
        self.requests.append(pieces._replace(at=self.time(1, 10, 33), target="/downloads/drivers.zip"))
