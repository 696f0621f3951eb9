"""The oracle of `bench/faults.py` sees what is lost and doubled: it finds it in the peer, and in us what we list."""

import os

import pytest

from bench.faults import TOOLS, Outcome, outcome
from bench.oracle import LINES
from bench.peer import NoPeerError, peer
from tests.conftest import missing

SOAK = bool(os.environ.get("SOAK"))


@pytest.mark.parametrize(
    ("fault", "lost", "twice", "listed"),
    [
        ("none", 0, 0, {}),
        ("last 5 of a batch dropped", 30, 0, {"refused": 30}),
    ],
)
def test_what_we_lose_or_double_is_listed(fault: str, lost: int, twice: int, listed: dict[str, int]) -> None:
    made = outcome(fault, TOOLS["log-importer"])
    assert (made.lost, made.twice, +made.listed, made.unlisted) == (lost, twice, listed, 0)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="takes as long as our pauses")
@pytest.mark.parametrize(
    ("fault", "stored"), [("hang-up after storing", True), ("200 with HTML, nothing stored", False)]
)
def test_what_was_not_answered_is_listed_to_the_line(fault: str, stored: bool) -> None:
    made = outcome(fault, TOOLS["log-importer"])
    assert made.lost == made.unlisted == 0
    assert set(+made.listed) == {"maybe_twice"}
    assert made.twice == (made.listed["maybe_twice"] if stored else 0)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="fetches the peer from the network")
@pytest.mark.parametrize(
    ("fault", "lost", "twice"),
    [
        ("none", 0, 0),
        ("200 with HTML, nothing stored", 600, 0),
        ("last 5 of a batch dropped", 30, 0),
        ("hang-up after storing", 0, 600),
        ("run twice", 0, LINES),
    ],
)
def test_what_the_peer_loses_or_doubles_is_seen_and_it_says_nothing(fault: str, lost: int, twice: int) -> None:
    made = of_the_peer(fault)
    assert (made.lost, made.twice, made.unlisted) == (lost, twice, lost + twice)
    assert all((report.ended.code, report.said) == (0, LINES) for report in made.reports)


def of_the_peer(fault: str) -> Outcome:
    try:
        peer()
    except NoPeerError as error:
        missing(str(error))
    return outcome(fault, TOOLS["peer"])
