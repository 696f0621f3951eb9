"""The conservation machine and the model of followed logs can fail: faults planted in a copy are each found."""

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
        "        answer = self._post(requests.queries)\n",
        (
            "        self._journal.settle([Outcome(requests, 'tracked')], batch)\n"
            "        answer = self._post(requests.queries)\n"
        ),
    ),
    "posting without an intent": (
        "ledger/ledger.py",
        "            written = self._put(posted, self._intent(batch, witnesses))\n",
        "            written = self._put()\n",
    ),
    "forgetting the tail marker": (
        "runs/reading/recognise.py", "same = fingerprint(last) == boundary.tail", "same = True",
    ),
    "trusting the inode": (
        "runs/reading/recognise.py",
        "    if stream.position:\n        stream.rewind()\n",
        (
            "    records = ledger.sources._records.values()\n"
            "    found = next((Recognised(one, one.end, False, one.undone) for one in records\n"
            "        if (one.device, one.inode) == disk[:2] and one.end.offset <= disk.size), None)\n"
            "    if found:\n        return found\n"
            "    if stream.position:\n        stream.rewind()\n"
        ),
    ),
    "trimming by tracked": (
        "delivery/poster.py",
        "            if receipt.verdict is not Verdict.NOTHING:\n                self._journal.release(posted.batch)\n",
        (
            "            if posted.suspicious and len(requests) > 1:\n"
            "                self._journal.settle([Outcome(requests[:1], 'tracked')])\n"
            "                requests = requests[1:]\n"
            "            if receipt.verdict is not Verdict.NOTHING:\n"
            "                self._journal.release(posted.batch)\n"
        ),
    ),
    "a lane with two batches in flight": (
        "delivery/lanes.py",
        "        lane.busy = True\n        if flushing and not lane.ready:",
        "        if flushing and not lane.ready:",
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
    "a third sending": (
        "delivery/poster.py",
        "held = [request for request in requests if request.doubts > 1]",
        "held = [request for request in requests if request.doubts > 9]",
    ),
    "absence believed without waiting": (
        "delivery/doubts.py",
        "if left <= 0 and proved and found is Found.ABSENT:",
        "if proved and found is Found.ABSENT:",
    ),
    "absence believed without the control": (
        "delivery/doubts.py", "proved = proved or self._proved(witnesses)", "proved = True",
    ),
    "one witness instead of six": ("delivery/witnesses.py", "most: int = 6,\n", "most: int = 1,\n"),
    "a hit that was posted again tells of its first batch": (
        "ledger/load.py", "if batches.get((*place,)) == number]", "if place]",
    ),
    "one number for two batches": (
        "ledger/ledger.py", ", coalesce((SELECT max(batch) FROM intent), 0))", ", 0)",
    ),
    "searching for a fault in an outage": (
        "delivery/poster.py", "Probe(Health.REFUSING if refusing else Health.AWAY, ", "Probe(Health.TRACKING, ",
    ),
    "a whole batch set aside": (
        "delivery/poster.py", "        if len(posted.requests) == 1:\n", "        if not too_large:\n",
    ),
    "other options begin anew": (
        "runs/pipeline.py", "ledger, again=settings.again,", "ledger, again=settings.again or bool(settings.options),",
    ),
    "a migration that forgets what was posted": (
        "ledger/database.py",
        '"SELECT DISTINCT id FROM batch WHERE state = ?", (POSTED,)',
        '"DELETE FROM batch WHERE state = ? RETURNING id", (POSTED,)',
    ),
}  # fmt: skip


FOLLOWING = {
    "looking at the length alone": (
        "sources/stream.py",
        "        if self.ahead < 0 or self._file.read_at(start, len(self._last)) != self._last:\n",
        "        if self.ahead < 0:\n",
    ),
    "letting go of a renamed file at once": (
        "runs/reading/watcher.py", "(rotated and one.silent(_LATE))", "rotated",
    ),
    "reading the new file before the old": (
        "runs/reading/watched_file.py",
        "        self._files.insert(place, one)\n", "        self._files.insert(0, one)\n",
    ),
    "half a line taken for a line": (
        "sources/chunks.py",
        'yield from cut(self._buffer.rfind(b"\\n") + 1)\n                yield None',
        "yield from cut(len(self._buffer))\n                yield None",
    ),
    "looking for no rotated files": (
        "runs/reading/watched_names.py",
        "        if name.path is None or time.monotonic() >= name.looked_for:\n",
        "        if True:\n",
    ),
    "taking a copy for another log": (
        "runs/reading/watcher.py", "            if one.holds(stream):\n", "            if False:\n",
    ),
}  # fmt: skip
ALL = {**PLANTED, **FOLLOWING}


def test_each_fault_has_one_place_in_the_code() -> None:
    """Else nobody would notice for long that a fault is planted no more."""
    places = {name: (ROOT / "log_importer" / file).read_text().count(right) for name, (file, right, _) in ALL.items()}
    assert {name: count for name, count in places.items() if count != 1} == {}


def planted(folder: Path, file: str, right: str, wrong: str) -> None:
    """Puts a copy of the package into `folder`, with `wrong` for `right`."""
    for name in ("log_importer", "formats"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "log_importer" / file
    text = path.read_text()
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong))


def finds(module: str, arguments: list[str], folder: Path) -> bool:
    """Whether a run of `module` over the code in `folder` fails as a finding does.

    Where a fault strikes only at times, Hypothesis may see it, look again, see nothing, and say just that: which is
    not counted as found.
    """
    code = {"CONSERVATION_CODE": str(folder), "PYTHONPATH": f"{folder}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=folder, capture_output=True, check=False,
        env={**os.environ, **code},
    )  # fmt: skip
    found = b"AssertionError" in done.stderr
    assert done.returncode == 0 or found or b"hypothesis.errors.Flaky" in done.stderr, done.stderr.decode()[-2000:]
    return found


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", PLANTED if os.environ.get("SOAK") else [])
def test_a_planted_fault_is_found(fault: str, tmp_path: Path) -> None:
    planted(tmp_path, *PLANTED[fault])
    # Each run begins with other random cases.
    assert any(finds("tests.faults.test_conservation", ["80"], tmp_path) for _ in range(5)), "it was not found"


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FOLLOWING if os.environ.get("SOAK") else [])
def test_a_fault_planted_in_following_is_found(fault: str, tmp_path: Path) -> None:
    planted(tmp_path, *FOLLOWING[fault])
    assert finds("tests.follow_model", ["0", "200"], tmp_path), "it was not found"
