"""The conservation machine can fail: faults planted in a copy of the package are each found within its short run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PLANTED = {
    "acknowledging before the receipt": (
        "delivery/poster.py",
        "        answer = self._post([request.query for request in requests])\n",
        (
            "        self._journal.settle([Outcome(requests, 'tracked')], batch)\n"
            "        answer = self._post([request.query for request in requests])\n"
        ),
    ),
    "posting without an intent": (
        "ledger/ledger.py",
        "            written = self._put(lambda database: database.executemany(_INTO_BATCH, rows))\n",
        "            written = self._put(lambda database: len(rows))\n",
    ),
    "forgetting the tail marker": (
        "recognise.py", "if fingerprint(before) == boundary.tail:", "if boundary.offset >= 0:",
    ),
    "trusting the inode": (
        "recognise.py",
        "    found = None\n    for candidate in _matching",
        (
            "    found = next((Recognised(one, one.end, False, one.undone) for one in ledger._records.values()\n"
            "        if (one.device, one.inode) == disk[:2] and one.end.offset <= disk.size), None)\n"
            "    for candidate in [] if found else _matching"
        ),
    ),
    "trimming by tracked": (
        "delivery/poster.py",
        "            self._journal.release(posted.batch)\n            if receipt.remedy is Remedy.STOP:",
        (
            "            if posted.suspicious and len(requests) > 1:\n"
            "                self._journal.settle([Outcome(requests[:1], 'tracked')])\n"
            "                requests = requests[1:]\n"
            "            self._journal.release(posted.batch)\n            if receipt.remedy is Remedy.STOP:"
        ),
    ),
    "a lane with two batches in flight": (
        "delivery/lanes.py", "        lane.busy = True\n        taken = [number]", "        taken = [number]",
    ),
    "the mark moved too early": (
        "ledger/record.py",
        "if region.left), len(self.regions))",
        "if region.left > 99), len(self.regions))",
    ),
    "resending what is in doubt for ever": (
        "delivery/poster.py",
        "        held = [request for request in posted.requests if request.doubts]\n",
        "        held = [request for request in posted.requests if request.doubts > 9]\n",
    ),
}  # fmt: skip


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", PLANTED if os.environ.get("SOAK") else [])
def test_a_planted_fault_is_found(fault: str, tmp_path: Path) -> None:
    file, right, wrong = PLANTED[fault]
    for folder in ("log_importer", "formats"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "log_importer" / file
    text = path.read_text()
    assert text.count(right) == 1, "the fault cannot be planted where the code has changed"
    path.write_text(text.replace(right, wrong))
    for _ in range(3):  # each begins with other random cases
        done = subprocess.run(
            [sys.executable, "-m", "tests.test_conservation", "80"], cwd=ROOT, capture_output=True, check=False,
            env={**os.environ, "CONSERVATION_CODE": str(tmp_path)},
        )  # fmt: skip
        if done.returncode:
            return
    pytest.fail("it was not found")
    assert b"AssertionError" in done.stderr, done.stderr.decode()[-2000:]
