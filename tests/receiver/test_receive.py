"""`log-importer receive` as a process of its own: it says how to reach it, takes many posts at once, and stops well."""

import re
import signal
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests

from tests.conftest import SAMPLES, Run, command, environment


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_takes_posts_at_the_same_time_and_stops_on_a_signal(
    number: signal.Signals, run: Run, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        command("receive", "--port", 0, "--state-dir", "state"), cwd=tmp_path, env=environment(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline() + process.stdout.readline()
    url, token = re.findall(r"http://[0-9.:]+", said)[0], said.split()[-1]

    def post(sender: int) -> int:
        queries = [
            "?"
            + urlencode({"idsite": 1, "rec": 1, "url": f"http://x.example/{sender}/{n}", "cip": f"192.0.2.{sender}"})
            for n in range(50)
        ]
        body = {"requests": queries, "token_auth": token}
        return int(requests.post(f"{url}/matomo.php", json=body, timeout=20).json()["tracked"])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(post, range(1, 17))) == [50] * 16
    done = run("import", "--url", url, "--idsite", 1, SAMPLES / "nginx-combined.log", LOG_IMPORTER_TOKEN_AUTH=token)
    assert done.code == 0, done.err
    process.send_signal(number)
    _, error = process.communicate(timeout=10)
    assert (process.returncode, error) == (0, "")
    with closing(sqlite3.connect(tmp_path / "state" / "receiver.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM action").fetchone() == (16 * 50 + 85,)
        assert connection.execute("SELECT sum(actions) FROM visit").fetchone() == (16 * 50 + 85,)
    held = [path for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert held == [], "the token lies nowhere"
