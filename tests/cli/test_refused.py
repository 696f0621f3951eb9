"""What will not mend itself ends the run before anything is sent: exit code 4, and one sentence with cause and cure."""

from pathlib import Path

import pytest

from tests.conftest import TOKENS, Run
from tests.delivery.sites.test_check import HTML, INVALID, NO_SITE, NO_TOKEN, NO_VIEW, matomo, tracker
from tests.fault_server import Script, Told, serve
from tests.oracle import lines

REFUSALS: dict[str, tuple[Script, list[str]]] = {
    "wrong token": (
        tracker(INVALID, matomo(NO_TOKEN, version=NO_TOKEN)), ["does not accept the token", "Copy it again"],
    ),
    "token that may only look": (tracker(INVALID, matomo(write=[])), ["not import into it", "write or admin access"]),
    "token without write rights on the site": (tracker(INVALID, matomo(write=[2])), ["not import into it"]),
    "token for no site": (tracker(INVALID, matomo(NO_VIEW)), ["has no access to site 1", "give the token's user"]),
    "token for secure requests only": (tracker(INVALID, matomo()), ["secure requests only", "without the tick"]),
    "address that redirects": (
        lambda _: Told(301, headers={"Location": "https://other.example/"}),
        ["redirects to https://other.example/", "--url"],
    ),
    "wrong path": (lambda _: Told(404, HTML), ["404", "--url"]),
    "page instead of an answer": (lambda _: Told(200, HTML), ["'<!doctype html>", "Check --url"]),
    "site that there is not": (tracker(INVALID, matomo(NO_SITE)), ["has no site 1", "--idsite"]),
    "tracking switched off": (
        tracker(Told(200, b'{"status":"success","tracked":0,"invalid":0}'), matomo()),
        ["tracking is switched off", "record_statistics=1"],
    ),
    "web server that wants a login": (lambda _: Told(401, HTML), ["login"]),
    "web server that forbids": (lambda _: Told(403, HTML), ["403"]),
}  # fmt: skip


@pytest.mark.parametrize("by_host", [False, True], ids=["one site", "by host"])
@pytest.mark.parametrize("what", REFUSALS)
def test_a_server_that_refuses_is_named_with_the_cure(what: str, by_host: bool, run: Run, tmp_path: Path) -> None:
    script, words = REFUSALS[what]
    (tmp_path / "a.log").write_bytes(lines(range(20)))
    with serve(script) as server:
        site = ("--site", "www.example.org=1", "--log-hostname", "www.example.org") if by_host else ("--idsite", 1)
        options = ("--url", server.url, *site, "--state-dir", "state", "--give-up-after", 2)
        done = run("import", *options, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)
        assert server.bulk == [], "no hit was sent"
    assert done.code == 4, done
    (sentence,) = done.err.splitlines()
    for word in words:
        assert word in sentence
    assert TOKENS.admin not in done.out + done.err
