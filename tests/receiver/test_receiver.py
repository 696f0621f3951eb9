"""The receiver over real HTTP: tokens, bulk replies, visits joined and split, and nothing half stored."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from log_importer.model.errors import UsageError
from log_importer.receiver import Receiver
from tests.conftest import TOKENS

CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
HIT = {"idsite": "1", "rec": "1", "url": "http://example.org/a", "ua": CHROME, "cip": "203.0.113.7"}
OLD = HIT | {"cdt": "2024-01-10 10:00:00"}
GOOD = {"status": "success", "tracked": 1, "invalid": 0}
BAD = {"status": "success", "tracked": 0, "invalid": 1}


class Client:
    """Talks to a receiver and looks into its database."""

    def __init__(self, receiver: Receiver, database: Path) -> None:
        self.receiver = receiver
        self._database = database

    def get(self, parameters: dict[str, str], path: str = "/matomo.php") -> requests.Response:
        return requests.get(f"{self.receiver.url}{path}", parameters, timeout=10)

    def bulk(self, queries: object, token: str = TOKENS.superuser, **more: object) -> Any:
        answer = requests.post(
            f"{self.receiver.url}/piwik.php", json={"requests": queries, "token_auth": token} | more, timeout=10
        )
        assert answer.status_code in (200, 204)
        return answer.json() if answer.content else None

    def rows(self, sql: str) -> list[Any]:
        connection = sqlite3.connect(self._database)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    @property
    def counts(self) -> tuple[int, int]:
        """Visits and actions."""
        ((visits, actions),) = self.rows("SELECT (SELECT count(*) FROM visit), (SELECT count(*) FROM action)")
        return visits, actions


def query(**changes: str) -> str:
    return "?" + urlencode(OLD | changes)


@pytest.fixture
def client(receive: Callable[[Path], Receiver], tmp_path: Path) -> Client:
    return Client(receive(tmp_path / "db"), tmp_path / "db")


@pytest.mark.parametrize("path", ["/matomo.php", "/piwik.php"])
def test_a_hit_by_get_is_answered_with_a_gif_and_stored(client: Client, path: str) -> None:
    answer = client.get(OLD | {"token_auth": TOKENS.admin}, path)
    assert (answer.status_code, answer.headers["Content-Type"], len(answer.content)) == (200, "image/gif", 43)
    assert client.rows("SELECT time, type, url FROM action") == [
        ("2024-01-10 10:00:00", "view", "http://example.org/a")
    ]


@pytest.mark.parametrize(
    ("token", "reply", "stored"),
    [
        (TOKENS.superuser, GOOD | {"invalid_indices": []}, 1),
        (TOKENS.admin, GOOD, 1),
        (TOKENS.write, GOOD, 1),
        (TOKENS.view, BAD, 0),
        ("f" * 32, BAD, 0),
        ("", BAD, 0),
    ],
)
def test_a_bulk_reply_depends_on_the_token(client: Client, token: str, reply: object, stored: int) -> None:
    assert client.bulk([query()], token) == reply
    assert client.counts[1] == stored


def test_the_invalid_ones_are_named_to_a_superuser(client: Client) -> None:
    queries = [query(), query(idsite="99"), query(), "no query", query(cid="short")]
    assert client.bulk(queries) == {"status": "success", "tracked": 2, "invalid": 2, "invalid_indices": [1, 3]}
    assert client.counts == (1, 2)


@pytest.mark.parametrize(
    "change",
    [{"rec": "0"}, {"ua": "Googlebot/2.1 (+http://www.google.com/bot.html)"}, {"cip": "66.249.80.1"}, {"ping": "1"}],
)
def test_what_is_not_stored_is_counted_as_tracked_all_the_same(client: Client, change: dict[str, str]) -> None:
    assert client.bulk([query(**change)])["tracked"] == 1
    assert client.counts == (0, 0)


def test_bots_are_stored_where_they_are_asked_for(client: Client) -> None:
    client.bulk([query(ua="Googlebot/2.1", bots="1")])
    assert client.counts == (1, 1)


@pytest.mark.parametrize("cdt", ["notadate", "2999-01-01 00:00:00", "2001-01-01 00:00:00"])
def test_a_date_that_cannot_be_is_now(client: Client, cdt: str) -> None:
    client.bulk([query(cdt=cdt)])
    ((time,),) = client.rows("SELECT time FROM action")
    moment = datetime.fromisoformat(time).replace(tzinfo=UTC)
    assert datetime.now(UTC) - moment < timedelta(seconds=10)


@pytest.mark.parametrize("cip", ["host.example", "999.1.1.1", "1.2.3.4:80"])
def test_an_address_that_is_none_is_nobody(client: Client, cip: str) -> None:
    client.bulk([query(cip=cip)])
    assert client.rows("SELECT ip FROM visit") == [("0.0.0.0",)]


@pytest.mark.parametrize(
    ("first", "second", "visits"),
    [
        ({}, {"cdt": "2024-01-10 10:29:59"}, 1),
        ({}, {"cdt": "2024-01-10 10:30:00"}, 2),
        ({}, {"cdt": "2024-01-10 09:50:00"}, 1),
        ({"cdt": "2024-01-10 23:55:00"}, {"cdt": "2024-01-11 00:05:00"}, 2),
        ({}, {"new_visit": "1"}, 2),
        ({}, {"ua": FIREFOX}, 2),
        ({}, {"cip": "203.0.113.8"}, 2),
        ({"cid": "0123456789abcdef"}, {"cid": "0123456789abcdef", "cip": "203.0.113.8"}, 1),
        ({"uid": "anna"}, {"uid": "anna", "ua": FIREFOX}, 1),
    ],
)
def test_visits_are_joined_and_split(
    client: Client, first: dict[str, str], second: dict[str, str], visits: int
) -> None:
    client.bulk([query(**first)])
    client.bulk([query(**second)])
    assert client.counts == (visits, 2)


def test_every_value_comes_back_unchanged(client: Client) -> None:
    odd = "a & = # ; % + \" ' < é 日本 \U0001f600"
    client.bulk([query(url="http://example.org/?x=" + "é😀", action_name=odd, urlref="http://r/?" + odd, ua=odd)])
    assert client.rows(
        "SELECT action.url, title, action.referrer_url, user_agent FROM action JOIN visit USING (idvisit)"
    ) == [("http://example.org/?x=é😀", odd, "http://r/?" + odd, odd)]


@pytest.mark.parametrize(
    ("change", "column", "value"),
    [
        ({"download": "http://example.org/f.zip"}, "type", "download"),
        ({"link": "http://other.example/"}, "url", "http://other.example/"),
        ({"e_c": "c", "e_a": "a", "e_n": "n"}, "event_name", "n"),
        ({"pf_srv": "1687"}, "generation_ms", 1687),
        ({"bw_bytes": "2326"}, "bandwidth", 2326),
        ({"cvar": '{"1":["HTTP-code","200"]}'}, "custom_variables", '{"1":["HTTP-code","200"]}'),
    ],
)
def test_a_parameter_reaches_its_column(client: Client, change: dict[str, str], column: str, value: object) -> None:
    client.bulk([query(**change)])
    assert client.rows(f"SELECT {column} FROM action") == [(value,)]


def test_the_api_tells_of_the_site_and_of_rights(client: Client) -> None:
    def call(method: str, token: str, **more: str) -> tuple[int, Any]:
        form = {"format": "json", "method": method, "token_auth": token} | more
        answer = requests.post(f"{client.receiver.url}/index.php?module=API", form, timeout=10)
        return answer.status_code, answer.json()

    status, site = call("SitesManager.getSiteFromId", TOKENS.view, idSite="1")
    assert (status, site["idsite"], site["main_url"]) == (200, 1, "http://localhost")
    assert call("SitesManager.getSiteFromId", "f" * 32, idSite="1")[0] == 401
    assert call("SitesManager.getSiteFromId", TOKENS.superuser, idSite="9")[1]["result"] == "error"
    rights = [call("SitesManager.getSitesIdWithWriteAccess", token)[1] for token in TOKENS]
    assert rights == [[1], [1], [1], []]


def test_a_refused_token_gets_a_page_where_the_module_is_not_in_the_query_string(client: Client) -> None:
    form = {"module": "API", "format": "json", "method": "SitesManager.getSiteFromId", "idSite": "1"}
    for token, media_type in (("f" * 32, "text/html; charset=utf-8"), (TOKENS.view, "application/json")):
        answer = requests.post(f"{client.receiver.url}/index.php", form | {"token_auth": token}, timeout=10)
        assert answer.headers["Content-Type"] == media_type


@pytest.mark.parametrize("body", ['{"requests":[]}', '{"requests":[', '{"requests":5}'])
def test_a_bulk_body_with_nothing_in_it_counts_nothing(client: Client, body: str) -> None:
    answer = requests.post(f"{client.receiver.url}/matomo.php", body, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "tracked": 0, "invalid": 0})


def test_a_body_beyond_the_limit_is_refused(client: Client) -> None:
    answer = requests.post(f"{client.receiver.url}/matomo.php", b"x" * (33 << 20), timeout=30)
    assert (answer.status_code, client.counts) == (413, (0, 0))


def test_no_path_is_served_but_its_own(client: Client) -> None:
    assert client.get({}, "/../../etc/passwd").status_code == 404
    assert client.get({}, "/").status_code == 404


def test_a_port_that_is_taken_is_told(client: Client, tmp_path: Path) -> None:
    port = int(client.receiver.url.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"Port {port} of 127.0.0.1 cannot be had: address already in use"):
        Receiver(tmp_path / "other", is_bot=bool, search_engine=bool, port=port)


def test_it_listens_on_loopback_alone(client: Client) -> None:
    assert client.receiver.url.startswith("http://127.0.0.1:")
