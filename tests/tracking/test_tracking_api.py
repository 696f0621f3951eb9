"""Every parameter of the Tracking API reference, sent over HTTP and read back from the receiver's store.

Twice: as any client sends it, and from a line of a log, through a mapping rule, by an import.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from log_importer.receiver import Receiver
from log_importer.receiver.access import Grant, Level
from log_importer.receiver.settings import SiteSetup
from log_importer.translation.bot_rules import judges
from tests.conftest import Run

TOKEN = "33dc3f2536d3025974cccb4b4d2d98f4"
BASE = {
    "idsite": "1", "rec": "1", "url": "http://example.org/a", "token_auth": TOKEN, "cip": "203.0.113.7",
    "cdt": "2011-04-05 00:11:42",
    "ua": "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
}  # fmt: skip
ODD = "a & = # ; % + \" ' < é 日本 \U0001f600"

Look = Callable[[str], Any]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Receiver, Look]]:
    verdicts = judges()
    with Receiver(
        tmp_path / "db", is_bot=verdicts.is_bot, search_engine=verdicts.search_engine,
        grants={TOKEN: Grant(Level.SUPERUSER)}, users={"anna": ("secret", Grant(Level.ADMIN, frozenset({1})))},
        sites=(SiteSetup(1, "http://example.org", goals=frozenset({1})), SiteSetup(8876, "http://mobileapp.piwik.org")),
    ) as receiver:  # fmt: skip

        def look(sql: str) -> Any:
            with closing(sqlite3.connect(tmp_path / "db")) as connection:
                return connection.execute(sql).fetchall()

        yield receiver, look


PARAMETERS: list[tuple[dict[str, str], str, object]] = [
    ({"idsite": "8876"}, "visit.idsite", 8876),
    ({"rec": "1"}, "count(*)", 1),
    ({"url": "http://example.org/é?x=" + "😀"}, "action.url", "http://example.org/é?x=😀"),
    ({"action_name": ODD}, "title", ODD),
    ({"_id": "af344a398df83874"}, "visitor", "af344a398df83874"),
    ({"rand": "351459"}, "count(*)", 1),
    ({"apiv": "1"}, "count(*)", 1),
    ({"urlref": "http://partner.example/?" + ODD}, "visit.referrer_url", "http://partner.example/?" + ODD),
    ({"_cvar": '{"1":["OS","iphone 5.0"]}'}, "visit.custom_variables", '{"1":["OS","iphone 5.0"]}'),
    ({"_idvc": "19"}, "visit_number", 1),  # a Matomo counts itself
    ({"_viewts": "1704800000"}, "seconds_since_last_visit", None),
    ({"_idts": "1700000000"}, "seconds_since_first_visit", None),
    ({"_rcn": "Spring"}, "referrer_type", "direct"),  # ignored since Matomo 4
    ({"_rck": "shoes"}, "referrer_keyword", None),
    ({"res": "1280x1024"}, "resolution", "1280x1024"),
    ({"h": "18", "m": "13", "s": "3"}, "local_time", "18:13:03"),
    ({"ua": ODD}, "user_agent", ODD),
    ({"lang": "fr-CH,fr;q=0.9"}, "language", "fr-ch"),
    ({"cvar": f'{{"2":["name",{json.dumps(ODD)}]}}'}, "action.custom_variables", {"2": ["name", ODD]}),
    ({"link": "http://other.example/out"}, "type || ' ' || action.url", "outlink http://other.example/out"),
    ({"download": "http://example.org/f.zip"}, "type || ' ' || action.url", "download http://example.org/f.zip"),
    ({"search": ODD}, "search_keyword", ODD),
    ({"search": "x", "search_cat": "docs"}, "search_category", "docs"),
    ({"search": "x", "search_count": "0"}, "search_count", 0),
    ({"idgoal": "1"}, "idgoal", 1),
    ({"idgoal": "1", "revenue": "9.99"}, "revenue", 9.99),
    ({"gt_ms": "123"}, "generation_ms", None),  # ignored since Matomo 4, which has pf_srv
    ({"pf_srv": "123"}, "generation_ms", 123),
    ({"token_auth": TOKEN}, "count(*)", 1),
    ({"cip": "2001:db8::7"}, "ip", "2001:db8::7"),
    ({"cdt": "2011-04-05 00:11:42"}, "time", "2011-04-05 00:11:42"),
    ({"cid": "0123456789abcdef"}, "visitor", "0123456789abcdef"),
    ({"new_visit": "1"}, "count(DISTINCT idvisit)", 1),
    ({"country": "de"}, "country", "de"),
    ({"region": "BE"}, "region", "BE"),
    ({"city": "Köln"}, "city", "Köln"),
    ({"lat": "22.456"}, "latitude", 22.456),
    ({"long": "-22.456"}, "longitude", -22.456),
    ({"bots": "1", "ua": "Googlebot/2.1"}, "user_agent", "Googlebot/2.1"),
    ({"uid": "anna"}, "user_id", "anna"),
    ({"bw_bytes": "2326"}, "bandwidth", 2326),
    ({"e_c": "c", "e_a": "a", "e_n": "n", "e_v": "2.5"}, "event_category||event_action||event_name", "can"),
]


@pytest.mark.parametrize("way", ["get", "post", "bulk string", "bulk object"])
def test_every_parameter_reaches_the_store(place: tuple[Receiver, Look], way: str) -> None:
    receiver, look = place
    url = f"{receiver.url}/piwik.php"
    for number, (parameters, column, expected) in enumerate(PARAMETERS):
        sent = BASE | {"cip": f"203.0.113.{number + 1}"} | parameters
        if way == "get":
            answer = requests.get(url, sent, timeout=10)
        elif way == "post":
            answer = requests.post(url, sent, timeout=10)
        else:
            item = "?" + urlencode(sent) if way == "bulk string" else sent
            answer = requests.post(url, json={"requests": [item], "token_auth": TOKEN}, timeout=10)
            assert answer.json()["tracked"] == 1, parameters
        assert answer.status_code == 200, (parameters, answer.content)
        ((found,),) = look(f"SELECT {column} FROM visit LEFT JOIN action USING (idvisit)")
        found = json.loads(found) if isinstance(expected, dict) else found
        assert found == expected, parameters
        with closing(sqlite3.connect(look("PRAGMA database_list")[0][2])) as connection, connection:
            connection.executescript("DELETE FROM action; DELETE FROM visit;")


def test_every_parameter_goes_from_a_log_line_through_a_rule_to_the_store(
    place: tuple[Receiver, Look], run: Run, tmp_path: Path
) -> None:
    receiver, look = place
    log, rules = "", ""
    for number, (parameters, _, _) in enumerate(PARAMETERS):
        line = {
            "at": "2025-10-10T10:00:00Z", "ip": f"203.0.113.{number + 1}", "uri": f"/p{number}", "ua": BASE["ua"],
            "x": parameters,
        }  # fmt: skip
        log += json.dumps(line, ensure_ascii=bool(number % 2)) + "\n"
        sets = [f'{name} = "{{extra.x/{name}}}"' for name in parameters if name not in ("rec", "apiv", "token_auth")]
        sets = [f"idsite = {parameters['idsite']}" if one.startswith("idsite") else one for one in sets]
        rules += f'[[rule]]\npath = "/p{number}"\nset = {{ {", ".join(sets)} }}\n' if sets else ""
    (tmp_path / "a.log").write_text(log)
    (tmp_path / "s.toml").write_text(rules)
    keys = [word for key in ("time=at", "client_ip=ip", "path=uri", "user_agent=ua") for word in ("--json-field", key)]
    options = ("--url", receiver.url, "--idsite", "1", "--config", "s.toml", "--state-dir", "state", "--json", *keys)
    done = run("import", *options, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKEN)
    assert (done.code, done.summary["tracked"], done.summary["left_out"]) == (0, len(PARAMETERS), {}), done
    for number, (parameters, column, expected) in enumerate(PARAMETERS):
        address = parameters.get("cip", f"203.0.113.{number + 1}")
        joined = "visit LEFT JOIN action USING (idvisit)"
        ((found,),) = look(f"SELECT {column} FROM {joined} WHERE visit.ip = '{address}'")
        found = json.loads(found) if isinstance(expected, dict) else found
        assert found == expected, parameters


def test_what_a_log_says_by_itself_is_read_back_unchanged(
    place: tuple[Receiver, Look], run: Run, tmp_path: Path
) -> None:
    """Odd characters and bytes that are no UTF-8, which a Matomo reads as Latin-1, in every field of a line."""
    receiver, look = place
    odd = "a & = # ; % + ' < é 日本 \U0001f600"
    lines = [
        f'203.0.113.9 - anna&{odd} [10/Oct/2025:10:00:00 +0000] "GET /p?x={odd} HTTP/1.1" 200 2326 '
        f'"http://partner.example/{odd}" "{odd}"\n'.encode(),
        b'203.0.113.8 - b\xf6b [10/Oct/2025:10:00:00 +0000] "GET /caf\xe9?x=\xff HTTP/1.1" 200 2326 '  # noqa: ISC004
        b'"http://partner.example/\xfe" "Agent \xfd"\n',
    ]
    (tmp_path / "a.log").write_bytes(b"".join(lines))
    options = ("--url", receiver.url, "--idsite", "1", "--log-hostname", "example.org", "--state-dir", "state")
    done = run("import", *options, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKEN)
    assert done.code == 0, done
    joined = "visit JOIN action USING (idvisit)"
    fields = "user_id, action.url, action.referrer_url, user_agent, bandwidth, time"
    assert look(f"SELECT {fields} FROM {joined} ORDER BY visit.ip DESC") == [
        # In an address # would begin a fragment, which no browser sends and Matomo cuts off.
        (f"anna&{odd}", f"http://example.org/p?x={odd}".replace("#", "%23"), f"http://partner.example/{odd}", odd,
         2326, "2025-10-10 10:00:00"),
        ("b\xf6b", "http://example.org/caf\xe9?x=\xff", "http://partner.example/\xfe", "Agent \xfd", 2326,
         "2025-10-10 10:00:00"),
    ]  # fmt: skip


def test_the_references_own_example_of_a_request(place: tuple[Receiver, Look]) -> None:
    receiver, look = place
    query = (
        '_cvar={"1":["OS","iphone 5.0"],"2":["Piwik Mobile Version","1.6.2"],"3":["Locale","en::en"],'
        '"4":["Num Accounts","2"]}&action_name=View settings&url=http://mobileapp.piwik.org/window/settings '
        "&idsite=8876&rand=351459&h=18&m=13&s=3 &rec=1&apiv=1&cookie= "
        "&urlref=http://iphone.mobileapp.piwik.org&_id=af344a398df83874 &_idvc=19&res=320×480&"
    )
    answer = requests.get(f"{receiver.url}/piwik.php?{query.replace(' ', '%20')}", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/gif")
    assert look(
        "SELECT visit.idsite, title, action.url, local_time, resolution FROM action JOIN visit USING (idvisit)"
    ) == [(8876, "View settings", "http://mobileapp.piwik.org/window/settings", "18:13:03", "320×480")]


def test_the_references_own_example_of_a_bulk_request(place: tuple[Receiver, Look]) -> None:
    receiver, look = place
    body = (
        '{"requests":["?idsite=1&url=http://example.org&action_name=Test bulk log Pageview&rec=1",'
        '"?idsite=1&url=http://example.net/test.htm&action_name=Another bulk page view&rec=1"],'
        f'"token_auth":"{TOKEN}"}}'
    )
    answer = requests.post(
        f"{receiver.url}/piwik.php", body, headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=10
    )
    assert answer.json() == {"status": "success", "tracked": 2, "invalid": 0, "invalid_indices": []}
    assert look("SELECT url, title FROM action") == [
        ("http://example.org", "Test bulk log Pageview"),
        ("http://example.net/test.htm", "Another bulk page view"),
    ]


def call(receiver: Receiver, method: str, token: str = TOKEN, **more: str) -> tuple[int, Any]:
    form = {"format": "json", "method": method, "token_auth": token} | more
    answer = requests.post(f"{receiver.url}/index.php?module=API", form, timeout=10)
    return answer.status_code, answer.json()


def test_sites_can_be_found_and_added(place: tuple[Receiver, Look]) -> None:
    receiver, _ = place
    assert call(receiver, "SitesManager.getSitesIdFromSiteUrl", url="https://www.example.org") == (200, [{"idsite": 1}])
    assert call(receiver, "SitesManager.getSitesIdFromSiteUrl", url="new.example") == (200, [])
    added = call(receiver, "SitesManager.addSite", siteName="new.example", **{"urls[0]": "http://new.example"})
    assert added == (200, {"value": 8877})
    assert call(receiver, "SitesManager.getSitesIdFromSiteUrl", url="new.example") == (200, [{"idsite": 8877}])
    _, sites = call(receiver, "SitesManager.getAllSites")
    assert [site["idsite"] for site in sites] == [1, 8876, 8877]
    assert call(receiver, "API.getMatomoVersion")[1]["value"].startswith("5.")


def test_a_token_is_made_for_a_user_who_has_the_password(place: tuple[Receiver, Look]) -> None:
    receiver, _ = place
    method = "UsersManager.createAppSpecificTokenAuth"
    assert call(receiver, method, "", userLogin="anna", passwordConfirmation="wrong")[1]["result"] == "error"
    assert call(receiver, method, "", userLogin="nobody", passwordConfirmation="secret")[1]["result"] == "error"
    _, made = call(receiver, method, "", userLogin="anna", passwordConfirmation="secret", description="x")
    status, sites = call(receiver, "SitesManager.getSitesWithAdminAccess", made["value"])
    assert (status, [site["idsite"] for site in sites]) == (200, [1])
    assert call(receiver, "SitesManager.getAllSites", made["value"])[0] == 401
    assert call(receiver, "SitesManager.addSite", made["value"], siteName="x", urls="http://x")[0] == 401
