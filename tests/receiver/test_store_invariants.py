"""After random and broken requests, by GET, form and bulk, every count in the store equals what it counts."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from log_importer.receiver import Receiver
from log_importer.receiver.access import Grant, Level
from log_importer.receiver.settings import SiteSetup
from log_importer.translation.bot_rules import judges

TOKEN = "0" * 31 + "1"
REQUESTS = 30_000 if os.environ.get("SOAK") else 3_000
BATCH = 25
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36"
)

KNOWN: Mapping[str, Sequence[str]] = {
    "idsite": ["1", "2", "01", "99", "0", "-1", "1abc", "", "9" * 30],
    "rec": ["1", "0", "true", "2", " 1", "9" * 30],
    "url": [
        "http://example.org/a?q=x#f",
        "http://[::1",
        "::::",
        "//x",
        "http://example.org/" + "y" * 3000,
        "http://:@/",
    ],
    "urlref": ["https://www.google.com/search?q=a", "http://[bad", "-", "http://t.co/x", "http://example.org"],
    "cdt": ["2024-01-10 10:00:00", "1704880800", "1e400", "0000-00-00", "9999-12-31 23:59:60", "now", "1 1 1", "\0"],
    "cip": ["203.0.113.7", "2001:db8::1", "::ffff:1.2.3.4", "999.1.1.1", "fe80::1%eth0", "1.2.3.4/8", "x" * 300],
    "ua": [CHROME, "", "Googlebot/2.1", "x" * 9000],
    "lang": ["fr-CH,fr;q=0.9", "???", "-", "x" * 500],
    "cid": ["0123456789abcdef", "z" * 16, "short", ""],
    "_id": ["0123456789abcdef", "z" * 16, "short", ""],
    "uid": ["alice", "x" * 500],
    "h": ["7", "25", "-1", "x", "1e9"],
    "m": ["7", "61"],
    "s": ["7", "1.5"],
    "res": ["1280x1024", "x" * 300],
    "cvar": [
        '{"1":["a","b"]}',
        '{"6":["a","b"]}',
        '{"1":[[],{}]}',
        "[" * 2000,
        '{"1":["a"]}',
        "null",
        '{"1":["a",1e999]}',
    ],
    "_cvar": ['{"1":["a","b"]}', "{bad"],
    "search": ["shoes", "", " "],
    "search_cat": ["x", "[]"],
    "search_count": ["0", "-3", "many", "1e3", "nan", "inf"],
    "idgoal": ["1", "0", "99", "x", "9" * 40],
    "ec_id": ["o-1", "x" * 300],
    "revenue": ["5.5", "-1", "x", "1e300", "inf", "nan"],
    "e_c": ["c", ""],
    "e_a": ["a", ""],
    "e_n": ["n"],
    "e_v": ["1", "x", "1e400"],
    "download": ["http://example.org/f.zip", "x"],
    "link": ["http://other.example/", "://"],
    "country": ["fr", "usa", "x" * 300],
    "region": ["BE", "california"],
    "city": ["Köln", "x" * 200],
    "lat": ["22.456", "-0", "1e-300"],
    "long": ["-22.456", "180"],
    "gt_ms": ["123"],
    "pf_net": ["11", "x", "9" * 30],
    "bw_bytes": ["12345", "x", "9" * 30, "-5"],
    "new_visit": ["1", "0"],
    "bots": ["1", "0"],
    "ping": ["1"],
    "send_image": ["0", "1"],
    "debug": ["1"],
    "cs": ["ISO-8859-1", "utf-7", "nonsense"],
}
"""Values worth trying. `pf_srv` is left out: refused as negative, it leaves a visit that counts one action too many."""

ANSWERS = {
    (200, "image/gif"),
    (200, "text/html"),
    (204, None),
    (204, "text/html"),
    (400, "image/gif"),
    (400, "text/html"),
}

KINDS: Sequence[Mapping[str, bytes]] = [
    {},
    {"search": b"shoes"},
    {"e_c": b"c", "e_a": b"a"},
    {"idgoal": b"1"},
    {"idgoal": b"0", "ec_id": b"o-2"},
    {"download": b"http://example.org/f.zip"},
]

values = st.one_of(st.binary(max_size=12), st.text(max_size=8).map(lambda text: text.encode("utf-8", "surrogatepass")))


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    """A tracking request: mostly a good one, with odd values, and now and then broken bytes."""
    parameters = {"idsite": b"1", "rec": b"1", "url": b"http://example.org/p", "cdt": b"2024-01-10 10:00:00"}
    parameters |= {"ua": CHROME.encode(), **draw(st.sampled_from(KINDS))}
    for name in draw(st.lists(st.sampled_from(sorted(KNOWN)), max_size=6)):
        known = st.sampled_from(KNOWN[name]).map(lambda text: text.encode())
        parameters[name] = draw(st.one_of(known, known, values))
    query = b"&".join(name.encode() + b"=" + quote_from_bytes(value).encode() for name, value in parameters.items())
    if draw(st.integers(0, 9)) == 0:
        at, broken = (
            draw(st.integers(0, len(query))),
            draw(st.sampled_from([b"%", b"%zz", b"&&", b"=", b";", b"%FF", b"+"])),
        )
        query = query[:at] + broken + query[at + draw(st.integers(0, 3)) :]
    return query


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=9),
)
names = st.sampled_from(sorted(KNOWN))
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=6,
)
strings = queries().map(lambda query: "?" + query.decode("ascii"))
elements = st.one_of(strings, strings, documents)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    verdicts = judges()
    sites = (SiteSetup(1, "http://example.org", goals=frozenset({1})), SiteSetup(2, "http://second.example"))
    with Receiver(
        tmp_path / "db", is_bot=verdicts.is_bot, search_engine=verdicts.search_engine,
        grants={TOKEN: Grant(Level.SUPERUSER)}, sites=sites,
    ) as running:  # fmt: skip
        yield running


def send(connection: HTTPConnection, method: str, target: str, body: bytes) -> tuple[int, str | None, bytes]:
    connection.request(method, target, body)
    answer = connection.getresponse()
    media = answer.getheader("Content-Type")
    return answer.status, media.partition(";")[0] if media else None, answer.read()


def sound(database: Path) -> None:
    """Asserts what always holds of the store.

    An order that the site has already converts its visit and is not stored again.
    """
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute
        assert rows("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert rows("PRAGMA foreign_key_check").fetchall() == []
        assert (
            rows(
                "SELECT idaction FROM action JOIN visit USING (idvisit) WHERE action.idsite != visit.idsite"
            ).fetchall()
            == []
        )
        wrong = rows(
            "SELECT idvisit, visit.actions, searches, events, goal_converted,"
            " total(type NOT IN ('goal', 'order')) AS stored, total(type = 'search') AS found,"
            " total(type = 'event') AS happened, total(type IN ('goal', 'order')) AS converted"
            " FROM visit LEFT JOIN action USING (idvisit) GROUP BY idvisit"
            " HAVING visit.actions != stored OR searches != found OR events != happened"
            " OR goal_converted < (converted > 0)"
        ).fetchall()
        assert wrong == []
        assert rows("SELECT idvisit FROM visit WHERE first_action_time > last_action_time").fetchall() == []
        times = "____-__-__ __:__:__"
        assert rows("SELECT count(*) FROM action WHERE time NOT LIKE ?", (times,)).fetchall() == [(0,)]
        assert rows("SELECT idvisit FROM visit WHERE length(visitor) != 16").fetchall() == []


@pytest.mark.soak
def test_counts_are_right_after_random_batches(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(HTTPConnection(urlsplit(receiver.url).netloc, timeout=30)) as connection:

        @settings(
            max_examples=max(1, REQUESTS // BATCH // 2), database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        )  # fmt: skip
        @given(st.lists(elements, min_size=1, max_size=2 * BATCH))
        def batches(items: list[Any]) -> None:
            body = json.dumps({"requests": items, "token_auth": TOKEN}).encode()
            status, media, reply = send(connection, "POST", "/matomo.php", body)
            assert (status, media) in {(200, "application/json"), (500, "application/json")}, reply
            counts = json.loads(reply)
            assert counts["tracked"] + counts["invalid"] <= len(items)
            assert ("success" if status == 200 else "error") == counts["status"]

        batches()
    sound(tmp_path / "db")
    assert [record for record in caplog.records if record.exc_info] == []


def test_counts_are_right_after_random_single_requests(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(HTTPConnection(urlsplit(receiver.url).netloc, timeout=30)) as connection:

        @settings(
            max_examples=max(1, REQUESTS // 6), database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
        )  # fmt: skip
        @given(queries(), st.booleans(), st.booleans())
        def singles(query: bytes, with_token: bool, as_form: bool) -> None:
            text = query.decode("ascii") + (f"&token_auth={TOKEN}" if with_token else "")
            if as_form:
                answer = send(connection, "POST", "/piwik.php", text.encode())
            else:
                answer = send(connection, "GET", f"/piwik.php?{text}", b"")
            assert answer[:2] in ANSWERS, answer

        singles()
    sound(tmp_path / "db")
    assert [record for record in caplog.records if record.exc_info] == []


@given(st.binary(max_size=400), st.sampled_from(["/matomo.php", "/piwik.php", "/index.php", "/index.php?module=API"]))
@settings(
    max_examples=max(1, REQUESTS // 30), database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_a_random_body_never_fails_the_receiver(receiver: Receiver, body: bytes, target: str) -> None:
    with closing(HTTPConnection(urlsplit(receiver.url).netloc, timeout=30)) as connection:
        for content in (body, b'{"requests":' + body, b'{"requests":["' + body + b'"]}'):
            status, _, reply = send(connection, "POST", target, content)
            assert status in (200, 204, 400, 401), reply


def test_a_store_that_is_not_sound_is_noticed(receiver: Receiver, tmp_path: Path) -> None:
    with closing(HTTPConnection(urlsplit(receiver.url).netloc, timeout=30)) as connection:
        assert send(connection, "GET", "/matomo.php?idsite=1&rec=1&url=http://example.org/", b"")[0] == 200
    sound(tmp_path / "db")
    with closing(sqlite3.connect(tmp_path / "db")) as database, database:
        database.execute("UPDATE visit SET actions = actions + 1")
    with pytest.raises(AssertionError):
        sound(tmp_path / "db")
