"""What log-importer and its peer lose and double where server, network or operator fail, as one table.

    .venv/bin/python bench/faults.py [FAULT...]

Both import the same numbered lines in batches of 100; what is stored is asked of the server, not of them. A fault meets
as many of their posts as `struck` says. *Unlisted* are the lines lost or doubled beyond those that the tool itself
counts as refused, set aside, pending, in doubt or maybe twice. So that it takes minutes and not hours, both wait two
seconds for an answer, the peer one second before it tries again, and we give up after half a minute; all else is as
each has it by default.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from bench.oracle import FAULTS, LINES, REQUEST_TIMEOUT, Oracle, log, serve_oracle
from bench.peer import NoPeerError, imported, peer, run_peer
from bench.process import Ended, run_process
from tests.conftest import TOKENS, command

BATCH = 100
LIMIT = 90.0
"""Seconds after which a run is taken never to end, and is ended."""


class Report(NamedTuple):
    """What a tool said of one run."""

    ended: Ended
    said: int | None
    listed: Counter[str]

    @property
    def exit(self) -> str:
        """Its exit code in words."""
        return {None: f"> {LIMIT:.0f} s", -9: "killed"}.get(self.ended.code, str(self.ended.code))


Tool = Callable[[str, Sequence[str], Path, Event | None], Report]
"""Imports files (patterns, relative to the folder) into the server at a URL; may be killed on the way."""


def ours(url: str, files: Sequence[str], folder: Path, kill_at: Event | None) -> Report:
    """The checkout's `log-importer`."""
    line = command(
        "import", "--url", url, "--idsite", 1, "--recorder-max-payload-size", BATCH, "--request-timeout",
        REQUEST_TIMEOUT, "--give-up-after", 30, "--json", *files,
    )  # fmt: skip
    ended = run_process(line, folder, limit=LIMIT, kill_at=kill_at, LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser)
    summary: dict[str, Any] = json.loads(ended.out) if ended.out else {}
    names = ("refused", "set_aside", "pending", "in_doubt", "maybe_twice")
    return Report(ended, summary.get("tracked"), Counter({name: summary.get(name, 0) for name in names}))


def theirs(url: str, files: Sequence[str], folder: Path, kill_at: Event | None) -> Report:
    """The peer, which lists nothing."""
    options = ("--recorder-max-payload-size", BATCH, "--request-timeout", REQUEST_TIMEOUT, "--retry-delay", 1)
    ended = run_peer(url, files, *options, folder=folder, limit=LIMIT, kill_at=kill_at)
    return Report(ended, imported(ended), Counter())


TOOLS: dict[str, Tool] = {"log-importer": ours, "peer": theirs}

Runs = Iterator[Report]
Scenario = Callable[[Tool, Oracle, Path], Runs]


def once(tool: Tool, oracle: Oracle, folder: Path) -> Runs:
    """One import of one file."""
    (folder / "access.log").write_text(log())
    yield tool(oracle.url, ["access.log"], folder, None)


def killed(tool: Tool, oracle: Oracle, folder: Path) -> Runs:
    """Killed when half is stored and the last batch of it not yet answered; then the same command again."""
    (folder / "access.log").write_text(log())
    oracle.hold = True
    yield tool(oracle.url, ["access.log"], folder, oracle.half)
    oracle.hold = False
    yield tool(oracle.url, ["access.log"], folder, None)


def rotated(tool: Tool, oracle: Oracle, folder: Path) -> Runs:
    """The log is renamed with two thirds of the lines and a new one begun, between two runs of one command."""
    (folder / "access.log").write_text(log(0, LINES * 2 // 3))
    yield tool(oracle.url, ["access.log*"], folder, None)
    (folder / "access.log").rename(folder / "access.log.1")
    (folder / "access.log").write_text(log(LINES * 2 // 3))
    yield tool(oracle.url, ["access.log*"], folder, None)


def twice(tool: Tool, oracle: Oracle, folder: Path) -> Runs:
    """The same command twice."""
    yield from once(tool, oracle, folder)
    yield tool(oracle.url, ["access.log"], folder, None)


SCENARIOS: dict[str, tuple[Scenario, str]] = {
    **{name: (once, name) for name in FAULTS},
    "kill -9 half-way, run again": (killed, "none"),
    "rotated between two runs": (rotated, "none"),
    "run twice": (twice, "none"),
}


class Outcome(NamedTuple):
    """What a tool made of a fault: what the server has, and what the tool said."""

    once: int
    lost: int
    twice: int
    struck: int
    reports: Sequence[Report]

    @property
    def listed(self) -> Counter[str]:
        """The lines that the tool listed, by why."""
        return sum((report.listed for report in self.reports), Counter())

    @property
    def unlisted(self) -> int:
        """Lines lost or doubled of which the tool said nothing."""
        listed = self.listed
        lost = sum(listed[name] for name in ("refused", "set_aside", "pending", "in_doubt"))
        return max(0, self.lost - lost) + max(0, self.twice - listed["maybe_twice"] - listed["in_doubt"])


def outcome(name: str, tool: Tool) -> Outcome:
    """Puts a tool through one of `SCENARIOS`."""
    scenario, fault = SCENARIOS[name]
    with serve_oracle(fault) as oracle, tempfile.TemporaryDirectory() as folder:
        reports = list(scenario(tool, oracle, Path(folder)))
        times, struck = oracle.times(), oracle.strikes
    assert set(times) <= set(range(LINES)), "the server has lines that there are not"
    stored_once = sum(count == 1 for count in times.values())
    return Outcome(stored_once, LINES - len(times), len(times) - stored_once, struck, reports)


HEADER = "fault tool struck lines once lost twice+ unlisted exit said listed seconds".split()
ROW = "{:32} {:12}{:>7}{:>6}{:>6}{:>6}{:>7}{:>9}  {:11} {:11} {:35}{:>8}"


def row(name: str, tool: str, made: Outcome) -> str:
    """A row of the table."""
    counts = ("-" if report.said is None else str(report.said) for report in made.reports)
    listed = (f"{why.replace('_', ' ')} {number}" for why, number in made.listed.items() if number)
    return ROW.format(
        name, tool, made.struck, LINES, made.once, made.lost, made.twice, made.unlisted,
        ", ".join(report.exit for report in made.reports), ", ".join(counts), ", ".join(listed) or "-",
        f"{sum(report.ended.seconds for report in made.reports):.1f}",
    )  # fmt: skip


def main() -> None:
    """Prints the table, row by row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("fault", nargs="*", metavar="FAULT", help=f"only these of: {'; '.join(SCENARIOS)}")
    parser.add_argument("--tool", choices=TOOLS, help="only this one")
    given = parser.parse_args()
    if unknown := set(given.fault) - set(SCENARIOS):
        parser.error(f"there is no fault {', '.join(unknown)}; there are {'; '.join(SCENARIOS)}")
    tools = [given.tool] if given.tool else list(TOOLS)
    try:
        if "peer" in tools:
            peer()
    except NoPeerError as error:
        tools.remove("peer")
        print(f"Without the peer: there is no {error}", file=sys.stderr)
    print(ROW.format(*HEADER))
    for name in given.fault or SCENARIOS:
        for tool in tools:
            print(row(name, tool, outcome(name, TOOLS[tool])), flush=True)


if __name__ == "__main__":
    main()
