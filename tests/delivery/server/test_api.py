"""Calls of the API: the token in a form, and a clear sentence for whatever does not work."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from log_importer.delivery.server import ApiRefused
from log_importer.model.errors import ServerRefused, ServerUnreachable
from log_importer.receiver import Receiver
from tests.delivery.server.common import TOKEN, to
from tests.fault_server import Told, serve, told_json


def test_the_api_gets_its_token_in_a_form_and_its_module_and_method_in_the_query_string() -> None:
    with serve(lambda _: told_json([1, 2])) as server, to(server) as one:
        assert one.api("SitesManager.getSitesIdWithWriteAccess", idSite="1&2") == [1, 2]
    (posted,) = server.posted
    assert posted.path == "/index.php?module=API&format=json&method=SitesManager.getSitesIdWithWriteAccess"
    assert posted.headers["Content-Type"] == "application/x-www-form-urlencoded"
    form = set(posted.body.decode().split("&"))
    assert form == {"filter_limit=-1", f"token_auth={TOKEN}", "idSite=1%262"}


def test_a_question_has_a_time_of_its_own_and_a_long_answer_is_read() -> None:
    visits = [{"idVisit": number, "more": "x" * 3000} for number in range(1000)]
    with serve(lambda _: told_json(visits)) as server, to(server) as one:
        assert one.asking(5.0)("Live.getLastVisitsDetails", idSite="1") == visits
        server.script = lambda _: Told(200, b"[]", delay=3.0)
        began = time.monotonic()
        with pytest.raises(ServerUnreachable, match=r"did not answer within 0\.2 s"):
            one.asking(0.2)("Live.getLastVisitsDetails", idSite="1")
        assert time.monotonic() - began < 2


def test_a_refused_token_is_told_in_json_as_by_the_receiver(
    receive: Callable[[Path], Receiver], tmp_path: Path
) -> None:
    with to(receive(tmp_path / "db").url) as one, pytest.raises(ApiRefused, match="Unable to authenticate"):
        one.api("SitesManager.getSiteFromId", idSite="1")


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
