"""Lanes that are sent, fail, and are sent again: each line once, and the records say how far it went."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from log_importer.model.errors import ServerRefused
from log_importer.runs.cluster import counts
from log_importer.runs.cluster.lane import LaneReport, Sending, send
from log_importer.runs.cluster.portion import Portion
from log_importer.runs.cluster.progress import Progress, taken_over
from log_importer.runs.cluster.read import Reading, read
from log_importer.runs.cluster.spans import cut
from log_importer.settings import Settings
from log_importer.sources.shared_folder import open_shared
from log_importer.sources.shared_folder.leased import Leased, LeaseLost
from tests.conftest import TOKENS
from tests.fault_receiver import fault_receiver
from tests.fault_server import Posted, Told, serve
from tests.faults.common import rows
from tests.faults.test_merge import MIDNIGHT, hit
from tests.oracle import Oracle, lines
from tests.runs.cluster.test_read import portion
from tests.translation.test_by_column import NOW, PLANS

LINES, VISITORS, LANES = 600, 50, 8
RUN = "a run"


class Cluster:
    """What a cluster would do, in this process: all spans read, the blocks sorted, and the lanes sent one by one."""

    def __init__(self, folder: Path, url: str, data: bytes, *, in_doubt: str = "resend") -> None:
        (folder / "a.log").write_bytes(data)
        self.shared = open_shared(str(folder / "shared"))
        if self.shared.names("run") == []:
            Leased(self.shared, "run").write(f'{{"run": "{RUN}"}}'.encode())
        one = portion(folder / "a.log", "combined")
        found: list[Any] = list(read(cut([one], 7000), _reading(one)))
        before, line = [], 0
        for account in (value for (lane, *_), value in found if lane == LANES):
            before.append(line)
            line += account.ending.newlines
        self.rows = sorted(found, key=lambda row: row[0])
        settings = Settings(
            url=url, token=TOKENS.superuser, idsite=1, recorder_max_payload_size=20, give_up_after=1.0,
            in_doubt=in_doubt, request_timeout=1.0,
        )  # fmt: skip
        self.sending = Sending(
            RUN, settings, url, TOKENS.superuser, [one], LANES, before, frozenset({(1, "2026-03-01")}), {1: "UTC"},
            str(folder / "shared"),
        )  # fmt: skip

    def send(self) -> list[LaneReport]:
        return list(send(self.rows, self.sending))


def tracked(reports: Sequence[LaneReport]) -> int:
    return sum(one.counts["sources"].get("0", {}).get("tracked", 0) for one in reports)


def test_each_line_is_sent_once_and_a_lane_that_is_done_is_not_sent_again(tmp_path: Path) -> None:
    oracle = Oracle(visitors=VISITORS)
    with serve(oracle) as server:
        cluster = Cluster(tmp_path, server.url, lines(range(LINES), VISITORS))
        reports = cluster.send()
        again = cluster.send()
    assert Counter(oracle.stored) == Counter(range(LINES))
    assert (oracle.out_of_order(), oracle.overlaps) == ([], 0)
    assert len(reports) > 2
    for found in (reports, again):
        assert (tracked(found), all(one.complete for one in found)) == (LINES, True)


class Refusing(Oracle):
    """Refuses every post from a certain one on, for as long as it is told."""

    until_post = 7
    refuses = True

    def __call__(self, posted: Posted) -> Told:
        if self.refuses and len(self.stored) >= 20 * self.until_post and b'"requests"' in posted.body:
            return Told(403, b"<html>no")
        return super().__call__(posted)


def test_what_a_server_refuses_is_pending_and_what_other_lanes_did_before_is_counted(tmp_path: Path) -> None:
    oracle = Refusing(visitors=VISITORS)
    with serve(oracle) as server:
        cluster = Cluster(tmp_path, server.url, lines(range(LINES), VISITORS))
        first = cluster.send()
        assert [type(one.error) for one in first if not one.complete][:1] == [ServerRefused]
        assert 0 < tracked(first) == len(oracle.stored) < LINES
        cluster.rows = sorted(cluster.rows, key=lambda row: (LANES - row[0][0], *row[0][1:]))  # the last lane first
        oracle.until_post = 14
        second = cluster.send()
        assert tracked(second) == len(oracle.stored) < LINES
        oracle.refuses = False
        third = cluster.send()
    assert Counter(oracle.stored) == Counter(range(LINES))
    assert (tracked(third), all(one.complete for one in third)) == (LINES, True)


def test_of_hits_of_one_second_those_that_are_not_done_are_sent(tmp_path: Path) -> None:
    oracle = Refusing(visitors=VISITORS)
    oracle.until_post = 2
    data = re.sub(rb":00:\d\d:\d\d ", b":00:00:00 ", lines(range(100), VISITORS))
    with serve(oracle) as server:
        cluster = Cluster(tmp_path, server.url, data)
        cluster.send()
        assert 0 < len(oracle.stored) < 100
        oracle.refuses = False
        reports = cluster.send()
    assert Counter(oracle.stored) == Counter(range(100))
    assert tracked(reports) == 100


def take_over(cluster: Cluster) -> None:
    """Another task takes over the lanes that are not complete."""
    for name in cluster.shared.names("lanes"):
        record = Leased(cluster.shared, f"lanes/{name}")
        data = record.latest()
        if data is not None and b'"complete":false' in data:
            record.write(data)


@pytest.mark.parametrize("stored", [False, True])
def test_the_server_is_asked_what_it_has_of_what_was_in_flight_when_a_task_died(stored: bool, tmp_path: Path) -> None:
    stolen = list[Posted]()
    with fault_receiver(tmp_path / "db", TOKENS.superuser, []) as (place, _):
        cluster = Cluster(tmp_path, place.url, lines(range(LINES), VISITORS), in_doubt="ask")
        forward = place.script

        def steal(posted: Posted) -> Told:
            if (
                stolen
                or b'"requests"' not in posted.body
                or b"ping=1" in posted.body
                or len(rows(tmp_path / "db")) < 90
            ):
                return forward(posted)
            stolen.append(posted)
            take_over(cluster)
            if stored:
                forward(posted)
            return Told(reset=True)

        place.script = steal
        first = cluster.send()
        assert [type(one.error) for one in first if one.error is not None] == [LeaseLost]
        second = cluster.send()
    assert len(stolen) == 1
    assert set(rows(tmp_path / "db").values()) == {1}
    assert (rows(tmp_path / "db").total(), tracked(second)) == (LINES, LINES)
    assert all(one.complete for one in second)


@pytest.mark.parametrize("hold", [False, True])
def test_what_was_in_flight_when_a_task_died_is_sent_again_and_listed_or_held(hold: bool, tmp_path: Path) -> None:
    class Dying(Oracle):
        def __call__(self, posted: Posted) -> Told:
            if len(self.stored) >= 100 and steal:
                steal.pop()()  # another task takes the lane over while this post is under way
            return super().__call__(posted)

    steal: list[Callable[[], None]] = []
    oracle = Dying(visitors=VISITORS)
    with serve(oracle) as server:
        cluster = Cluster(
            tmp_path, server.url, lines(range(LINES), VISITORS), in_doubt="hold" if hold else "resend"
        )  # fmt: skip
        steal.append(partial(take_over, cluster))
        first = cluster.send()
        assert [type(one.error) for one in first if one.error is not None] == [LeaseLost]
        second = cluster.send()
    listed = [number - 1 for one in second for _, number in one.again]
    repeated = oracle.repeated()
    assert (len(listed), len(set(listed))) == (20, 20)
    if hold:
        assert (repeated, sorted(row["number"] - 1 for one in second for row in one.held)) == ({}, sorted(listed))
        assert tracked(second) == LINES - 20
    else:
        assert repeated == dict.fromkeys(listed, 1)
        twice = sum(one.counts["sources"].get("0", {}).get("maybe_twice", 0) for one in second)
        assert (tracked(second), twice) == (LINES, 20)
    assert oracle.missing(range(LINES)) == []
    assert all(one.complete for one in second)


def test_ranges_of_a_download_are_one_also_when_a_lane_goes_on(tmp_path: Path) -> None:
    part = hit(MIDNIGHT, 1, "/a.zip").replace(b" 200 ", b" 206 ")
    data = part * 5 + hit(MIDNIGHT + 1, 1, "/b")
    with serve() as server:
        cluster = Cluster(tmp_path, server.url, data)
        for _ in range(2):
            reports = cluster.send()
            assert (tracked(reports), sum(sum(one.partial.values()) for one in reports)) == (2, 4)


def test_a_folder_that_the_driver_does_not_see_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with serve() as server:
        cluster = Cluster(tmp_path, server.url, lines(range(10)))
        for name in cluster.shared.names("run"):
            cluster.shared.delete(f"run/{name}")
        reports = cluster.send()
        assert server.bulk == []
    assert "is not the folder that the driver sees" in str(reports[0].error)


def test_a_damaged_record_is_said(tmp_path: Path) -> None:
    with serve() as server:
        cluster = Cluster(tmp_path, server.url, lines(range(10)))
        cluster.send()
        for lane in cluster.shared.names("lanes"):
            (number,) = cluster.shared.names(f"lanes/{lane}")
            cluster.shared.replace(f"lanes/{lane}/{number}", b'{"run": "a run", "mark": 3}')
        reports = cluster.send()
    assert "A lane's record is damaged" in str(reports[0].error)


def test_a_record_says_of_a_request_what_became_of_it(tmp_path: Path) -> None:
    one = portion(_written(tmp_path), "combined")
    shared = open_shared(str(tmp_path / "shared"))

    def progress() -> Progress:
        return Progress(Leased(shared, "lanes/1"), RUN, "somebody", counts.new_tally([one]), hold=False)

    first = progress()
    rows = [value for (lane, *_), value in read(cut([one], 1 << 20), _reading(one)) if lane != LANES]
    requests = rows[0].requests  # type: ignore[union-attr]
    fresh = first.new(requests)
    assert list(fresh) == list(requests)
    batch = first.intend(fresh[:2])
    assert first.open == Counter({0: 2})
    first.release(batch)
    assert first.open == Counter()
    batch = first.intend(fresh[:2], fresh[:2])
    second = progress()
    second.write()
    again = second.new(requests)
    assert [row.doubts for row in again] == [1, 1] + [0] * (len(again) - 2)
    assert [second.batch_in_doubt(row) for row in again] == [batch, batch] + [None] * (len(again) - 2)
    assert second.unanswered[batch].witnesses == tuple(row.query for row in again[:2])
    second.absent(batch, again[:1])
    later = second.intend(again[1:3], again[2:3])
    assert (second.open, set(progress().unanswered)) == (Counter({0: 2}), {later})
    second.release(later)
    later = second.intend(again[2:3])
    assert {number: one.witnesses for number, one in progress().unanswered.items()} == {later - 1: (), later: ()}
    with pytest.raises(LeaseLost):
        first.intend(fresh[2:3])


def _written(folder: Path) -> Path:
    (folder / "b.log").write_bytes(b"".join(hit(MIDNIGHT + n, 1, f"/{n}") for n in range(5)))
    return folder / "b.log"


def _reading(one: Portion) -> Reading:
    return Reading(PLANS["default"], [one], LANES, NOW, None)


def test_a_task_that_writes_once_more_while_its_lane_is_taken_over_is_the_one_to_end(tmp_path: Path) -> None:
    """It lives on where its executor died, until it learns of the other."""
    (tmp_path / "a.log").write_bytes(lines(range(LINES), VISITORS))
    one, shared = portion(tmp_path / "a.log", "combined"), open_shared(str(tmp_path / "shared"))

    def read_by(owner: str) -> Progress:
        return Progress(Leased(shared, "lanes/1"), RUN, owner, counts.new_tally([one]), hold=False)

    orphan = read_by("an orphan")
    orphan.write()
    posts = [1, 2]

    def read_while_it_posts() -> Progress:
        found = read_by("another")
        if posts:
            orphan.about["post"] = str(posts.pop())
            orphan.write()
        return found

    progress = taken_over(read_while_it_posts)
    assert progress.about == {"post": "1"}, "what it wrote is known"
    with pytest.raises(LeaseLost):
        orphan.write()
    progress.write()
