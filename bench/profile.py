"""Where the time of an import goes: by process and by function, with the default filters and with everything tracked.

    python -m bench.profile [LINES]

py-spy looks at all processes a hundred times a second; what it saw is in build/profile-*.txt, in the form that flame
graphs are drawn of. Last, how many modules one line goes through.
"""

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from bench.grown import DATA, grown, write
from bench.measured import measured
from bench.null_server import null_server
from bench.speed import EVERYTHING, FRESH
from tests.conftest import ROOT, command

_KINDS = {"serve (log_importer/runs/workers/worker.py": "workers", "Sender._run": "posting", "Writer._run": "ledger"}
_SHOWN = 12


def seen(file: Path) -> Iterator[tuple[str, str, int]]:
    """Each stack: who it belongs to, the innermost of our functions in it, how often it was seen."""
    for line in file.read_text().splitlines():
        stack, _, times = line.rpartition(" ")
        kind = next((name for mark, name in _KINDS.items() if mark in stack), "coordinating")
        ours = [frame for frame in stack.split(";") if "(log_importer/" in frame]
        yield kind, ours[-1].rpartition(":")[0] + ")" if ours else "(start, and the interpreter itself)", int(times)


def told(file: Path) -> Iterator[str]:
    """Shares by kind, and by function of each kind."""
    kinds: dict[str, Counter[str]] = {}
    for kind, function, times in seen(file):
        kinds.setdefault(kind, Counter())[function] += times
    total = sum(found.total() for found in kinds.values())
    for kind, found in sorted(kinds.items(), key=lambda item: -item[1].total()):
        yield f"  {found.total() / total:6.1%}  {kind}"
        for function, times in found.most_common(_SHOWN):
            yield f"  {times / total:12.1%}  {function}"


_COUNT = """
import sys, threading
from log_importer.runs.commands import import_
from log_importer.cli import main
entered = set()
def look(frame, event, _):
    code = frame.f_code
    if event == "call" and "/log_importer/" in code.co_filename and code.co_name != "<module>":
        entered.add(code.co_filename)
threading.setprofile(look)
sys.setprofile(look)
try:
    main()
finally:
    sys.setprofile(None)
    print(len(entered), file=sys.stderr)
"""


def modules_entered(url: str, folder: Path) -> int:
    """Of the package, those of which a function is called while a log of one line is imported."""
    (folder / "one.log").write_bytes(gzip.decompress(DATA.read_bytes()).split(b"\n", 1)[0] + b"\n")
    line = command("import", "--url", url, "--idsite", 1, "--state-dir", "one", *EVERYTHING, "one.log")
    given = [sys.executable, "-c", _COUNT, *map(str, line[line.index("import") :])]
    environment = {**os.environ, "LOG_IMPORTER_TOKEN_AUTH": "0" * 32}
    done = subprocess.run(given, cwd=folder, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    return int(done.stderr.splitlines()[-1])


def main(lines: int) -> None:
    """Profiles both modes."""
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None or not DATA.exists():
        sys.exit(f"This needs py-spy (make profile installs it) and {DATA}.")
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, null_server() as url:
        folder = Path(name)
        write(folder / "a.log", islice(grown(gzip.decompress(DATA.read_bytes()), lines, FRESH), lines))
        modes: dict[str, Sequence[str]] = {"default": (), "everything": EVERYTHING}
        for mode, options in modes.items():
            shutil.rmtree(folder / "state", ignore_errors=True)
            file = build / f"profile-{mode}.txt"
            record = [
                spy,
                "record",
                "--subprocesses",
                "--gil",
                "--rate",
                "100",
                "--format",
                "raw",
                "-o",
                str(file),
                "--",
            ]
            line = command("import", "--url", url, "--idsite", 1, "--state-dir", "state", "--json", *options, "a.log")
            one = measured([*record, *line], folder, LOG_IMPORTER_TOKEN_AUTH="0" * 32)
            print(f"{mode}: {lines / one.seconds:,.0f} lines/s while it was looked at")
            print("\n".join(told(file)))
        print(f"one line goes through {modules_entered(url, folder)} modules")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2] or ["300000"]))
