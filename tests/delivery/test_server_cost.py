"""The order and the size of batches spare a Matomo work, by its measured costs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.server_cost import measure


@pytest.mark.parametrize(("everything", "lines", "less"), [(False, 200_000, 0.28), (True, 50_000, 0.20)])
def test_an_import_costs_the_server_less_than_the_incumbents(
    everything: bool, lines: int, less: float, shared_data: Callable[[str], Path]
) -> None:
    found = measure(everything, lines, shared_data("apache-combined-10k.log.gz"))
    assert found["less"] >= less  # type: ignore[operator]
    assert found["over_best"] < 0.12  # type: ignore[operator]
    assert found["ours"]["at_once"] == 2  # type: ignore[index]
