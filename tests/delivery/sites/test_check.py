"""The check before the first batch: what fails is named with its cure, and nothing is sent before it is mended."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from log_importer.delivery.server import Server
from log_importer.delivery.sites import NoSuchSite, check, main_url
from log_importer.model import Site
from log_importer.model.errors import LogImporterError, ServerRefused, ServerUnreachable
from log_importer.receiver import Receiver
from tests.conftest import TOKENS
from tests.delivery.server.common import closed_port
from tests.fault_server import Posted, Script, Told, counted, good, in_turn, serve, told_json

NOW = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
HTML = b"<!doctype html><title>Welcome</title>"
NOTICE = b"This resource is part of Matomo. Keep full statistics of your site"


@contextmanager
def to(url: str, token: str = TOKENS.admin) -> Iterator[Server]:
    server = Server(url, token)
    yield server
    server.close()


def checked(url: str, token: str = TOKENS.admin, idsite: int = 1, patience: float = 0.0) -> LogImporterError | None:
    found = None
    with to(url, token) as server:
        try:
            check(server, [idsite], NOW, patience)
        except LogImporterError as error:
            found = error
    assert token not in str(found)
    return found


def says(error: LogImporterError | None, kind: type[LogImporterError], *words: str) -> None:
    assert isinstance(error, kind), error
    for word in words:
        assert word in str(error), str(error)
    assert str(error).isprintable()
    assert error is not None
    assert error.hint


def tracker(bulk: Told | Script, api: Callable[[str], Told]) -> Script:
    """A script that answers bulk posts with `bulk` and calls of the API by their method."""

    def script(posted: Posted) -> Told:
        if posted.path.startswith("/index.php"):
            return api(posted.call["method"])
        return bulk if isinstance(bulk, Told) else bulk(posted)

    return script


def matomo(site: Told | None = None, write: object = (1,), version: Told | None = None) -> Callable[[str], Told]:
    """A Matomo's API; by default the token is good and may write to site 1."""
    answers = {
        "SitesManager.getSiteFromId": site or told_json({"idsite": 1, "main_url": "http://site.example"}),
        "SitesManager.getSitesIdWithWriteAccess": told_json(write),
        "SitesManager.getSitesIdWithAdminAccess": told_json([]),
        "API.getMatomoVersion": version or told_json({"value": "5.2.0"}),
    }
    return lambda method: answers[method]


NO_TOKEN = told_json({"result": "error", "message": "Das Token ist ung\u00fcltig."}, 401)
NO_VIEW = told_json({"result": "error", "message": "Kein Zugriff."}, 401)
NO_SITE = told_json({"result": "error", "message": "Eine unerwartete Website."})
INVALID = counted(0, 1)


def test_a_good_server_gets_one_ping_a_site() -> None:
    with serve() as server, to(server.url) as one:
        check(one, [1, 2], NOW)
        assert [posted.queries for posted in server.posted] == [
            [f"?idsite={idsite}&rec=1&ping=1&cip=192.0.2.1&cdt=2023-10-15+22%3A13%3A20"] for idsite in (1, 2)
        ]


@pytest.mark.parametrize("token", [TOKENS.superuser, TOKENS.admin, TOKENS.write])
def test_the_receiver_takes_tokens_that_may_write(
    receive: Callable[[Path], Receiver], tmp_path: Path, token: str
) -> None:
    assert checked(receive(tmp_path / "db").url, token) is None


def test_the_receiver_refuses_others_and_each_is_named(receive: Callable[[Path], Receiver], tmp_path: Path) -> None:
    url = receive(tmp_path / "db").url
    says(checked(url, "f" * 32), ServerRefused, "does not accept the token")
    says(checked(url, TOKENS.view), ServerRefused, "may look at site 1 but not import into it")
    says(checked(url, TOKENS.superuser, idsite=99), NoSuchSite, "has no site 99", "--idsite")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (lambda _: Told(404, HTML), ["There is no tracker at http://127", "/piwik.php (status 404)", "--tracker-end"]),
        (lambda _: Told(301, headers={"Location": "https://other.example/\x9b"}),
         ["redirects to https://other.example/\\x9b (status 301)", "as --url"]),
        (lambda _: Told(200, HTML), ["did not answer as a tracker does: status 200, '<!doctype html>", "Check --url"]),
        (lambda _: Told(200, b"\x1b[2J"), ["status 200, '\\\\x1b[2J'"]),
        (lambda _: Told(204), ["status 204 and no text"]),
        (lambda _: Told(405, HTML), ["did not answer as a tracker does: status 405"]),
        (lambda _: Told(400, NOTICE), ["takes no bulk requests (status 400", "BulkTracking"]),
        (lambda _: Told(200, NOTICE), ["takes no bulk requests (status 200", "BulkTracking"]),
        (lambda _: Told(400, b"The plain HTTP request was sent to HTTPS port"), ["speaks TLS", "https://"]),
        (lambda _: Told(401, HTML), ["The web server wants a login", "user:password@"]),
        (lambda _: Told(403, HTML), ["The web server forbids posts", "status 403"]),
        (lambda _: Told(407, HTML), ["The proxy", "wants a login", "HTTPS_PROXY"]),
        (lambda _: counted(0), ["tracking is switched off", "record_statistics=1"]),
        (tracker(INVALID, matomo(NO_TOKEN, version=NO_TOKEN)), ["does not accept the token", "ungültig", "Copy it"]),
        (tracker(INVALID, matomo(NO_VIEW)), ["The token has no access to site 1", "Kein Zugriff"]),
        (tracker(INVALID, matomo(NO_SITE)), ["has no site 1", "unerwartete", "--idsite"]),
        (tracker(INVALID, matomo(write=[2])), ["may look at site 1 but not import into it", "write or admin"]),
        (tracker(INVALID, matomo(write=[])), ["may look at site 1 but not import into it"]),
        (tracker(INVALID, matomo(write={"result": "error"})), ["may look at site 1 but not import into it"]),
        (tracker(INVALID, matomo(write=["1"])), ["The token is good", "secure requests only", "Only allow secure"]),
        (tracker(told_json({"status": "error", "tracked": 0, "invalid": 0}, 500), matomo(NO_TOKEN, version=NO_TOKEN)),
         ["does not accept the token"]),
        (tracker(told_json({"status": "error", "tracked": 0, "invalid": 0}, 400), matomo(NO_SITE)), ["has no site 1"]),
    ],
)  # fmt: skip
def test_what_will_not_mend_itself_is_refused_at_once_with_its_cure(script: Script, words: list[str]) -> None:
    with serve(script) as server:
        began = time.monotonic()
        says(checked(server.url, patience=20.0), ServerRefused, *words)
        assert time.monotonic() - began < 5
        assert server.bulk == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (lambda _: Told(503, b"down for maintenance"), ["fails: status 503, 'down for maintenance'"]),
        (lambda _: Told(502, HTML), ["status 502"]),
        (lambda _: Told(500, HTML), ["status 500"]),
        (lambda _: Told(429), ["status 429"]),
        (lambda _: Told(reset=True), ["broke before its answer was complete"]),
        (lambda _: Told(200, b"{", length=99), ["broke in mid-reply"]),
        (tracker(told_json({"status": "error", "tracked": 0, "invalid": 0}, 500), matomo()), ["The tracker", "fails"]),
        (tracker(INVALID, matomo(told_json({"result": "error", "message": "SQLSTATE"}, 500))), ["/index.php fails"]),
    ],
)
def test_what_may_mend_itself_is_unreachable(script: Script, words: list[str]) -> None:
    with serve(script) as server:
        says(checked(server.url), ServerUnreachable, *words)


def test_nobody_listens() -> None:
    says(checked(closed_port()), ServerUnreachable, "takes no connection: connection refused.", "Check --url")


def test_a_server_that_comes_up_in_time_is_waited_for() -> None:
    waited: list[float] = []
    with serve(in_turn(Told(503), Told(502), Told(reset=True), good)) as server, to(server.url) as one:
        check(one, [1], NOW, 60.0, lambda seconds, _: waited.append(seconds))
        assert len(server.posted) == 4
    assert waited == [1.0, 2.0, 4.0]


def test_patience_ends() -> None:
    with serve(lambda _: Told(503)) as server:
        began = time.monotonic()
        says(checked(server.url, patience=0.3), ServerUnreachable)
        assert 0.3 <= time.monotonic() - began < 2
        assert len(server.posted) == 2


def test_waiting_ends_when_the_run_does() -> None:
    over = threading.Event()
    over.set()
    with serve(lambda _: Told(503)) as server, to(server.url) as one:
        with pytest.raises(ServerUnreachable):
            check(one, [1], NOW, 60.0, lambda seconds, _: over.wait(seconds))
        assert len(server.posted) == 1


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ("http://site.example", "http://site.example"),
        ("https://Site.example:8443/", "https://Site.example:8443"),
        ("https://site.example/shop/index.html?x=1", "https://site.example"),
        ("site.example/", "http://site.example"),
        ("//site.example", "http://site.example"),
        ("http://[2001:db8::1]:80/", "http://[2001:db8::1]:80"),
    ],
)
def test_the_main_url_is_scheme_and_host(told: str, url: str) -> None:
    for found in ({"idsite": "3", "main_url": told}, [{"idsite": "3", "main_url": told}]):
        with serve(lambda _, found=found: told_json(found)) as server, to(server.url) as one:  # type: ignore[misc]
            assert main_url(one, 3) == Site(3, url)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (tracker(INVALID, matomo(NO_TOKEN, version=NO_TOKEN)), "does not accept the token for site 3"),
        (tracker(INVALID, matomo(NO_VIEW)), "has no access to site 3"),
        (tracker(INVALID, matomo(NO_SITE)), "has no site 3"),
        (tracker(INVALID, matomo(told_json([]))), "has no site 3"),
        (tracker(INVALID, matomo(told_json({"idsite": 3}))), "has no site 3"),
        (lambda _: Told(200, HTML), "/index.php did not answer as a Matomo does"),
    ],
)
def test_a_site_that_cannot_be_asked_for_is_refused(script: Script, words: str) -> None:
    with serve(script) as server, to(server.url) as one, pytest.raises(ServerRefused, match=words):
        main_url(one, 3)


def test_the_main_url_is_waited_for() -> None:
    with serve(in_turn(Told(503), good)) as server, to(server.url) as one:
        assert main_url(one, 1, 60.0, lambda *_: None) == Site(1, "http://site.example")
