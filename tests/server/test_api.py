"""Calls of the API: the token in a form, and a clear sentence for whatever does not work."""

import pytest

from log_importer.errors import ServerRefused, ServerUnreachable
from log_importer.server import ApiRefused
from tests.fault_server import Told, serve, told_json
from tests.server.common import TOKEN, to


def test_the_api_gets_its_token_in_a_form() -> None:
    with serve(lambda _: told_json([1, 2])) as server, to(server) as one:
        assert one.api("SitesManager.getSitesIdWithWriteAccess", idSite="1&2") == [1, 2]
    (posted,) = server.posted
    assert posted.path == "/index.php"
    assert posted.headers["Content-Type"] == "application/x-www-form-urlencoded"
    form = set(posted.body.decode().split("&"))
    assert {"module=API", "format=json", f"token_auth={TOKEN}", "idSite=1%262"} <= form


@pytest.mark.parametrize(
    ("told", "error", "words"),
    [
        (told_json({"result": "error", "message": "Nein\x1b[2J"}, 401), ApiRefused, r"status 401.*Nein\\\\u001b"),
        (told_json({"result": "error", "message": "Nein"}), ApiRefused, "status 200"),
        (told_json({"result": "error", "message": "SQLSTATE"}, 500), ServerUnreachable, "fails: status 500"),
        (Told(200, b"<html>"), ServerRefused, "did not answer as a Matomo does: status 200, '<html>'.*--url"),
        (Told(200, b""), ServerRefused, "status 200 and no text"),
        (Told(401, b"<html>"), ServerRefused, "wants a login"),
        (Told(407, b"<html>"), ServerRefused, "The proxy .* wants a login"),
        (Told(404, b"<html>"), ServerRefused, "did not answer as a Matomo does: status 404"),
        (Told(503, b"<html>"), ServerUnreachable, "fails: status 503"),
        (Told(302, headers={"Location": "/login"}), ServerRefused, "redirects to /login.*as --url"),
        (Told(200, b"[1]", length=9), ServerUnreachable, "broke in mid-reply"),
        (Told(reset=True), ServerUnreachable, "broke before its answer was complete.*--url"),
    ],
)  # fmt: skip
def test_the_api_says_what_where_and_what_to_do(told: Told, error: type[Exception], words: str) -> None:
    with serve(lambda _: told) as server, to(server) as one, pytest.raises(error, match=words) as caught:
        one.api("SitesManager.getSiteFromId")
    assert type(caught.value) is error
    assert TOKEN not in str(caught.value)
