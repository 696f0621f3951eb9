"""What a server can answer: only what it said it tracked counts, nothing is lost, and twice only what is told."""

import itertools
import json
import random
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.conftest import TOKENS, Run
from tests.fault_receiver import fault_receiver
from tests.fault_server import Posted, Told, counted, good, serve, told_json
from tests.faults.common import (
    Keeper,
    accounted,
    arguments,
    door,
    first,
    keeping,
    log,
    mark,
    marks,
    marks_of,
    rows,
    says,
    send,
    watched,
)  # fmt: skip

PAGE = b"<!doctype html><title>Welcome</title>"
WARNING = b"<br />\n<b>Warning</b>: Undefined variable in <b>x.php</b> on line <b>1</b><br />\n"
ANSWER = b'{"status":"success","tracked":8,"invalid":0}'

DOUBTFUL = {
    "a page": Told(200, PAGE),
    "truncated JSON": Told(200, ANSWER[:-9]),
    "a reply cut short": Told(200, ANSWER, length=400),
    "a PHP warning before the JSON": Told(200, WARNING + ANSWER),
    "an empty 204": Told(204),
    "an empty 200": Told(200),
    "502": Told(502, PAGE),
    "504": Told(504, PAGE),
    "a reset": Told(reset=True),
    "a reset in mid-reply": Told(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n" + ANSWER[:20], reset=True),
    "a closed connection": Told(hang_up=True),
    "a time-out": Told(delay=3),
    "no HTTP": Told(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
}
"""Answers after which the server may have the batch, or not."""
ONE = ("--recorders", 1)
ROLLED_BACK = told_json({"status": "error", "tracked": 0, "invalid": 0}, 500)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[int], range]:
    """Writes `a.log` with so many lines."""

    def go(count: int) -> range:
        (tmp_path / "a.log").write_bytes(log(range(count)))
        return range(count)

    return go


Write = Callable[[int], range]


@pytest.mark.parametrize("kind", DOUBTFUL)
def test_what_was_stored_and_never_answered_is_posted_twice_at_most_and_held(kind: str, run: Run, write: Write) -> None:
    written = marks(write(8))
    with keeping(lambda keeper, posted: keeper.keep(posted, DOUBTFUL[kind])) as keeper:
        done = send(run, keeper.url, *ONE, "--request-timeout", 1, "a.log")
    accounted(done, keeper.stored, written, 1, in_doubt=8)
    assert keeper.attempts == Counter(dict.fromkeys(written, 2)), "once more, and then held"
    assert keeper.sizes == [8, 4, 4]
    says(done, "in doubt")


def test_what_goes_wrong_once_is_sent_once_more_and_called_maybe_twice(run: Run, write: Write) -> None:
    """Each way of going wrong once, stored or not; the summary knows which requests they were."""
    written = marks(write(400))
    doubted = set[str]()
    faults = [(told, stored) for told in DOUBTFUL.values() for stored in (True, False)]

    def fault(told: Told, stored: bool) -> Callable[[Keeper, Posted], Told]:
        def go(keeper: Keeper, posted: Posted) -> Told:
            doubted.update(marks_of(posted))
            return keeper.keep(posted, told) if stored else told

        return go

    with keeping(first(*itertools.starmap(fault, faults))) as keeper:
        done = send(
            run, keeper.url, "--recorders", 16, "--recorder-max-payload-size", 8, "--request-timeout", 1, "a.log"
        )
    accounted(done, keeper.stored, written, 1 if done.summary["in_doubt"] else 0, tracked=done.summary["tracked"],
              in_doubt=done.summary["in_doubt"])  # fmt: skip
    assert done.summary["maybe_twice"] + done.summary["in_doubt"] >= len(doubted)
    assert max(keeper.attempts.values()) == 2


@pytest.mark.parametrize("fault", ["html-after", "cut", "php-warning", "empty", "bad-gateway", "hang-up-after"])
def test_the_database_of_a_real_receiver_holds_what_is_held_in_doubt(
    fault: str, run: Run, write: Write, tmp_path: Path
) -> None:
    written = marks(write(8))
    with fault_receiver(tmp_path / "db", TOKENS.superuser, [fault]) as (place, _):
        done = send(run, place.url, *ONE, "a.log")
    accounted(done, rows(tmp_path / "db"), written, 1, in_doubt=8)


def test_a_proxy_that_gives_up_before_its_server_stores_no_batch_more_than_twice(run: Run, write: Write) -> None:
    """The server finishes and commits after the proxy has answered 504, as servers do."""
    written = marks(write(16))
    finishing: list[threading.Timer] = []

    def impatient(keeper: Keeper, posted: Posted) -> Told:
        finishing.append(threading.Timer(2, keeper.keep, [posted]))
        finishing[-1].start()
        return Told(504, PAGE, delay=1)

    with keeping(impatient) as keeper:
        done = send(run, keeper.url, "--recorder-max-payload-size", 8, "a.log")
        for one in finishing:
            one.join()
        accounted(done, keeper.stored, written, 1, in_doubt=16)
        assert keeper.stored == Counter(dict.fromkeys(written, 2))
    says(done, "504", "in doubt")


def test_a_server_that_answers_half_a_batch_in_time_gets_no_whole_one_twice(run: Run, write: Write) -> None:
    """A fifth of a second a request, and a proxy that waits for one second."""
    written = marks(write(16))

    def slow(keeper: Keeper, posted: Posted) -> Told:
        count, seconds = len(posted.queries), 0.2 * len(posted.queries)
        return keeper.keep(
            posted, Told(504, PAGE, delay=1) if seconds > 1 else Told(200, counted(count).body, delay=seconds)
        )

    with keeping(slow) as keeper:
        done = send(run, keeper.url, *ONE, "--recorder-max-payload-size", 8, "a.log")
        accounted(done, keeper.stored, written, 0, tracked=16)
    assert done.summary["maybe_twice"] == keeper.stored.total() - 16


def test_the_summary_says_which_lines_are_in_doubt(run: Run, write: Write) -> None:
    write(3)
    with keeping(lambda _, posted: Told(200, PAGE) if mark(1) in marks_of(posted) else None) as keeper:
        done = run(
            *(one for one in arguments(keeper.url, *ONE, "--recorder-max-payload-size", 1, "a.log") if one != "--json"),
            LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin,
        )  # fmt: skip
    assert "Held in doubt: a.log, line 2\n" in done.out


def test_tracking_that_is_switched_off_for_a_while_is_waited_for(run: Run, write: Write) -> None:
    written = marks(write(8))
    with keeping() as keeper:
        off = [counted(0), counted(0), counted(0)]  # to the batch, to the ping that follows, to the batch again

        def script(posted: Posted) -> Told:
            return off.pop() if off and keeper.server.bulk else keeper(posted)

        keeper.server.script = script
        done = send(run, keeper.url, *ONE, "a.log")
        accounted(
            done, keeper.stored, written, done.code, tracked=done.summary["tracked"], refused=done.summary["refused"]
        )
    says(done, "is tracking switched off there?")
    assert (done.code, done.summary["refused"]) in ((0, 0), (1, 8))


def test_tracking_that_stays_switched_off_ends_the_run_with_all_pending(run: Run, write: Write) -> None:
    write(8)
    with keeping() as keeper:
        keeper.server.script = lambda posted: counted(0) if keeper.server.bulk else good(posted)
        done = send(run, keeper.url, *ONE, "--give-up-after", 2, "a.log")
    accounted(done, keeper.stored, [], 5, pending=8)
    says(done, "is tracking switched off there?")


def test_a_lost_batch_is_told_from_tracking_switched_off(run: Run, write: Write) -> None:
    written = marks(write(8))
    with keeping(first(counted(0))) as keeper:
        done = send(run, keeper.url, *ONE, "--recorder-max-payload-size", 4, "a.log")
        accounted(done, keeper.stored, written, 1, tracked=4, refused=4)
        assert keeper.sizes == [4, 4], "what the server dropped is not posted again"
    assert done.summary["reasons"]["refused"] == {"load": 4}


def test_requests_dropped_without_a_word_are_refused_and_not_posted_again(
    run: Run, write: Write, tmp_path: Path
) -> None:
    written = marks(write(8))
    with fault_receiver(tmp_path / "db", TOKENS.superuser, ["shortfall=3"]) as (place, _):
        done = send(run, place.url, *ONE, "a.log")
        assert [len(posted.queries) for posted in place.bulk] == [8]
    accounted(done, rows(tmp_path / "db"), written, 1, tracked=5, refused=3)
    assert done.summary["reasons"]["refused"] == {"load": 3}
    says(done, "dropped 3 of 8 requests without a word; it is overloaded")


@pytest.mark.parametrize("named", [True, False])
def test_invalid_requests_are_refused_and_named_where_the_server_does(named: bool, run: Run, write: Write) -> None:
    write(8)
    bad = [mark(2), mark(5)]

    def picky(keeper: Keeper, posted: Posted) -> Told:
        indices = [index for index, one in enumerate(marks_of(posted)) if one in bad]
        keeper.stored.update(one for one in marks_of(posted) if one not in bad)
        return counted(len(posted.queries) - len(indices), len(indices), indices if named else None)

    with keeping(picky) as keeper:
        done = send(run, keeper.url, *ONE, "a.log")
        accounted(done, keeper.stored, marks(range(8)) - set(bad), 1, tracked=6, refused=2)
        assert keeper.sizes == [8]
        more = ["import", "--url", keeper.url, "--idsite", 1, "--state-dir", "second", *ONE, "a.log"]
        shown = run(*more, LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser).out
    assert done.summary["reasons"]["refused"] == {"invalid": 2}
    if named:
        assert "Refused by the server: a.log, line 3, 6\n" in shown
    else:
        says(done, "only tells a superuser's token which they are")


def test_lines_that_the_server_did_not_name_are_not_named(run: Run, write: Write) -> None:
    write(8)
    with keeping(first(lambda keeper, posted: keeper.keep(posted, counted(6, 2)))) as keeper:
        more = ["import", "--url", keeper.url, "--idsite", 1, "--state-dir", "state", *ONE, "a.log"]
        done = run(*more, LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)
    assert "refused                2  invalid 2\n" in done.out
    assert "Refused by the server" not in done.out


def test_a_batch_that_was_rolled_back_is_posted_again_whole(run: Run, write: Write) -> None:
    written = marks(write(8))
    page = Told(200, b"Error:SQLSTATE[HY000]: General error: 2006 MySQL server has gone away")
    with keeping(first(ROLLED_BACK, page, ROLLED_BACK)) as keeper:
        done = send(run, keeper.url, *ONE, "a.log")
        accounted(done, keeper.stored, written, 0, tracked=8)
        assert len({posted.body for posted in keeper.server.bulk}) == 1, "nothing is trimmed"
    assert (len(keeper.times), done.summary["maybe_twice"]) == (4, 0)
    says(done, "stored none of it (status 500")


def test_when_all_is_invalid_before_anything_was_tracked_the_run_stops(run: Run, write: Write) -> None:
    write(20)
    with keeping(lambda _, posted: counted(0, len(posted.queries))) as keeper:
        done = send(run, keeper.url, *ONE, "--recorder-max-payload-size", 5, "a.log")
        assert keeper.sizes == [5]
    accounted(done, keeper.stored, [], 4, refused=5, pending=15)
    says(done, "refused all 5 requests as invalid: the token, its rights, or the site is wrong")


def test_a_batch_that_is_all_invalid_later_is_refused_and_the_run_goes_on(run: Run, write: Write) -> None:
    written = marks(write(20))
    with keeping(first(lambda *_: None, lambda _, posted: counted(0, len(posted.queries)))) as keeper:
        done = send(run, keeper.url, *ONE, "--recorder-max-payload-size", 5, "a.log")
    accounted(done, keeper.stored, written, 1, tracked=15, refused=5)


def _date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("status", [408, 429, 503])
@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("2", 2.0, 4.0), ("date", 1.9, 5.0), ("-7", 0.0, 2.0), ("soon", 0.0, 2.0), ("", 0.0, 2.0)],
    ids=["seconds", "date", "negative", "nonsense", "none"],
)
def test_a_busy_server_is_posted_to_again_when_it_said(
    status: int, value: str, least: float, most: float, run: Run, write: Write
) -> None:
    written = marks(write(8))

    def busy(_keeper: Keeper, _posted: Posted) -> Told:
        named = _date(3) if value == "date" else value
        return Told(status, b"busy", {"Retry-After": named} if named else {})

    with keeping(first(busy)) as keeper:
        done = send(run, keeper.url, *ONE, "a.log")
    accounted(done, keeper.stored, written, 0, tracked=8)
    assert least <= keeper.times[1] - keeper.times[0] <= most
    assert (keeper.stored.total(), done.summary["maybe_twice"]) == (8, 0)
    says(done, f"The server is busy (status {status}")


def test_an_absurd_retry_after_holds_nobody_longer_than_give_up_after(run: Run, write: Write) -> None:
    write(8)
    with keeping(lambda *_: Told(503, b"busy", {"Retry-After": "99999999999999"})) as keeper:
        done = send(run, keeper.url, *ONE, "--give-up-after", 2, "a.log", timeout=15)
    accounted(done, keeper.stored, [], 5, pending=8)
    says(done, "The server is busy (status 503")


def test_a_post_too_large_is_halved_until_it_fits(run: Run, write: Write) -> None:
    written = marks(write(40))
    with keeping(lambda _, posted: Told(413, PAGE) if len(posted.queries) > 6 else None) as keeper:
        done = send(run, keeper.url, *ONE, "a.log")
        assert max(size for size in keeper.sizes if size <= 6) == 5
    accounted(done, keeper.stored, written, 0, tracked=40)
    assert (keeper.stored.total(), done.summary["maybe_twice"]) == (40, 0)


POISON: dict[str, Told] = {
    "413": Told(413, PAGE),
    "400": Told(400, PAGE),
    "400 with JSON": told_json({"status": "error", "tracked": 0, "invalid": 0}, 400),
    "500 with JSON": told_json({"status": "error", "tracked": 1, "invalid": 0}, 500),
}


@pytest.mark.parametrize("kind", POISON)
def test_every_request_but_the_one_that_makes_the_server_fail_arrives_once(kind: str, run: Run, write: Write) -> None:
    written = marks(write(16)) - {mark(5)}
    with keeping(lambda _, posted: POISON[kind] if mark(5) in marks_of(posted) else None) as keeper:
        done = send(run, keeper.url, *ONE, "a.log")
    assert keeper.stored == Counter(dict.fromkeys(written, 1))
    assert (done.code, done.summary["tracked"], done.summary["maybe_twice"]) == (1, 15, 0)


@pytest.mark.parametrize("kind", POISON)
@pytest.mark.parametrize("count", [1, 16])
def test_a_request_that_makes_the_server_fail_is_set_aside(kind: str, count: int, run: Run, write: Write) -> None:
    bad = mark(count // 3)
    written = marks(write(count)) - {bad}
    with keeping(lambda _, posted: POISON[kind] if bad in marks_of(posted) else None) as keeper:
        done = send(run, keeper.url, *ONE, "a.log")
    accounted(done, keeper.stored, written, 1, tracked=count - 1, set_aside=1)


@pytest.mark.parametrize("kind", ["400", "400 with JSON", "500 with JSON"])
def test_when_no_request_is_taken_it_is_none_of_them_and_the_run_stops(kind: str, run: Run, write: Write) -> None:
    """The server answers pings; ten requests that it does not take, none between them, are enough."""
    write(200)
    with keeping(lambda *_: POISON[kind]) as keeper:
        done = send(run, keeper.url, *ONE, "--retry-delay", 0.01, "a.log")
        assert len(keeper.sizes) < 200
    accounted(done, keeper.stored, [], 4, set_aside=10, pending=190)
    says(done, f"status {kind[:3]}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["api", "ping", "batch"])
def test_a_redirect_ends_the_run_and_no_byte_goes_to_the_other_host(
    status: int, place: str, run: Run, write: Write
) -> None:
    written = marks(write(20))
    with serve() as other, keeping() as keeper:
        redirect = Told(status, b"moved", {"Location": f"{other.url}/piwik.php"})

        def script(posted: Posted) -> Told:
            here = "api" if "/index.php" in posted.path else "ping" if b"ping=1" in posted.body else "batch"
            moved = here == place and (here != "batch" or len(keeper.times) == 1)
            return redirect if moved else keeper(posted)

        keeper.server.script = script
        done = send(run, keeper.url, *ONE, "--recorder-max-payload-size", 5, "a.log")
        assert (other.posted, other.connections) == ([], 0)
        says(done, "redirects", f"{other.url}/piwik.php", "--url")
    if place == "batch":
        accounted(done, keeper.stored, written, 4, tracked=5, pending=15)
    else:
        accounted(done, keeper.stored, [], 4)


@pytest.mark.parametrize("part", ["body", "head"])
def test_a_reply_at_a_byte_a_second_has_a_deadline(part: str, run: Run, write: Write) -> None:
    written = marks(write(8))
    drip = Told(200, ANSWER, drip=1) if part == "body" else Told(200, ANSWER, drip_head=1)
    with keeping(first(lambda keeper, posted: keeper.keep(posted, drip))) as keeper:
        done = send(run, keeper.url, *ONE, "--request-timeout", 2, "a.log", timeout=30)
    accounted(done, keeper.stored, written, 0, tracked=8)
    assert done.summary["maybe_twice"] == 8


def swollen(size: int) -> bytes:
    """A gzip of so many zero bytes."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(size >> 20)) + squeeze.flush()


@pytest.mark.parametrize("place", ["api", "batch"])
@pytest.mark.parametrize("kind", ["endless", "bomb"])
def test_an_endless_reply_and_one_that_swells_are_cut_in_bounded_memory(
    kind: str, place: str, write: Write, tmp_path: Path
) -> None:
    write(8)
    huge = (
        Told(200, bytes(1_000_000), repeat=5000)
        if kind == "endless"
        else Told(200, swollen(300 << 20), {"Content-Encoding": "gzip"})
    )
    with keeping(lambda *_: huge) as keeper:
        if place == "api":
            keeper.server.script = lambda _: huge
        began = time.monotonic()
        with watched(tmp_path, *arguments(keeper.url, *ONE, "--give-up-after", 8, "a.log")) as process:
            done = process.end()
            assert process.peak < 150 << 20
    assert time.monotonic() - began < 30
    if place == "api":
        accounted(done, keeper.stored, [], 5)
    else:
        accounted(done, keeper.stored, [], 1, in_doubt=8)
    says(done)


def test_a_kept_connection_that_the_server_closed_leaves_no_doubt(run: Run, write: Write) -> None:
    written = marks(write(40))

    def closing(keeper: Keeper, posted: Posted) -> Told:
        answer = keeper.keep(posted)
        answer.close = True
        return answer

    # On a busy machine a post may set out at the very instant of the closing, and nobody can know; not three times.
    told = []
    for attempt in range(3):
        with keeping(closing) as keeper:
            done = send(
                run,
                keeper.url,
                "--state-dir",
                f"state{attempt}",
                "--recorders",
                4,
                "--recorder-max-payload-size",
                2,
                "a.log",
            )
        accounted(done, keeper.stored, written, 0, tracked=40)
        told.append((keeper.stored.total(), done.summary["maybe_twice"], done.err))
        if told[-1] == (40, 0, ""):
            return
    pytest.fail(f"every run met a closed connection: {told}")


def test_a_server_half_of_whose_answers_are_refusals_gets_all_exactly_once(run: Run, write: Write) -> None:
    written = marks(write(150))
    chance = random.Random(4)
    lock = threading.Lock()
    busy: list[Callable[[], Told]] = [
        lambda: Told(503, PAGE), lambda: Told(429, PAGE, {"Retry-After": "1"}), lambda: ROLLED_BACK,
        lambda: Told(429, PAGE), lambda: Told(200, b"Error:SQLSTATE[HY000] [2002] Connection refused"),
    ]  # fmt: skip
    failed = 0

    with keeping() as keeper, door(keeper.url) as entrance:

        def moody(keeper: Keeper, posted: Posted) -> Told:
            nonlocal failed
            with lock:
                failed += (fails := chance.random() < 0.5)
                told = chance.choice(busy)() if fails else keeper.keep(posted)
                shut = fails and failed % 5 == 0
            if shut:
                entrance.shut()  # and who comes meanwhile is refused
                threading.Timer(0.3, entrance.open).start()
            told.headers = told.headers | {"Connection": "close"}
            return told

        keeper.fault = moody
        done = send(
            run, entrance.url, "--retry-delay", 0.2, "--recorders", 6, "--recorder-max-payload-size", 5, "a.log",
            timeout=150,
        )  # fmt: skip
    accounted(done, keeper.stored, written, 0, tracked=150)
    assert keeper.stored == Counter(dict.fromkeys(written, 1))
    assert (failed > 10, done.summary["maybe_twice"]) == (True, 0)


def test_a_connection_that_is_reset_before_its_post_is_read_costs_nothing(run: Run, write: Write) -> None:
    """To us it is in doubt where all of it was on its way, so that it is posted again; and stored once."""
    written = marks(write(150))
    due = [0, 50, 100]  # stored hits at which the next post is reset: those between are enough to be sent once more
    with keeping() as keeper:

        def early(posted: Posted) -> Told | None:
            if int(posted.headers.get("Content-Length", 0)) < 700:  # the check before the first batch
                return None
            if not due or keeper.stored.total() < due[0]:
                return None
            due.pop(0)
            return Told(reset=True)

        keeper.server.early = early
        done = send(run, keeper.url, *ONE, "--recorder-max-payload-size", 10, "a.log")
    accounted(done, keeper.stored, written, 0, tracked=150)
    assert (due, keeper.stored) == ([], Counter(dict.fromkeys(written, 1)))


def test_a_server_that_gets_slower_is_spared_and_used_again_when_it_is_not(run: Run, write: Write) -> None:
    """With `--recorders` unset; what is exact stays so."""
    written = marks(write(600))
    under_way, most, lock = 0, Counter[str](), threading.Lock()
    processors = threading.Semaphore(4)

    def phase(posts: int) -> str:
        return "slow" if 40 <= posts < 60 else "before" if posts < 40 else "after"

    def server(keeper: Keeper, posted: Posted) -> Told:
        nonlocal under_way
        with lock:
            under_way += 1
            now = phase(len(keeper.times))
            most[now] = max(most[now], under_way)
        with processors:
            time.sleep(0.2 if now == "slow" else 0.02)
        with lock:
            under_way -= 1
        return keeper.keep(posted)

    with keeping(server) as keeper:
        done = send(run, keeper.url, "--recorder-max-payload-size", 5, "a.log")
    accounted(done, keeper.stored, written, 0, tracked=600)
    assert keeper.stored == Counter(dict.fromkeys(written, 1))
    assert set(most) == {"before", "slow", "after"}


NASTY = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202egnp\u2066\u200f\x7f\x08\r\n"


def _api_error(text: str) -> Told:
    return told_json({"result": "error", "message": text}, 401)


@pytest.mark.parametrize("place", ["api", "ping", "batch"])
@pytest.mark.parametrize("kind", ["page", "error", "redirect", "no http"])
def test_neither_controls_nor_the_token_come_out_of_a_reply(
    kind: str, place: str, run: Run, write: Write, tmp_path: Path
) -> None:
    """The server says back what it was sent, with what a terminal would act on."""
    write(4)

    def script(posted: Posted) -> Told:
        here = "api" if "/index.php" in posted.path else "ping" if b"ping=1" in posted.body else "batch"
        if here != place:
            return good(posted)
        said = f"{NASTY}{posted.body.decode()}{TOKENS.superuser}"
        answers: dict[str, Callable[[], Told]] = {
            "page": lambda: Told(200, said.encode()),
            "error": lambda: _api_error(said) if here == "api" else Told(403, said.encode()),
            "redirect": lambda: Told(
                302, said.encode(), {"Location": f"http://x.example/{NASTY[:-2]}?{TOKENS.superuser}"}
            ),
            "no http": lambda: Told(raw=said.encode()),
        }
        return answers[kind]()

    with serve(script) as server:
        for state, more in ("a", ["--json"]), ("b", []):
            done = run(
                "import", "--url", server.url, "--idsite", 1, "--state-dir", state, *ONE, "--request-timeout", 2,
                "--give-up-after", 4, *more, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser,
            )  # fmt: skip
            assert done.code in (1, 4, 5)
            printed = done.out + done.err
            assert {one for one in printed if not one.isprintable()} == {"\n"}
            assert TOKENS.superuser not in printed
        assert not any(TOKENS.superuser in posted.path + json.dumps(posted.headers) for posted in server.posted)
    holding = [one for one in tmp_path.rglob("*") if one.is_file() and TOKENS.superuser.encode() in one.read_bytes()]
    assert holding == []
