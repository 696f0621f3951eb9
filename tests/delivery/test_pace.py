"""The pace against servers simulated in virtual time: it finds what each does best, stays there, and comes back."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from log_importer.delivery.pace import Pace


@dataclass
class Simulated:
    """A server with `cores`, which takes `hit` seconds of one of them for each hit; discrete events, no waiting."""

    cores: int = 2
    hit: float = 0.003
    fixed: float = 0.015  # seconds of a post that are no work: the network
    noise: float = 0.0
    limit: int = 10**9  # posts at once; one more is refused
    factor: Callable[[float], float] = lambda _: 1.0  # how much slower it is at a time
    seed: int = 1
    now: float = 0.0
    hits: int = 0
    levels: list[tuple[float, int]] = field(default_factory=list)
    refused: int = 0

    def run(self, pace: Pace, posts: int) -> None:
        """So many posts with a backlog that never ends."""
        chance = random.Random(self.seed)
        under_way: list[tuple[float, int, int, float]] = []  # work that is left when served alone, ...
        number = 0
        while number < posts or under_way:
            while number < posts and len(under_way) < pace.allowed:
                number += 1
                if len(under_way) >= self.limit:
                    self.refused += 1
                    pace.congested(self.now)
                    self.now += 0.05
                    break
                work = pace.size * self.hit * self.factor(self.now) * max(0.2, chance.gauss(1, self.noise))
                heapq.heappush(under_way, (work + self.fixed, number, pace.size, self.now))
            if not under_way:
                continue
            # All of them share the cores; the one with the least work left is the next to end.
            share = min(1.0, self.cores / len(under_way))
            least = under_way[0][0]
            self.now += least / share
            under_way = [(work - least, *rest) for work, *rest in under_way]  # type: ignore[misc]
            heapq.heapify(under_way)
            _, _, size, began = heapq.heappop(under_way)
            self.hits += size
            pace.stored(size, self.now - began, self.now)
            self.levels.append((self.now, pace.at_once))

    @property
    def rate(self) -> float:
        """Hits a second."""
        return self.hits / self.now

    def usual(self, share: float = 0.5) -> int:
        """The level that it kept most of the time, in the last `share` of the posts."""
        levels = [level for _, level in self.levels[int(len(self.levels) * (1 - share)) :]]
        return max(set(levels), key=levels.count)


@pytest.mark.parametrize("cores", [1, 2, 4, 8])
def test_it_finds_as_many_as_the_server_has_cores_and_stays_there(cores: int) -> None:
    server = Simulated(cores=cores)
    server.run(Pace(), 600)
    assert server.usual() == cores
    there = [level for _, level in server.levels[60:]]
    assert there.count(cores) / len(there) > 0.85
    assert server.rate > 0.85 * cores / server.hit


def test_a_hundred_posts_are_enough_to_settle() -> None:
    server = Simulated(cores=2)
    server.run(Pace(), 100)
    assert {level for _, level in server.levels[20:]} <= {1, 2, 3}
    assert [level for _, level in server.levels[20:]].count(2) > 70


@pytest.mark.parametrize(("noise", "most", "share"), [(0.15, 3, 0.9), (0.3, 4, 0.9), (0.5, 4, 0.75)])
def test_noise_misleads_it_seldom(noise: float, most: int, share: float) -> None:
    servers = [Simulated(cores=2, noise=noise, seed=seed) for seed in range(40)]
    for server in servers:
        server.run(Pace(), 400)
    good = [server.usual() in range(2, most + 1) and server.rate > 0.9 * 2 / server.hit for server in servers]
    assert sum(good) >= share * len(servers)


@pytest.mark.parametrize(("hit", "size"), [(0.0001, 2000), (0.0025, 2000), (0.003, 2000), (0.005, 1000), (0.05, 500)])
def test_a_post_takes_about_five_seconds_where_500_to_2000_hits_allow_it(hit: float, size: int) -> None:
    server, pace = Simulated(cores=1, hit=hit), Pace(recorders=1)
    server.run(pace, 30)
    assert size * 0.85 <= pace.size <= size * 1.15


def test_a_server_that_refuses_more_than_it_can_take_is_not_pushed() -> None:
    server = Simulated(cores=16, limit=4)
    server.run(Pace(), 600)
    assert server.usual() == 4
    assert server.refused < 20


def test_ten_times_slower_for_a_while_it_falls_and_comes_back() -> None:
    server = Simulated(cores=4, factor=lambda now: 10.0 if 300 < now < 4000 else 1.0)
    server.run(Pace(), 1500)
    slow = [level for now, level in server.levels if 300 < now < 4000]
    late = [level for now, level in server.levels if now > 4200]
    assert min(slow) <= 2
    assert max(set(late), key=late.count) == 4


def test_it_falls_by_half_at_a_refusal_and_only_once_for_all_that_were_under_way() -> None:
    pace = Pace(start=(8, 1000))
    for _ in range(8):
        pace.congested(1.0)
    assert pace.at_once == 4
    pace.stored(1000, 0.5, 2.0)
    pace.congested(3.0)
    assert pace.at_once == 2


def test_what_was_too_large_is_tried_again_after_posts_were_stored_and_later_each_time() -> None:
    pace = begun(start=(2, 2000))
    waits = []
    for _ in range(4):
        pace.halve()
        assert pace.size == 1000
        stored = 0
        while pace.size < 2000:
            pace.stored(pace.size, 0.1, float(stored))
            stored += 1
        waits.append(stored)
    assert waits == sorted(waits)
    assert waits[0] >= 8
    assert waits[-1] >= 8 * waits[0]


def test_batches_can_be_halved_down_to_one_request_and_grow_back() -> None:
    pace = begun(start=(2, 2000))
    for _ in range(20):
        pace.halve()
    assert pace.size == 1
    for now in range(5000):
        pace.stored(pace.size, 0.01, float(now))
    assert pace.size == 2000


def test_what_the_user_fixed_stays() -> None:
    server, pace = Simulated(cores=8), Pace(recorders=3, size=700)
    server.run(pace, 100)
    pace.congested(0.0)
    assert (pace.at_once, pace.size) == (3, 700)


def test_posts_that_were_fewer_than_allowed_say_nothing() -> None:
    pace = Pace()
    for now in range(40):
        pace.starved()
        pace.stored(2000, 0.5, float(now))
    assert pace.at_once == 1


def begun(size: int = 2000, start: tuple[int, int] | None = None) -> Pace:
    """The pace of a server that has shown itself."""
    pace, now = Pace(size=size, start=start), 0.0
    while pace.size < min(start[1] if start else 500, size):
        now += 1.0
        pace.stored(pace.size, 0.1, now)
    return pace


def test_it_goes_on_where_an_earlier_run_settled() -> None:
    assert (begun(start=(3, 1500)).allowed, begun(start=(3, 1500)).size) == (3, 1500)
    assert begun(start=(99, 99999), size=800).allowed == 16
    assert begun(start=(99, 99999), size=800).size == 800


@pytest.mark.parametrize("start", [None, (8, 2000)])
def test_little_is_in_flight_until_the_server_has_stored_some(start: tuple[int, int] | None) -> None:
    pace, flight = Pace(start=start), []
    for now in range(3):
        flight.append(pace.allowed * pace.size)
        pace.stored(pace.size, 0.1, float(now))
    assert flight == [50, 200, 800 if start else 500]


def test_a_server_that_answers_at_once_is_kept_busy_and_one_that_gets_slow_is_left_alone_again() -> None:
    server = Simulated(hit=1e-6, fixed=0.0, factor=lambda now: 1.0 if now < 0.5 else 3000.0)
    pace = Pace()
    server.run(pace, 100)
    assert (pace.at_once, pace.allowed) == (1, 5)
    server.now = 1.0
    server.run(pace, 3)
    assert pace.allowed == pace.at_once


def test_as_many_as_the_user_says_are_under_way_also_where_answers_come_at_once() -> None:
    server, pace = Simulated(hit=1e-6, fixed=0.0), Pace(recorders=2)
    server.run(pace, 100)
    assert pace.allowed == 2
