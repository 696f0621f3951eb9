"""Connections that end at a bad moment: what the server can have seen of a post, and what it cannot."""

import random
import socket
import struct
import threading
import time
from collections import Counter

import pytest

from log_importer.delivery.server.session import Limits, Session, Trust
from log_importer.tracking.bulk import body
from tests.delivery.server.common import LARGE, OK, QUERY, TOKEN, listening, post, to
from tests.fault_server import Told, counted, serve


@pytest.mark.parametrize("told", [Told(reset=True), Told(hang_up=True)])
def test_a_connection_that_ends_after_the_post_leaves_it_open(told: Told) -> None:
    with serve(lambda _: told) as server:
        answer = post(server)
        assert (answer.status, answer.body_sent, answer.tls) == (None, True, False)
        assert answer.error.endswith(".")
        assert len(server.posted) == 1


def test_a_connection_that_is_reset_amid_the_post_was_no_post() -> None:
    with serve() as server:
        server.early = lambda _: Told(reset=True)
        answer = post(server, LARGE)
    assert (answer.status, answer.body_sent) == (None, False)


def test_an_answer_before_the_whole_post_was_taken_counts() -> None:
    with serve() as server:
        server.early = lambda _: Told(413)
        assert post(server, [b"?" + b"x" * 100_000]).status == 413


def test_a_kept_connection_that_the_server_closed_is_no_doubt() -> None:
    closing = Told(200, counted(1).body, close=True)
    with serve(lambda _: closing) as server, to(server) as one:
        for _ in range(5):
            assert one.bulk([QUERY]).status == 200
            time.sleep(0.02)  # the closing arrives
        assert (len(server.posted), server.connections) == (5, 5)


def test_a_connection_that_lay_idle_is_not_used_again() -> None:
    with serve() as server:
        session = Session(f"{server.url}/piwik.php", Trust(), Limits(idle=0.05))
        for pause in (0.0, 0.1, 0.0):
            assert session.post(body([QUERY], TOKEN)).status == 200
            time.sleep(pause)
        session.close()
        assert [posted.connection for posted in server.posted] == [1, 1, 2]


def test_a_server_that_closes_before_it_has_taken_the_post_was_not_given_it() -> None:
    medium = [b"?" + b"x" * 500_000]  # our kernel takes it at once, theirs does not

    def closing(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(10)
        connection.shutdown(socket.SHUT_WR)
        over.wait(5)

    with listening(closing, buffer=4096) as url:
        answer = post(url, medium)
    assert (answer.status, answer.body_sent) == (None, False)


def half_closed(connection: socket.socket, over: threading.Event) -> None:
    """Takes a first post, and closes before it has taken the second."""
    head, _, rest = connection.recv(65536).partition(b"\r\n\r\n")
    left = len(body([QUERY], TOKEN)) - len(rest)
    while head and left > 0:
        left -= len(connection.recv(65536))
    connection.sendall(OK)
    connection.recv(10)
    connection.shutdown(socket.SHUT_WR)
    over.wait(5)


def test_a_reset_proves_nothing_for_it_acknowledges_nothing() -> None:
    def resetting(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(10)
        over.wait(0.1)  # our kernel has taken the whole post by then
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with listening(resetting, buffer=4096) as url:
        answer = post(url, [b"?" + b"x" * 200_000])
    assert (answer.status, answer.body_sent) == (None, True)


def test_a_kept_connection_that_closes_in_the_way_of_a_post_is_no_doubt() -> None:
    connections = Counter[str]()

    def handle(connection: socket.socket, over: threading.Event) -> None:
        connections["all"] += 1
        if connections["all"] == 1:
            half_closed(connection, over)
        else:
            left = len(body(medium, TOKEN))
            while left > 0:
                left -= len(connection.recv(1 << 20))
            connection.sendall(OK)

    medium = [b"?" + b"x" * 500_000]
    with listening(handle, buffer=4096) as url, to(url) as one:
        assert one.bulk([QUERY]).status == 200
        assert one.bulk(medium).status == 200
    assert connections["all"] == 2


def test_what_is_said_not_to_have_arrived_has_not() -> None:
    """Connections close at random moments; nothing but what is in doubt may arrive other than once."""
    arrived = Counter[bytes]()
    chance = random.Random(7)

    def handle(connection: socket.socket, over: threading.Event) -> None:
        connection.settimeout(chance.uniform(0.0, 0.004))
        try:
            while data := connection.recv(65536):
                while not data.endswith(b"}"):
                    data += connection.recv(65536)
                arrived[data.partition(b"n=")[2].partition(b'"')[0]] += 1
                if chance.random() < 0.2:
                    return
                connection.sendall(OK)
        except OSError:
            return

    certain = Counter[bytes]()
    with listening(handle) as url, to(url) as one:
        for number in range(300):
            mark = b"%d" % number
            answer = one.bulk([b"?n=" + mark])
            if answer.status == 200:
                certain[mark] = 1
            elif not answer.body_sent:
                certain[mark] = 0
            time.sleep(chance.uniform(0.0, 0.003))
    assert certain == Counter({mark: arrived[mark] for mark in certain})
    assert sum(certain.values()) > 20
