"""Lanes and sender against a real server that misbehaves: what was sent, in which order, and how it is counted."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.delivery.context import Delivery, Post
from log_importer.delivery.dates import Dates
from log_importer.delivery.lanes import LANES, Lanes
from log_importer.delivery.outage import Outage
from log_importer.delivery.pace import Pace
from log_importer.delivery.sender import Sender
from log_importer.delivery.server import Server
from log_importer.model import Outcome, Request
from log_importer.model.errors import LogImporterError, ServerRefused, ServerUnreachable
from log_importer.model.rows import Requests
from log_importer.tracking.bulk import body
from tests.fault_server import FaultServer, Posted, Told, counted, good, serve, told_json

TOKEN = "0" * 32


def request(number: int, visitor: int = 1, agent: int = 1, time: float = 0.0, source: int = 0) -> Request:
    return Request(source, number, number * 100, time, visitor, agent, 1, b"?idsite=1&rec=1&n=%d" % number)


class Books:
    """The buckets in which requests end, and which posts were meant."""

    def __init__(self) -> None:
        self.settled: list[tuple[int, str, str, bool]] = []
        self.answers: list[str] = []
        self.intents: dict[int, set[int]] = {}
        self.released: list[set[int]] = []
        self._number = 0
        self._lock = threading.Lock()

    def intend(self, requests: Sequence[Request], _witnesses: Sequence[Request] = ()) -> int:
        with self._lock:
            self._number += 1
            self.intents[self._number] = {one.number for one in requests}
            return self._number

    def release(self, batch: int) -> None:
        with self._lock:
            self.released.append(self.intents.pop(batch))

    def doubt(self, requests: Sequence[Request]) -> None:
        self.settled += [(one.number, "in_doubt", "", False) for one in requests]

    def settle(self, outcomes: Iterable[Outcome], batch: int | None = None) -> None:
        self.intents.pop(batch or 0, None)
        for requests, bucket, reason, answer, *_ in outcomes:
            doubted = {one.number for one in requests if one.doubts}
            self.settled = [entry for entry in self.settled if entry[0] not in doubted]
            self.settled += [(one.number, bucket, reason, one.doubts > 0) for one in requests]
            self.answers += [answer] if answer else []


class Bench:
    """A sender posting to a real server, and the buckets in which requests end."""

    def __init__(self, server: FaultServer, *, size: int = 4, recorders: int = 1, give_up_after: float = 5.0) -> None:
        self.books = Books()
        self.said: list[str] = []
        self._server = Server(server.url, TOKEN, request_timeout=1)
        self.dates = Dates({(1, "1970-01-01")}, {1: "UTC"}, lambda _: None)
        abort = threading.Event()
        outage = Outage(abort, give_up_after, 0, 1.0, self.said.append)
        pace = Pace(recorders, size=size)
        delivery = Delivery(self.books, self.dates, pace, self.said.append, outage, abort=abort)
        self.halt = threading.Event()
        self.sender = Sender(Lanes(lambda: size, 900_000), delivery, self._connect, self.halt, threading.Event())

    @property
    def settled(self) -> list[tuple[int, str, str, bool]]:
        return self.books.settled

    def _connect(self) -> Post:
        session = self._server.session()
        return lambda queries: session.post(body(queries, TOKEN))

    def send(self, requests: Sequence[Request]) -> LogImporterError | None:
        try:
            self.sender.put([one._replace(lane=one.visitor) for one in requests])
            self.sender.flush(30)
        except LogImporterError as error:
            return error
        finally:
            self.sender.close()
            self._server.close()
        return None

    @property
    def buckets(self) -> Counter[tuple[str, str]]:
        return Counter((bucket, reason) for _, bucket, reason, _ in self.settled)


def once(then: Callable[[Posted], Told], first: Told) -> Callable[[Posted], Told]:
    """Answers the first bulk request with `first`, all others with `then`."""
    left = [first]
    return lambda posted: left.pop() if left and b"ping=1" not in posted.body else then(posted)


def test_all_is_tracked_over_one_kept_connection() -> None:
    with serve() as server:
        bench = Bench(server)
        assert bench.send([request(number) for number in range(10)]) is None
        assert bench.buckets == {("tracked", ""): 10}
        assert [len(posted.queries) for posted in server.bulk] == [4, 4, 2]
        assert {posted.path for posted in server.bulk} == {"/piwik.php?queuedtracking=0"}
        assert not any(TOKEN in posted.path or TOKEN in str(posted.headers) for posted in server.posted)


def test_while_what_came_of_a_batch_is_written_down_the_next_is_posted_and_only_one_at_a_time() -> None:
    under_way, most = 0, 0

    def alone(posted: Posted) -> Told:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        time.sleep(0.02)
        under_way -= 1
        return good(posted)

    with serve(alone) as server:
        bench = Bench(server)
        settle = bench.books.settle
        posted_then: list[int] = []

        def slowly(outcomes: Iterable[Outcome], batch: int | None = None) -> None:
            end = time.monotonic() + 5
            while not posted_then and len(server.bulk) < 2 and time.monotonic() < end:
                time.sleep(0.01)
            posted_then.append(len(server.bulk))
            settle(outcomes, batch)

        bench.books.settle = slowly  # type: ignore[method-assign]
        assert bench.send([request(number, visitor=number % 4) for number in range(16)]) is None
    assert posted_then[0] == 2
    assert most == 1
    assert bench.buckets == {("tracked", ""): 16}


def test_the_invalid_ones_that_the_server_names_are_refused() -> None:
    with serve(lambda posted: counted(len(posted.queries) - 1, 1, [2])) as server:
        bench = Bench(server)
        bench.send([request(number) for number in range(4)])
    assert sorted(bench.settled) == [
        (0, "tracked", "", False),
        (1, "tracked", "", False),
        (2, "refused", "invalid", False),
        (3, "tracked", "", False),
    ]


def test_invalid_ones_that_nobody_names_are_counted_all_the_same() -> None:
    with serve(lambda posted: counted(len(posted.queries) - 1, 1)) as server:
        bench = Bench(server)
        bench.send([request(number) for number in range(4)])
    assert bench.buckets == {("tracked", ""): 3, ("refused", "invalid"): 1}


def test_requests_dropped_without_a_word_are_counted_and_not_sent_again() -> None:
    with serve(lambda posted: counted(len(posted.queries) - 2)) as server:
        bench = Bench(server)
        bench.send([request(number) for number in range(4)])
        assert len(server.bulk) == 1
    assert bench.buckets == {("tracked", ""): 2, ("refused", "load"): 2}


def test_all_invalid_at_first_stops_the_run() -> None:
    with serve(lambda posted: counted(0, len(posted.queries))) as server:
        bench = Bench(server)
        assert isinstance(bench.send([request(number) for number in range(8)]), ServerRefused)
        assert len(server.bulk) == 1
    assert bench.buckets == {("refused", "invalid"): 4}


@pytest.mark.parametrize(
    "fault",
    [
        Told(503, b"busy", {"Retry-After": "1"}),
        Told(429),
        Told(200, b"Error:SQLSTATE[HY000]: General error: 2006 MySQL server has gone away"),
        told_json({"status": "error", "tracked": 0, "invalid": 0}, 500),
    ],
)
def test_a_batch_that_was_not_stored_is_sent_again_whole(fault: Told) -> None:
    with serve(once(good, fault)) as server:
        bench = Bench(server)
        assert bench.send([request(number) for number in range(4)]) is None
        assert [len(posted.queries) for posted in server.bulk] == [4, 4]
    assert bench.settled == [(number, "tracked", "", False) for number in range(4)]


@pytest.mark.parametrize(
    "fault",
    [
        Told(200, b"<!doctype html><title>Welcome</title>"),
        Told(200, b'{"status":"success","tracked":4,'),
        Told(200, b'{"status":"success","tracked":4,"invalid":0}', length=400),
        Told(502, b"bad gateway"),
        Told(reset=True),
        Told(delay=1.5),
    ],
)
def test_a_batch_in_doubt_is_sent_once_more_in_halves_and_counted_as_maybe_twice(fault: Told) -> None:
    with serve(once(good, fault)) as server:
        bench = Bench(server)
        assert bench.send([request(number) for number in range(4)]) is None
        assert [len(posted.queries) for posted in server.bulk] == [4, 2, 2]
    assert bench.settled == [(number, "tracked", "", True) for number in range(4)]


def test_a_batch_in_doubt_a_second_time_is_held_and_never_counted_as_tracked() -> None:
    with serve(lambda posted: good(posted) if b"ping=1" in posted.body else Told(200, b"<html>")) as server:
        bench = Bench(server)
        assert bench.send([request(number) for number in range(4)]) is None
        assert [len(posted.queries) for posted in server.bulk] == [4, 2, 2]
    assert bench.buckets == {("in_doubt", "twice"): 4}


def test_a_batch_in_doubt_stays_so_when_the_server_goes_away() -> None:
    answers = [Told(reset=True)]
    with serve(lambda _: answers.pop() if answers else Told(503)) as server:
        bench = Bench(server, give_up_after=8)
        assert isinstance(bench.send([request(number) for number in range(4)]), ServerUnreachable)
    assert bench.buckets == {("in_doubt", ""): 4}


def poison(status: int) -> Callable[[Posted], Told]:
    """Fails on every batch that holds request 5."""

    def script(posted: Posted) -> Told:
        bad = any(query.endswith("n=5") for query in posted.queries)
        return told_json({"status": "error", "tracked": 1, "invalid": 0}, status) if bad else good(posted)

    return script


@pytest.mark.parametrize("status", [400, 500])
def test_one_poisonous_request_is_found_by_halving_and_all_others_arrive(status: int) -> None:
    with serve(poison(status)) as server:
        bench = Bench(server, size=8)
        assert bench.send([request(number) for number in range(8)]) is None
    assert bench.buckets == {("tracked", ""): 7, ("set_aside", "poison"): 1}
    assert [number for number, bucket, *_ in bench.settled if bucket == "set_aside"] == [5]
    assert f"status {status}" in bench.books.answers[0], "the server's answer is kept with it"


def test_when_a_ping_is_refused_too_it_is_no_request_and_the_run_stops() -> None:
    with serve(lambda _: told_json({"status": "error", "tracked": 0, "invalid": 0}, 400)) as server:
        bench = Bench(server, size=8)
        assert isinstance(bench.send([request(number) for number in range(8)]), ServerRefused)
        assert len(server.bulk) == 1
    assert bench.settled == []


def test_a_body_too_large_is_halved_until_it_fits() -> None:
    with serve(lambda posted: Told(413) if len(posted.queries) > 2 else good(posted)) as server:
        bench = Bench(server, size=8)
        assert bench.send([request(number) for number in range(8)]) is None
    assert bench.buckets == {("tracked", ""): 8}


def test_a_half_in_doubt_is_counted_as_such_however_it_came_to_be_halved() -> None:
    answers = [told_json({"status": "error", "tracked": 0, "invalid": 0}, 400)] * 3 + [Told(reset=True)]
    with serve(lambda posted: answers.pop(0) if answers and b"ping=1" not in posted.body else good(posted)) as server:
        bench = Bench(server, size=8)
        assert bench.send([request(number) for number in range(8)]) is None
        assert [len(posted.queries) for posted in server.bulk] == [8, 8, 8, 4, 2, 2, 4]
    assert Counter(twice for *_, twice in bench.settled) == {True: 4, False: 4}, "the reset half may be there twice"


def test_an_answer_that_comes_after_the_end_changes_no_count() -> None:
    def late(posted: Posted) -> Told:
        answer = good(posted)
        answer.delay = 0.6
        return answer

    with serve(late) as server:
        bench = Bench(server)
        bench.sender.put([request(number)._replace(lane=0) for number in range(4)])
        bench.halt.set()
        bench.sender.flush(0.2)
        bench.sender.close(0.1)
        assert bench.buckets == {("in_doubt", ""): 4}
        threading.Event().wait(1.0)
        assert bench.buckets == {("in_doubt", ""): 4}


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404])
def test_an_answer_that_will_not_change_stops_the_run(status: int) -> None:
    with serve() as other, serve(lambda _: Told(status, headers={"Location": other.url})) as server:
        bench = Bench(server)
        assert isinstance(bench.send([request(number) for number in range(8)]), ServerRefused)
        assert len(server.bulk) == 1
        assert other.posted == [], "no byte goes to another host"
    assert bench.settled == []


def test_a_server_that_stays_away_ends_the_run_with_all_pending() -> None:
    with serve(lambda _: Told(503)) as server:
        bench = Bench(server, give_up_after=0.5)
        assert isinstance(bench.send([request(number) for number in range(4)]), ServerUnreachable)
    assert bench.settled == []


def test_a_server_that_comes_back_is_waited_for_where_nothing_may_be_given_up() -> None:
    began = time.monotonic()
    with serve(lambda posted: good(posted) if time.monotonic() - began > 2 else Told(503)) as server:
        bench = Bench(server, give_up_after=math.inf)
        assert bench.send([request(number) for number in range(4)]) is None
    assert bench.buckets == {("tracked", ""): 4}


def test_tracking_switched_off_for_a_while_is_waited_for() -> None:
    answers = [counted(0), counted(0)]  # to the batch, and to the ping that follows
    with serve(lambda posted: answers.pop() if answers else good(posted)) as server:
        bench = Bench(server)
        assert bench.send([request(number) for number in range(4)]) is None
    assert bench.buckets == {("tracked", ""): 4}
    assert any("switched off" in sentence for sentence in bench.said)


def test_a_lost_batch_is_told_from_tracking_switched_off() -> None:
    with serve(once(good, counted(0))) as server:
        bench = Bench(server)
        assert bench.send([request(number) for number in range(4)]) is None
        assert len(server.bulk) == 1
    assert bench.buckets == {("refused", "load"): 4}


def test_a_visitor_is_never_in_two_posts_at_once_and_always_in_order() -> None:
    under_way: Counter[str] = Counter()
    overlaps: list[str] = []
    lock = threading.Lock()

    def script(posted: Posted) -> Told:
        if b"ping=1" in posted.body:
            return good(posted)
        visitors = {query.partition("v=")[2] for query in posted.queries}
        with lock:
            overlaps.extend(visitor for visitor in visitors if under_way[visitor])
            under_way.update(visitors)
        threading.Event().wait(0.002)
        with lock:
            under_way.subtract(visitors)
        return good(posted)

    requests = [
        Request(0, number, number, float(number), number % 40, number % 7, 1, b"?n=%d&v=%d" % (number, number % 40))
        for number in range(2000)
    ]
    with serve(script) as server:
        bench = Bench(server, size=50, recorders=8)
        assert bench.send(requests) is None
        sent: dict[int, list[int]] = {}
        for posted in server.bulk:
            for query in posted.queries:
                number, visitor = (int(part.partition("=")[2]) for part in query[1:].split("&"))
                sent.setdefault(visitor, []).append(number)
    assert overlaps == []
    assert sent == {visitor: sorted(numbers) for visitor, numbers in sent.items()}
    assert sum(map(len, sent.values())) == 2000


def batches_of(requests: Sequence[Request], size: int, size_bytes: int) -> list[Sequence[Request]]:
    """The batches of one lane with all of `requests`."""
    lanes, batches = Lanes(lambda: size, size_bytes, count=1), []
    for one in requests:
        lanes.put([one._replace(lane=0)])
    while batch := lanes.take(flushing=True):
        batches.append(batch.requests)
        lanes.release(batch)
    return batches


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 9)), max_size=60), st.integers(1, 9))
def test_batches_hold_every_request_once_grouped_by_visitor_in_time_order(hits, size) -> None:  # type: ignore[no-untyped-def]
    requests = [request(n, visitor * 10 + agent, agent, float(time)) for n, (visitor, agent, time) in enumerate(hits)]
    batches = batches_of(requests, size, 10**9)
    flat = [one for batch in batches for one in batch]
    assert flat == Requests.in_batch_order([Requests.of(requests)])
    assert sorted(one.number for one in flat) == list(range(len(requests)))
    assert all(0 < len(batch) <= size for batch in batches)
    visitors = [visitor for visitor, _ in groupby(one.visitor for one in flat)]
    assert len(visitors) == len(set(visitors)), "each visitor's hits are together"
    for visitor in visitors:
        mine = [(one.time, one.number) for one in flat if one.visitor == visitor]
        assert mine == sorted(mine)
    agents = [agent for agent, _ in groupby(one.agent for one in flat)]
    assert len(agents) == len(set(agents)), "each user agent comes once"


def test_a_batch_stays_under_the_bytes_that_servers_take() -> None:
    requests = [Request(0, n, n, 0.0, 1, 1, 1, b"?" + b"x" * 9_999) for n in range(20)]
    sizes = [len(body([one.query for one in batch], TOKEN)) for batch in batches_of(requests, 1000, 50_000)]
    assert max(sizes) < 50_100
    assert len(sizes) == 5


def test_a_request_larger_than_a_body_may_be_goes_alone() -> None:
    requests = [Request(0, n, n, 0.0, 1, 1, 1, b"?" + b"x" * 9_999) for n in range(3)]
    assert [len(batch) for batch in batches_of(requests, 1000, 5_000)] == [1, 1, 1]


def test_the_window_bounds_what_waits() -> None:
    lanes = Lanes(lambda: 10, 10**6, window=100)
    for number in range(99):
        lanes.put([request(number)._replace(lane=number % LANES)])
    assert (lanes.full, lanes.take(flushing=False)) == (False, None)
    lanes.put([request(99)._replace(lane=0)])
    batch = lanes.take(flushing=False)
    assert lanes.full is False
    assert batch is not None
    assert lanes.take(flushing=True) is not None, "another lane's batch may go at the same time"


def test_a_hit_in_a_lane_that_few_visit_does_not_wait_for_ever() -> None:
    lanes = Lanes(lambda: 10, 10**6, count=4, window=20)
    lanes.put([request(0)._replace(lane=3)])
    taken_after = None
    for number in range(1, 1000):
        lanes.put([request(number)._replace(lane=number % 3)])
        if (batch := lanes.take(flushing=False)) is not None:
            lanes.release(batch)
            if taken_after is None and batch.requests[0].number == 0:
                taken_after = number
    assert taken_after is not None
    assert 8 * 20 <= taken_after < 10 * 20


@pytest.mark.parametrize(("stored", "expected"), [(set(), 10), ({5}, 15), ({9, 10}, 19), ({10}, 20)])
def test_ten_set_aside_in_a_row_stop_the_run_and_one_that_is_stored_begins_anew(
    stored: set[int], expected: int
) -> None:
    def script(posted: Posted) -> Told:
        number = int(posted.queries[0].rpartition("n=")[2]) if b"ping=1" not in posted.body else -1
        return good(posted) if number in stored | {-1} else Told(403, b"<title>Request Rejected</title>")

    with serve(script) as server:
        bench = Bench(server, size=1, give_up_after=60)
        assert isinstance(bench.send([request(number) for number in range(30)]), ServerRefused)
    assert bench.buckets["set_aside", "poison"] == expected
