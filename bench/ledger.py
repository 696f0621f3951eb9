"""What the ledger costs: imports into a server that takes no time, against the same without a word written down.

python -m bench.ledger [LINES] [PAIRS]
"""

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from bench.null_server import null_server
from bench.process import run_process
from tests.conftest import ROOT
from tests.oracle import lines

_NOTHING = """
for _name, _does in {"parsed": None, "intend": 0, "release": None, "settle": None, "finish": None}.items():
    setattr(Ledger, _name, lambda *_, _does=_does, **__: _does)
"""


def without_ledger(folder: Path) -> None:
    """A copy of the package in `folder` that writes down nothing."""
    for name in ("log_importer", "formats"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "log_importer" / "ledger" / "ledger.py").open("a") as module:
        module.write(_NOTHING)


def seconds(url: str, folder: Path, code: Path) -> float:
    """Of one import of `folder/a.log` by the package in `code`."""
    shutil.rmtree(folder / "state", ignore_errors=True)
    given = ["import", "--url", url, "--idsite", "1", "--state-dir", "state", "--json", "a.log"]
    ended = run_process(
        [sys.executable, "-m", "log_importer", *given], folder, limit=600, LOG_IMPORTER_TOKEN_AUTH="0" * 32,
        PYTHONPATH=str(code),
    )  # fmt: skip
    assert ended.code == 0, ended.err
    return ended.seconds


def main(count: int, pairs: int) -> None:
    with tempfile.TemporaryDirectory() as name, null_server() as url:
        folder = Path(name)
        (folder / "a.log").write_bytes(lines(range(count), 5000))
        without_ledger(folder / "without")
        found = []
        for _ in range(pairs):
            with_it, without = seconds(url, folder, ROOT), seconds(url, folder, folder / "without")
            found.append((with_it / without, count / with_it))
        ratio, rate = statistics.median(one for one, _ in found), statistics.median(rate for _, rate in found)
        spread = f"{min(found)[0]:.3f} to {max(found)[0]:.3f}"
        print(
            f"ledger: an import takes {ratio:.3f} times as long with it (median of {pairs} pairs, {spread}); "
            f"{rate:,.0f} lines/s tracked into a null server"
        )


if __name__ == "__main__":
    given = list(map(int, sys.argv[1:3]))
    main(*given, *(300_000, 7)[len(given) :])
