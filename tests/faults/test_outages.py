"""A tracker that goes away for a while, and a firewall in front of one: nothing is lost, twice, held, or split."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Run, missing
from tests.fault_server import Posted, Told, good, serve, told_json
from tests.faults.common import (
    SOAK,
    Door,
    Keeper,
    accounted,
    arguments,
    door,
    keeping,
    log,
    mark,
    marks,
    marks_of,
    says,
    send,
    watched,
)
from tests.sample_servers.process import free_port

PAGE = b"<html><head><title>Error</title></head><body><center><h1>Error</h1></center><hr>nginx</body></html>"
AWAY = {
    "502": Told(502, PAGE),
    "503": Told(503, PAGE),
    "504": Told(504, PAGE),
    "a 500 page": Told(500, PAGE),
    "Cloudflare's 521": Told(521, PAGE),
    "a 200 page": Told(200, PAGE),
    "500 with JSON": told_json({"status": "error", "tracked": 0, "invalid": 0}, 500),
    "no answer": Told(hang_up=True),
}
SIZE = 40
LINES = 4000
QUICK = ("--retry-delay", 0.2, "--recorder-max-payload-size", SIZE)


class Leaving(Keeper):
    """A tracker that goes away behind its proxy after some batches, and is back after some seconds."""

    def __init__(self, told: Told, after: int, seconds: float) -> None:
        super().__init__(lambda *_: None)
        self._told, self._after, self._seconds = told, after, seconds
        self._left: float | None = None
        self._guard = threading.Lock()

    def __call__(self, posted: Posted) -> Told:
        if b'"requests"' not in posted.body:
            return good(posted)
        with self._guard:
            if self._left is None and len(self.times) >= self._after:
                self._left = time.monotonic()
            away = self._left is not None and time.monotonic() - self._left < self._seconds
        return self._told if away else super().__call__(posted)


@pytest.mark.parametrize("kind", AWAY)
def test_a_tracker_that_goes_away_for_a_while_costs_some_pings_and_nothing_else(
    kind: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(log(range(LINES)))
    leaving = Leaving(AWAY[kind], after=10, seconds=2.5)
    with serve(leaving) as server:
        leaving.server = server
        done = send(run, server.url, *QUICK, "a.log")
        posts = len(server.bulk)
        sizes = sorted(leaving.sizes)
    accounted(done, leaving.stored, marks(range(LINES)), 0, tracked=LINES)
    assert leaving.stored.total() == LINES
    assert posts <= 1.1 * LINES / SIZE + 16, "as many posts as without, but for those under way when it left"
    assert sizes[len(sizes) // 2] == SIZE, "what follows is not split"


def test_one_bad_gateway_does_not_make_the_rest_small(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(LINES)))
    answers = [Told(502, PAGE)]
    with keeping(lambda *_: answers.pop() if answers else None) as keeper:
        done = send(run, keeper.url, *QUICK, "a.log")
        sizes = keeper.sizes
    accounted(done, keeper.stored, marks(range(LINES)), 0, tracked=LINES)
    assert done.summary["maybe_twice"] == SIZE
    assert len(sizes) <= LINES / SIZE + 6


@pytest.mark.parametrize("kind", ["502", "a 500 page", "503", "a 200 page"])
def test_an_error_page_for_ever_ends_the_run_after_give_up_after(kind: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(400)))
    leaving = Leaving(AWAY[kind], after=2, seconds=1e9)
    began = time.monotonic()
    with serve(leaving) as server:
        leaving.server = server
        done = send(run, server.url, *QUICK, "--recorders", 2, "--give-up-after", 3, "a.log")
        assert len(server.bulk) <= 2 + 2, "nobody posts while the server is away"
    assert time.monotonic() - began < 20
    assert done.code == 5
    assert done.summary["tracked"] == len(leaving.stored) == 2 * SIZE
    assert done.summary["set_aside"] == 0
    says(done, "nothing is sent until it answers")


@contextmanager
def nginx_before(tracker: Door, folder: Path) -> Iterator[str]:
    """The URL of a real nginx that passes all on to the tracker."""
    if shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
        missing("nginx")
    port = free_port()
    folder.mkdir()
    (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{ access_log {folder}/access.log; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {tracker.url}; }} }} }}""")
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    process = subprocess.Popen([str(program), "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.soak
@pytest.mark.parametrize("seconds", [12, 60] if SOAK else [4])
@pytest.mark.parametrize("follow", [False, True], ids=["import", "follow"])
def test_a_real_nginx_whose_tracker_goes_away(follow: bool, seconds: int, tmp_path: Path) -> None:
    source = tmp_path / "a.log"
    source.write_bytes(log(range(LINES)))

    def slow(_keeper: Keeper, _posted: Posted) -> None:
        time.sleep(0.02)

    with keeping(slow) as keeper, door(keeper.url) as tracker, nginx_before(tracker, tmp_path / "nginx") as url:
        options = ["--follow", "--flush-after", 0.5] if follow else []
        with watched(tmp_path, *arguments(url, *QUICK, *options, "a.log")) as one:
            wait(lambda: len(keeper.times) >= 20)
            tracker.shut()
            time.sleep(seconds)
            tracker.open()
            if follow:
                with source.open("ab") as file:
                    file.write(log(range(LINES, LINES + 100)))
                wait(lambda: len(keeper.stored) == LINES + 100, 90)
                one.process.terminate()
            done = one.end(120)
        written = LINES + 100 * follow
        accounted(done, keeper.stored, marks(range(written)), 143 if follow else 0, tracked=written)
        assert keeper.stored.total() == written
        assert len(keeper.sizes) <= 1.1 * written / SIZE + 16


def wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


FIREWALL = {
    **{str(status): Told(status, PAGE) for status in (401, 403, 404, 405, 406, 410, 412, 415, 418, 422, 451, 493, 501)},
    "F5's page": Told(200, b"<html><title>Request Rejected</title><body>The requested URL was rejected.</body></html>"),
}


@pytest.mark.parametrize("kind", FIREWALL)
@pytest.mark.parametrize("follow", [False, True], ids=["import", "follow"])
def test_one_hit_that_a_firewall_dislikes_is_set_aside_and_all_else_is_stored(
    kind: str, follow: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(log(range(200)))
    bad = mark(77)
    with keeping(lambda _, posted: FIREWALL[kind] if bad in marks_of(posted) else None) as keeper:
        options = ["--follow", "--flush-after", 0.5] if follow else []
        with watched(tmp_path, *arguments(keeper.url, *QUICK, *options, "a.log")) as one:
            if follow:
                wait(lambda: len(keeper.stored) == 199)
                time.sleep(1.5)
                one.process.terminate()
            done = one.end()
        assert max(keeper.attempts.values()) <= 10, "a firewall is not asked again and again"
    accounted(done, keeper.stored, marks(range(200)) - {bad}, 143 if follow else 1, tracked=199, set_aside=1)
    assert keeper.stored.total() == 199


@pytest.mark.parametrize("status", [401, 403, 404])
def test_where_the_ping_is_refused_too_the_run_stops_and_says_so(status: int, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(200)))
    leaving = Leaving(Told(status, PAGE), after=2, seconds=1e9)
    with serve(leaving) as server:
        leaving.server = server
        done = send(run, server.url, *QUICK, "--recorders", 1, "a.log")
        assert len(server.bulk) == 3
    stored = leaving.stored.total()
    assert stored == sum(leaving.sizes[:2]) > 0
    accounted(done, leaving.stored, marks(range(200)), 4, tracked=stored, pending=200 - stored)
    says(done, f"status {status}")
