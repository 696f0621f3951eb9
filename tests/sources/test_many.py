"""Files of one line each, as buckets hold them by the thousand: each costs milliseconds."""

import resource
from pathlib import Path

from tests.conftest import Run

FILES = 400
MOST = 0.008
"""Seconds of processor time for a file; to compile all formats anew for each takes three times as long."""


def test_a_file_of_one_line_costs_milliseconds(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()

    def write(first: int, end: int) -> None:
        for number in range(first, end):
            text = f'192.0.2.7 - - [12/Mar/2026:00:{number // 60:02d}:{number % 60:02d} +0000] "GET /{number} HTTP/1.1"'
            (folder / f"{number:04d}.log").write_text(f'{text} 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64)"\n')

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run("import", "--local", "--dry-run", "--json", folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.summary["lines"] == done.summary["pending"] == len(list(folder.iterdir())), done
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    write(0, 1)
    alone = seconds()
    write(1, FILES + 1)
    cost = (seconds() - alone) / FILES
    assert cost < MOST, cost
