"""The way to the server: addresses, logins, proxies, and what does not lead there."""

import socket
from pathlib import Path

import pytest

from log_importer.delivery.server import Server
from log_importer.model.errors import UsageError
from tests.delivery.server.common import TOKEN, closed_port, post
from tests.fault_server import Told, serve


@pytest.mark.parametrize(
    ("url", "endpoint", "tracker"),
    [
        ("http://h.example", "", "http://h.example/piwik.php"),
        ("h.example", "", "http://h.example/piwik.php"),
        ("h.example:8080/stats/", "", "http://h.example:8080/stats/piwik.php"),
        ("https://h.example/stats//", "", "https://h.example/stats/piwik.php"),
        ("https://h.example/matomo.php", "", "https://h.example/matomo.php"),
        ("https://h.example/stats/piwik.php/", "", "https://h.example/stats/piwik.php"),
        ("https://h.example/stats/index.php", "", "https://h.example/stats/piwik.php"),
        ("https://h.example/matomo.php", "/js/", "https://h.example/js/"),
        ("https://h.example", "tracker.php", "https://h.example/tracker.php"),
        ("http://[::1]:80/", "", "http://[::1]:80/piwik.php"),
        ("https://me:pass@h.example/", "", "https://h.example/piwik.php"),
    ],
)
def test_a_url_may_be_written_in_many_ways(url: str, endpoint: str, tracker: str) -> None:
    server = Server(url, TOKEN, endpoint=endpoint)
    assert tracker == server.tracker
    server.close()


@pytest.mark.parametrize(
    "url",
    ["", "http://", "ftp://h.example", "http://h.example:port/", "http://h.example:99999", "http://[::1/",
     "http://a b/", "http://me:s3cret@h.example/?token_auth=s3cret", "http://me:s3cret@h.example:x/#s3cret"],
)  # fmt: skip
def test_what_is_no_address_is_told_without_its_secrets(url: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a server") as caught:
        Server(url, TOKEN)
    assert "s3cret" not in str(caught.value)


def test_netrc_does_not_log_in_for_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serve() as server:
        post(server)
        post(server.url.replace("//", "//me:p%40ss%C3%A9@"))
    assert server.posted[0].headers.get("Authorization") is None
    assert server.posted[1].headers["Authorization"] == "Basic bWU6cEBzc8Op"


def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as proxy, serve() as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert post("http://matomo.example").status == 200
        assert post(server).status == 200
        assert [posted.path for posted in proxy.posted] == ["http://matomo.example/piwik.php?queuedtracking=0"]
        assert len(server.posted) == 1


def test_a_proxy_that_wants_a_login_is_told_from_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda _: Told(407)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:s3cret@"))
        answer = post("https://matomo.example")
    assert (answer.status, answer.body_sent) == (407, False)
    assert answer.error == "The proxy on the way to matomo.example refuses to pass the connection on (status 407)."


def test_a_proxy_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", closed_port().replace("//", "//me:s3cret@"))
    answer = post("https://matomo.example")
    assert (answer.status, answer.body_sent, answer.tls) == (None, False, False)
    assert "The proxy on the way to matomo.example does not work" in answer.error
    assert "s3cret" not in answer.error


def test_a_proxy_that_we_cannot_speak_to_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(UsageError, match="The proxy that the environment names cannot be used"):
        post("https://matomo.example")


def test_a_closed_port() -> None:
    url = closed_port()
    answer = post(url)
    assert (answer.status, answer.body_sent, answer.tls) == (None, False, False)
    assert answer.error == f"{url.removeprefix('http://')} takes no connection: connection refused."


def test_a_port_that_takes_no_connection_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        answer = post(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.2)
        for one in waiting:
            one.close()
    assert (answer.status, answer.body_sent) == (None, False)
    assert answer.error.endswith("took no connection within 0.2 s.")


def test_a_name_that_does_not_resolve() -> None:
    answer = post("http://nowhere.invalid")
    assert (answer.status, answer.body_sent) == (None, False)
    assert answer.error.startswith("There is no host nowhere.invalid: its name does not resolve.")
