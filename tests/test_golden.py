"""What each sample log becomes, as `explain` prints it; `GOLDEN=write pytest tests/test_golden.py` writes it anew."""

import os
from pathlib import Path

import orjson
import pytest

from log_importer.runs.commands.explain import explain
from log_importer.settings import Settings
from tests.conftest import SAMPLES

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("log", sorted(SAMPLES.glob("*.log")), ids=lambda log: log.name)
def test_a_sample_log_becomes_what_it_became(log: Path) -> None:
    explained = list(explain(Settings(sources=(str(log),)), print, []))
    found = [orjson.dumps({key: value for key, value in item.items() if key != "source"}) for item in explained]
    golden = GOLDEN / f"{log.name}.jsonl"
    if os.environ.get("GOLDEN") == "write":
        golden.write_bytes(b"\n".join(found) + b"\n")
    assert found == golden.read_bytes().splitlines()
