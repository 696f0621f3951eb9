"""Random and mutated requests: no answer that a Matomo would not give, and a store that stays sound."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from log_importer.receiver import Receiver
from tests.conftest import TOKENS
from tests.tracking.test_tracking_api import BASE, PARAMETERS

SOAK = bool(os.environ.get("SOAK"))
BATCHES = 4000 if SOAK else 100
"""Of up to 50 requests: over 100,000 in all where it is a soak."""

NAMES = sorted({*BASE, *(name for parameters, *_ in PARAMETERS for name in parameters), "ping", "send_image", "ec_id"})
GOOD = st.sampled_from([parameters for parameters, *_ in PARAMETERS])
ODD = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "0", "-1", "1e999", "nan", "9" * 40, "\x00", "abc", "2024-13-45", "http://", "::::", "%", "[]", "{}"]
    ),
    st.integers(-(10**13), 10**13).map(str),
    st.binary(max_size=10).map(lambda raw: raw.decode("latin-1")),
)
SETS = st.dictionaries(st.sampled_from(NAMES), ODD, max_size=4)
REQUESTS = st.one_of(
    st.tuples(GOOD, SETS).map(lambda pair: BASE | pair[0] | pair[1]),
    SETS,
    st.text(max_size=60).map(lambda text: "?" + text),
    st.recursive(st.none() | st.booleans() | st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=4),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Receiver, Path]]:
    from log_importer.translation.bot_rules import judges
    from tests.conftest import GRANTS

    verdicts = judges()
    database = tmp_path_factory.mktemp("random") / "db"
    with Receiver(
        database, is_bot=verdicts.is_bot, search_engine=verdicts.search_engine, grants=GRANTS
    ) as receiver:  # fmt: skip
        yield receiver, database


def one(database: Path, sql: str) -> Any:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchone()[0]


@pytest.mark.soak
@settings(max_examples=BATCHES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(batch=st.lists(REQUESTS, min_size=20 if not SOAK else 30, max_size=50), token=st.sampled_from(TOKENS))
def test_a_random_batch_is_answered_and_the_store_stays_sound(
    place: tuple[Receiver, Path], batch: list[object], token: str
) -> None:
    receiver, database = place
    before = one(database, "SELECT count(*) FROM action")
    answer = requests.post(f"{receiver.url}/matomo.php", json={"requests": batch, "token_auth": token}, timeout=30)
    reply = answer.json()
    assert answer.status_code in (200, 500)
    assert reply["status"] == ("success" if answer.status_code == 200 else "error")
    counted = [item for item in batch if not (isinstance(item, str) and not item[1:])]
    assert reply["tracked"] + reply["invalid"] <= len(counted)
    if answer.status_code == 500:  # a value that a Matomo's database cannot hold: all of it is rolled back
        assert one(database, "SELECT count(*) FROM action") == before
    else:
        assert reply["tracked"] + reply["invalid"] == len(counted)
        assert one(database, "SELECT count(*) FROM action") <= before + reply["tracked"]
    orphans = "SELECT count(*) FROM action WHERE idvisit NOT IN (SELECT idvisit FROM visit)"
    assert one(database, orphans) == 0
    miscounted = """
        SELECT count(*) FROM visit WHERE actions < (
            SELECT count(*) FROM action WHERE action.idvisit = visit.idvisit AND type NOT IN ('goal', 'order'))
    """
    assert one(database, miscounted) == 0


@pytest.mark.parametrize("way", ["get", "post"])
def test_random_single_requests_never_fail_the_server(place: tuple[Receiver, Path], way: str) -> None:
    receiver, _ = place

    @settings(max_examples=150)
    @given(st.tuples(GOOD, SETS))
    def check(pair: tuple[dict[str, str], dict[str, str]]) -> None:
        send: Callable[..., requests.Response] = requests.get if way == "get" else requests.post
        url = f"{receiver.url}/matomo.php"
        sent = BASE | {"token_auth": TOKENS.superuser} | pair[0] | pair[1]
        answer = send(url, params=sent, timeout=10) if way == "get" else send(url, data=sent, timeout=10)
        assert answer.status_code in (200, 204, 400)

    check()
