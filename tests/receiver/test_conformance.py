"""The receiver answers and stores as a real Matomo did, exchange by exchange."""

import json

import pytest

from tests.conformance import Result, replay
from tests.conftest import ROOT

EXCHANGES = ROOT / "tests" / "data" / "matomo-exchanges" / "exchanges.jsonl"
DIFFERENT_ON_PURPOSE = {"urlref-spam"}
"""The README's table says why."""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    exchanges = [json.loads(line) for line in EXCHANGES.read_text("utf-8").splitlines()]
    return replay(exchanges, tmp_path_factory.mktemp("conformance"))


def test_every_exchange_but_those_named_is_as_recorded(result: Result) -> None:
    assert result.total.total() == 258
    assert dict(result.differences).keys() == DIFFERENT_ON_PURPOSE, result.differences


def test_the_thresholds_hold_and_can_fail(result: Result) -> None:
    assert result.good_enough
    result.right["auth"] -= 1
    assert not result.good_enough
    result.right["auth"] += 1


def test_the_table_ends_with_the_sum(result: Result) -> None:
    *groups, last = result.lines()
    assert len(groups) == 13
    assert last == "257 of 258 exchanges as recorded"
