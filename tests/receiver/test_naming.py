"""Browsers and systems get their names after the hits, and hits never wait for them."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import requests

from log_importer.receiver import Receiver
from log_importer.receiver.naming import name_agents
from tests.conftest import TOKENS

CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0"
HIT = {"idsite": "1", "rec": "1", "url": "http://example.org/", "token_auth": TOKENS.superuser}

RECEIVE = """
import sys
from pathlib import Path
from log_importer.receiver import Receiver

receiver = Receiver(Path(sys.argv[1]), is_bot=lambda _: False, search_engine=lambda _: False)
print(receiver.url, flush=True)
receiver.run()
"""


def rows(database: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def hit(url: str, **changes: str) -> None:
    assert requests.get(f"{url}/matomo.php", HIT | changes, timeout=10).status_code == 200


def test_a_user_agent_is_named_once_and_found_from_its_visits(
    receive: Callable[[Path], Receiver], tmp_path: Path
) -> None:
    receiver = receive(tmp_path / "db")
    for agent in (CHROME, FIREFOX, CHROME):
        hit(receiver.url, ua=agent, new_visit="1")
    assert rows(tmp_path / "db", "SELECT count(*), count(browser) FROM agent") == [(2, 0)]
    assert name_agents(tmp_path / "db") == 2
    assert name_agents(tmp_path / "db") == 0
    sql = (
        "SELECT browser, browser_version, os, device_type, count(*) FROM visit JOIN agent USING (user_agent) GROUP BY 1"
    )
    assert rows(tmp_path / "db", sql) == [("CH", "120.0", "WIN", "desktop", 2), ("FF", "115.0", "LIN", "desktop", 1)]


def test_a_batch_that_is_rolled_back_leaves_no_user_agent(receive: Callable[[Path], Receiver], tmp_path: Path) -> None:
    receiver = receive(tmp_path / "db")
    poisoned = [{**HIT, "ua": CHROME}, {**HIT, "ua": FIREFOX, "lat": "abc"}]
    answer = requests.post(
        f"{receiver.url}/matomo.php", json={"requests": poisoned, "token_auth": TOKENS.superuser}, timeout=10
    )
    assert answer.status_code == 500
    assert rows(tmp_path / "db", "SELECT * FROM agent") == []


def test_a_receiver_that_runs_for_long_names_them_by_itself_and_still_ends(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RECEIVE, tmp_path / "db"], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        try:
            assert process.stdout is not None
            hit(process.stdout.readline().strip(), ua=CHROME)
            end = time.monotonic() + 30
            while not (named := rows(tmp_path / "db", "SELECT browser FROM agent WHERE browser IS NOT NULL")):
                assert time.monotonic() < end
                time.sleep(0.1)
            assert named == [("CH",)]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)
