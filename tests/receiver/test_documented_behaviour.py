"""What a real Matomo was seen to do beyond the recorded exchanges, and the limits that keep the receiver alive."""

import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from log_importer.model.errors import StateError
from log_importer.receiver import Receiver
from log_importer.receiver.settings import Behaviour
from log_importer.translation.bot_rules import judges
from tests.conftest import GRANTS, TOKENS

CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36"
BOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"
HIT = {
    "idsite": "1", "rec": "1", "url": "http://example.org/a", "ua": CHROME, "cip": "203.0.113.7",
    "cdt": "2024-01-10 10:00:00", "token_auth": TOKENS.superuser,
}  # fmt: skip


class Place:
    """A receiver and its database."""

    def __init__(self, receiver: Receiver, database: Path) -> None:
        self.url = f"{receiver.url}/matomo.php"
        self._database = database

    def send(self, agent: str = "", **changes: str) -> requests.Response:
        headers = {"User-Agent": agent} if agent else {}
        return requests.get(self.url, HIT | changes, headers=headers, timeout=10)

    def rows(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self._database)) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Behaviour], Place]]:
    with ExitStack() as stack:

        def begin(behaviour: Behaviour) -> Place:
            verdicts = judges()
            receiver = Receiver(
                tmp_path / "db", is_bot=verdicts.is_bot, search_engine=verdicts.search_engine, grants=GRANTS,
                behaviour=behaviour,
            )  # fmt: skip
            return Place(stack.enter_context(receiver), tmp_path / "db")

        yield begin


@pytest.fixture
def place(start: Callable[[Behaviour], Place]) -> Place:
    return start(Behaviour())


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"\x1f\x8b gzip", 400)])
def test_a_post_of_nothing_readable_is_answered_with_a_page(place: Place, body: bytes, status: int) -> None:
    answer = requests.post(place.url, body, headers={"Content-Type": "application/json"}, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (status, "text/html")


@pytest.mark.parametrize("path", ["//piwik.php", "//matomo.php"])
def test_two_slashes_before_the_tracker_are_one(place: Place, path: str) -> None:
    address = urlsplit(place.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(f"GET {path}?idsite=1&rec=1&url=http://example.org/ HTTP/1.0\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert place.rows("SELECT url FROM action") == [("http://example.org/",)]


@pytest.mark.parametrize(("bots", "stored"), [("1", 1), ("0", 0), ("true", 0), ("", 0)])
def test_bots_are_stored_where_the_switch_is_a_number_above_zero(place: Place, bots: str, stored: int) -> None:
    assert place.send(ua=BOT, bots=bots).status_code == 200
    assert place.rows("SELECT count(*) FROM action") == [(stored,)]


@pytest.mark.parametrize(("lat", "status"), [("91", 200), ("-999.999999", 200), ("1000", 400), ("999.9999999", 400)])
def test_a_latitude_fails_where_its_column_cannot_hold_it(place: Place, lat: str, status: int) -> None:
    assert place.send(lat=lat).status_code == status
    assert place.rows("SELECT latitude FROM visit") == ([(float(lat),)] if status == 200 else [])


def test_a_region_is_cut_in_a_visit_that_goes_on_too(place: Place) -> None:
    place.send()
    place.send(region="california")
    assert place.rows("SELECT region FROM visit") == [("cal",)]


def test_a_city_too_long_fails_only_where_the_visit_goes_on(place: Place) -> None:
    assert [place.send(city="x" * 300).status_code for _ in range(2)] == [200, 400]
    assert place.rows("SELECT length(city), actions FROM visit") == [(255, 1)]


@pytest.mark.parametrize("sent", [{"ua": ""}, {}])
def test_an_empty_user_agent_is_the_header_s(place: Place, sent: dict[str, str]) -> None:
    parameters = {name: value for name, value in HIT.items() if name != "ua"} | sent
    requests.get(place.url, parameters, headers={"User-Agent": "Firefox/115.0"}, timeout=10)
    assert place.rows("SELECT user_agent FROM visit") == [("Firefox/115.0",)]


@pytest.mark.parametrize(("second", "referrer"), [
    ({"url": "http://example.org/?pk_campaign=c1"}, ("campaign", "c1")),
    ({"urlref": "https://blog.example.net/p"}, ("website", "blog.example.net")),
])  # fmt: skip
def test_a_direct_visit_takes_the_referrer_of_a_later_hit(
    place: Place, second: dict[str, str], referrer: tuple[str, str]
) -> None:
    place.send()
    place.send(**second)
    assert place.rows("SELECT referrer_type, referrer_name FROM visit") == [referrer]


def test_two_ids_from_one_address_and_browser_are_one_visit_with_the_later_id(place: Place) -> None:
    place.send(_id="a" * 16)
    place.send(_id="b" * 16)
    assert place.rows("SELECT visitor, actions FROM visit") == [("b" * 16, 2)]


def test_with_recording_switched_off_nothing_is_counted_or_stored(start: Callable[[Behaviour], Place]) -> None:
    place = start(Behaviour(record=False))
    assert place.send().status_code == 503
    answer = requests.post(
        place.url, json={"requests": ["?idsite=1&rec=1"], "token_auth": TOKENS.superuser}, timeout=10
    )
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "tracked": 0, "invalid": 0})
    assert place.rows("SELECT count(*) FROM visit") == [(0,)]


def test_debug_shows_the_parameters_as_text_and_never_the_token(start: Callable[[Behaviour], Place]) -> None:
    answer = start(Behaviour(debug_on_demand=True)).send(debug="1", action_name="<script>")
    assert answer.text.startswith("Debug enabled")
    assert "&lt;script&gt;" in answer.text
    assert "<script>" not in answer.text
    assert TOKENS.superuser not in answer.text


def test_a_body_that_stops_halfway_is_given_up(start: Callable[[Behaviour], Place]) -> None:
    place = start(Behaviour(body_time=timedelta(seconds=0.2)))
    address = urlsplit(place.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"POST /matomo.php HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nidsite=1")
        assert connection.recv(12) == b"HTTP/1.1 408"
    assert place.send().status_code == 200


def test_posts_at_the_same_time_are_all_stored(place: Place) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda number: place.send(url=f"http://example.org/{number}"), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert place.rows("SELECT count(DISTINCT url) FROM action") == [(40,)]


def test_a_receiver_with_an_idle_connection_ends_at_once(tmp_path: Path) -> None:
    with requests.Session() as session:
        verdicts = judges()
        with Receiver(tmp_path / "x", is_bot=verdicts.is_bot, search_engine=verdicts.search_engine) as receiver:
            session.get(f"{receiver.url}/matomo.php", timeout=10)
            start = time.perf_counter()
        assert time.perf_counter() - start < 5


def test_visit_custom_variables_are_kept_slot_by_slot(place: Place) -> None:
    place.send(_cvar='{"1":["a","b"],"2":["c","d"]}')
    place.send(_cvar='{"2":["c","e"],"3":["f","g"]}')
    assert place.rows("SELECT custom_variables FROM visit") == [('{"1":["a","b"],"2":["c","e"],"3":["f","g"]}',)]


def test_an_order_is_stored_once_a_site(place: Place) -> None:
    for address in ("203.0.113.7", "203.0.113.7", "203.0.113.8"):
        assert place.send(idgoal="0", ec_id="o-1", revenue="9.99", cip=address).status_code == 200
    assert place.rows("SELECT type, order_id, revenue FROM action") == [("order", "o-1", 9.99)]


def test_json_values_are_read_as_php_reads_them(place: Place) -> None:
    hits = [{**HIT, "rec": True}, {**HIT, "rec": False}, {**HIT, "action_name": None, "search_count": 3, "search": "x"}]
    answer = requests.post(place.url, json={"requests": hits, "token_auth": TOKENS.superuser}, timeout=10)
    assert answer.json()["tracked"] == 3
    assert place.rows("SELECT type, title, search_count FROM action") == [("view", None, None), ("search", None, 3)]


@pytest.mark.parametrize("cip", ["fe80::1%eth0", "1.2.3.0/24", "1.2.x.x", " 203.0.113.7", "example.com"])
def test_an_address_with_anything_more_is_nobody(place: Place, cip: str) -> None:
    place.send(cip=cip)
    assert place.rows("SELECT ip FROM visit") == [("0.0.0.0",)]


@pytest.mark.parametrize(("version", "what"), [(1, "cannot be used: no such table"), (99, "is from a newer")])
def test_a_database_of_another_schema_is_told(tmp_path: Path, version: int, what: str) -> None:
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(StateError, match=what):
        Receiver(tmp_path / "db", is_bot=bool, search_engine=bool)
