"""TLS: whom we trust, and a failed handshake told from a connection that broke later."""

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from log_importer.delivery.server import Server
from log_importer.model import Answer
from log_importer.model.errors import UsageError
from tests.delivery.server.common import QUERY, TOKEN, listening
from tests.fault_server import FaultServer, Told, serve


class Authority(NamedTuple):
    """An authority of the test's own, and the file that names it."""

    ca: trustme.CA
    file: str

    def context(self, *names: str, until: datetime | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names, not_after=until).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    ca = trustme.CA()
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return Authority(ca, str(file))


def post(url: str, **more: object) -> Answer:
    server = Server(url, TOKEN, **more)  # type: ignore[arg-type]
    try:
        return server.bulk([QUERY])
    finally:
        server.close()


def refused(answer: Answer, words: str) -> None:
    assert (answer.status, answer.body_sent, answer.tls) == (None, False, True)
    assert words in answer.error, answer.error
    assert answer.error.endswith(".")


def test_an_authority_that_is_named_is_trusted(authority: Authority) -> None:
    with serve(tls=authority.context("localhost")) as server:
        assert post(server.url, ca_file=authority.file).status == 200


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_may_name_the_authority(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, authority.file)
    with serve(tls=authority.context("localhost")) as server:
        assert post(server.url).status == 200


def test_a_file_of_authorities_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"--ca-file names /nowhere\.pem, which does not exist"):
        Server("https://localhost", TOKEN, ca_file="/nowhere.pem")


def test_an_authority_that_nobody_knows(authority: Authority) -> None:
    with serve(tls=authority.context("localhost")) as server:
        refused(post(server.url), "comes from an authority that this machine does not know")
        assert server.posted == []


def test_a_certificate_is_left_unchecked_only_where_that_is_asked_for(
    authority: Authority, recwarn: pytest.WarningsRecorder
) -> None:
    with serve(tls=authority.context("localhost")) as server:
        assert post(server.url, verify=False).status == 200
    assert [str(one.message) for one in recwarn if "InsecureRequest" in str(one.category)] == []


def test_an_expired_certificate(authority: Authority) -> None:
    with serve(tls=authority.context("localhost", until=datetime(2020, 1, 1, tzinfo=UTC))) as server:
        refused(post(server.url, ca_file=authority.file), "its certificate has expired")


def test_a_certificate_for_another_host(authority: Authority) -> None:
    with serve(tls=authority.context("other.example")) as server:
        refused(post(server.url, ca_file=authority.file), "its certificate is for another host name")
        address = server.url.replace("localhost", "127.0.0.1")
        refused(post(address, ca_file=authority.file), "its certificate is for another address")


def test_a_port_that_speaks_no_tls() -> None:
    with serve() as server:
        refused(post(server.url.replace("http", "https")), "the port may speak plain HTTP")


def test_a_handshake_that_hangs_is_no_verdict_on_the_certificate() -> None:
    with listening(lambda _, over: over.wait(5)) as url:
        answer = post(url.replace("http", "https"), connect_timeout=0.2)
    assert (answer.status, answer.body_sent, answer.tls) == (None, False, False)
    assert answer.error.endswith("took no connection within 0.2 s.")


@pytest.mark.parametrize("taken", [100, 65536], ids=["reset", "closed"])
def test_a_handshake_that_is_cut_off_is_no_verdict_on_the_certificate(taken: int) -> None:
    with listening(lambda connection, _: connection.recv(taken)) as url:
        answer = post(url.replace("http", "https"))
    assert (answer.status, answer.body_sent, answer.tls) == (None, False, False)
    assert "broke while it was made" in answer.error


@pytest.mark.parametrize("told", [Told(hang_up=True), Told(reset=True), Told(200, b"{", length=9)])
def test_a_connection_that_breaks_later_is_no_failure_of_tls(authority: Authority, told: Told) -> None:
    with serve(lambda _: told, authority.context("localhost")) as server:
        answer = post(server.url, ca_file=authority.file)
    assert (answer.body_sent, answer.tls) == (True, False)
    assert answer.error.endswith(".")
    assert answer.cut or answer.status is None


def test_a_kept_connection_that_the_server_closed_is_no_doubt(authority: Authority) -> None:
    def posts(server: FaultServer) -> list[int | None]:
        one = Server(server.url, TOKEN, ca_file=authority.file)
        statuses = []
        for _ in range(3):
            statuses.append(one.bulk([QUERY]).status)
            time.sleep(0.3)  # until the closing has arrived: one that meets a post leaves a doubt
        one.close()
        return statuses

    good: Callable[..., Told] = lambda _: Told(200, b"{}", close=True)  # noqa: E731
    with serve(good, authority.context("localhost")) as server:
        assert posts(server) == [200, 200, 200]
        assert len(server.posted) == 3


def test_a_reply_at_a_byte_at_a_time_has_a_deadline(authority: Authority) -> None:
    with serve(lambda _: Told(200, b"x" * 1000, drip=0.02), authority.context("localhost")) as server:
        answer = post(server.url, ca_file=authority.file, reply_timeout=0.3)
    assert (answer.status, answer.cut, answer.tls) == (200, True, False)
    assert answer.seconds < 5
