"""What is posted, and over which connections."""

from log_importer.tracking.bulk import body
from tests.delivery.server.common import QUERY, TOKEN, post, to
from tests.fault_server import Told, counted, serve


def test_a_post_is_a_bulk_request_with_the_token_in_its_body_alone() -> None:
    with serve() as server:
        answer = post(server)
    (posted,) = server.posted
    assert (answer.status, answer.body, answer.error) == (200, b'{"status":"success","tracked":1,"invalid":0}', "")
    assert posted.path == "/piwik.php?queuedtracking=0"
    assert posted.body == body([QUERY], TOKEN)
    assert posted.headers["Content-Type"] == "application/json"
    assert posted.headers["User-Agent"].startswith("log-importer/")
    assert posted.headers["Accept-Encoding"] == "identity"
    assert TOKEN not in posted.path + str(posted.headers)


def test_a_connection_is_kept() -> None:
    with serve() as server, to(server) as one:
        for _ in range(5):
            assert one.bulk([QUERY]).status == 200
        assert server.connections == 1


def test_each_thread_has_connections_of_its_own() -> None:
    with serve() as server, to(server) as one:
        for session in (one.session(), one.session()):
            assert session.post(body([QUERY], TOKEN)).status == 200
            session.close()
        assert server.connections == 2


def test_cookies_are_never_sent_back() -> None:
    cookie = Told(200, counted(1).body, {"Set-Cookie": "_pk_uid=1; path=/"})
    with serve(lambda _: cookie) as server, to(server) as one:
        one.bulk([QUERY])
        one.bulk([QUERY])
    assert [posted.headers.get("Cookie") for posted in server.posted] == [None, None]
