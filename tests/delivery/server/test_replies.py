"""Replies that are late, endless, broken, or say too much."""

import gzip
import socket
import threading

import pytest

from log_importer.delivery.server.session import MAX_REPLY, retry_after
from log_importer.tracking.bulk import body
from tests.delivery.server.common import LARGE, OK, TOKEN, listening, post
from tests.fault_server import Posted, Told, counted, serve


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with serve() as other, serve(lambda _: Told(status, headers={"Location": other.url})) as server:
        answer = post(server)
        assert (answer.status, answer.location) == (status, other.url)
        assert (len(server.posted), other.posted) == (1, [])


@pytest.mark.parametrize("location", ["http://[::1", "javascript:alert(1)", "//\x7f"])
def test_a_redirect_to_nonsense_with_a_huge_body_is_an_answer_like_any_other(location: str) -> None:
    with serve(lambda _: Told(302, b"x" * 1_000_000, {"Location": location}, repeat=1000)) as server:
        answer = post(server)
    assert (answer.status, answer.location, len(answer.body), answer.cut) == (302, location, MAX_REPLY, True)


def test_a_huge_reply_is_cut_at_the_cap() -> None:
    with serve(lambda _: Told(200, b"x" * 1_000_000, repeat=5000)) as server:
        answer = post(server)
    assert (answer.status, len(answer.body), answer.cut) == (200, MAX_REPLY, True)
    assert answer.seconds < 5


def test_a_reply_that_unpacks_to_a_huge_one_is_cut_at_the_cap() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with serve(lambda _: Told(200, bomb, {"Content-Encoding": "gzip"})) as server:
        answer = post(server)
    assert (answer.status, len(answer.body), answer.cut) == (200, MAX_REPLY, True)


def test_a_compressed_reply_is_read_though_nobody_asked_for_it() -> None:
    with serve(lambda _: Told(200, gzip.compress(counted(1).body), {"Content-Encoding": "gzip"})) as server:
        assert post(server).body == counted(1).body


@pytest.mark.parametrize("close", [{}, {"Connection": "close"}])
def test_a_reply_at_a_byte_at_a_time_has_a_deadline(close: dict[str, str]) -> None:
    with serve(lambda _: Told(200, b"x" * 1000, close, drip=0.02)) as server:
        answer = post(server, reply_timeout=0.3)
    assert (answer.status, answer.cut, answer.body_sent) == (200, True, True)
    assert answer.error.endswith("took too long to send its reply.")
    assert 0.25 < answer.seconds < 5


def test_a_head_at_a_byte_at_a_time_has_a_deadline() -> None:
    with serve(lambda _: Told(200, drip_head=0.02, headers={"X-Long": "x" * 1000})) as server:
        answer = post(server, request_timeout=0.5)
    assert (answer.body, answer.body_sent) == (b"", True)
    assert answer.cut or answer.status is None, "a head that ends early looks whole to Python's own client"
    assert answer.error
    assert 0.4 < answer.seconds < 5


def test_no_answer_in_time_leaves_it_open_whether_the_server_has_it() -> None:
    with serve(lambda _: Told(delay=5)) as server:
        answer = post(server, request_timeout=0.2)
    assert (answer.status, answer.body_sent, answer.tls) == (None, True, False)
    assert answer.error == f"{server.url}/piwik.php?queuedtracking=0 did not answer within 0.2 s."


def test_a_body_that_the_server_does_not_take_in_time_was_not_seen() -> None:
    with listening(lambda _, over: over.wait(5), buffer=4096) as url:
        answer = post(url, LARGE, request_timeout=0.3)
    assert (answer.status, answer.body_sent) == (None, False)
    assert "did not take the whole post within 0.3 s" in answer.error


def test_sending_may_take_longer_than_connecting() -> None:
    def slow(connection: socket.socket, over: threading.Event) -> None:
        over.wait(0.6)
        left = len(body(LARGE, TOKEN))
        while left > 0:
            left -= len(connection.recv(1 << 20))
        connection.sendall(OK)

    with listening(slow, buffer=4096) as url:
        assert post(url, LARGE, connect_timeout=0.2).status == 200


def test_what_is_no_http() -> None:
    with serve(lambda _: Told(raw=b"SSH-2.0-OpenSSH_9.2\x1b[2J\r\n")) as server:
        answer = post(server)
    assert (answer.status, answer.body_sent) == (None, True)
    assert "answered with what is no HTTP" in answer.error
    assert "\x1b" not in answer.error


def test_a_reply_that_ends_early_is_cut() -> None:
    with serve(lambda _: Told(200, counted(1).body, length=400)) as server:
        answer = post(server)
    assert (answer.status, answer.body, answer.cut) == (200, counted(1).body, True)
    assert "broke in mid-reply" in answer.error


def test_what_the_server_repeats_of_our_secrets_is_blotted_out() -> None:
    def echo(posted: Posted) -> Told:
        return Told(302, posted.body, {"Location": f"/?token={TOKEN}"})

    with serve(echo) as server:
        answer = post(server)
    assert b'"token_auth":"(secret)"' in answer.body
    assert answer.location == "/?token=(secret)"
    assert TOKEN not in repr(answer)


NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None), ("7", 7), (" 7 ", 7), ("0", None), ("-7", None), ("7.5", None), ("soon", None), ("1e9", None),
        ("99999999999999999999", 3600), ("Tue, 14 Nov 2023 22:13:50 GMT", 30), ("Tue, 14 Nov 2023 22:13:00 GMT", None),
        ("Tue, 14 Nov 2023 22:13:50 -0000", 30), ("Tuesday, 14-Nov-23 22:13:50 GMT", 30),
        ("Tue, 14 Nov 9999 22:13:50 GMT", 3600), ("Tue, 99 Nov 2023 22:13:50 GMT", None),
        ("Tue, 14 Nov 2023 22:13:50 +9999999999999999999", None), ("\u0667", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_and_capped(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_retry_after_is_in_the_answer() -> None:
    with serve(lambda _: Told(503, headers={"Retry-After": "7"})) as server:
        assert post(server).retry_after == 7
