"""Where the time of an import goes: by process and by function, with the default filters and with everything tracked.

    python -m bench.profile [LINES]

py-spy looks at all processes a hundred times a second; what it saw is in build/profile-*.txt, in the form that flame
graphs are drawn of.
"""

import gzip
import shutil
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


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2] or ["300000"]))
