"""How many lines a second, for how much processor time and memory: log-importer and its peers in one run.

    python -m bench.speed [--lines 1000000] [--rounds 5] [--json FILE]

Ten thousand real lines, grown, as combined log, compressed, as nginx's JSON and as IIS writes it; one null server for
all; with the default filters, and with everything tracked and posted. A peer that reads some thousand lines a second
gets a tenth of the lines. Each round runs all of them once, one after the other, and medians are told.
"""

import argparse
import gzip
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from bench.grown import DATA, SEED, grown, iis, nginx_json, write
from bench.measured import Measured, measured
from bench.null_server import null_server
from bench.peer import NoPeerError, peer
from tests.conftest import ROOT, command

EVERYTHING = ("--enable-static", "--enable-bots", "--enable-http-errors", "--enable-http-redirects")
CHANGING = (
    ("--anonymize-ip", "2"), ("--strip-query-string",), ("--dimension", "1=user_agent"), ("--hash-user-id",),
    ("--drop-query-parameter", "q"), ("--add-to-date", "3600"),
)  # fmt: skip
"""Options that users often give."""
FRESH = 0.01
_GUNZIP = ("sh", "-c", "gzip -dc c.log.gz >/dev/null")
_LOGS = {"combined": "c.log", "combined.gz": "c.log.gz", "nginx JSON": "j.log", "IIS": "i.log"}
_GOACCESS = {
    "combined": ("--log-format=COMBINED",), "combined.gz": ("--log-format=COMBINED",),
    "nginx JSON": (
        ("--log-format={\"ip\": \"%h\", \"host\": \"%v\", \"path\": \"%U\", \"status\": \"%s\", \"referrer\": \"%R\", "
        "\"user_agent\": \"%u\", \"length\": \"%b\", \"generation_time_milli\": \"%T\", \"date\": \"%dT%t+%^\"}"),
        "--date-format=%Y-%m-%d", "--time-format=%H:%M:%S",
    ),
    "IIS": (
        "--log-format=%d %t %^ %m %U %q %^ %^ %h %u %R %s %^ %^ %L", "--date-format=%Y-%m-%d",
        "--time-format=%H:%M:%S",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A tool, on a log, in a mode."""

    tool: str
    log: str
    mode: str
    lines: int
    run: Callable[[], Measured]


def cases(url: str, folder: Path, lines: int) -> Iterator[Case]:
    """All of them; the peers that can be had."""
    few = lines // 10
    for log, name in _LOGS.items():
        for mode, options in {"default": (), "everything": EVERYTHING}.items():
            yield Case("log-importer", log, mode, lines, partial(ours, url, folder, name, options))
    try:
        executable = str(peer())
        for log, name in _LOGS.items():
            for mode, options in {"default": (), "everything": EVERYTHING}.items():
                given = (*options, *(("--log-format-name=nginx_json",) if log == "nginx JSON" else ()))
                line = [
                    executable, "--url", url, "--idsite", "1", "--client-id", "id", "--client-secret", "secret", *given,
                    f"few-{name}",
                ]  # fmt: skip
                yield Case("import_logs.py's fork", log, mode, few, partial(measured, line, folder))
    except NoPeerError as error:
        print(f"not compared with: {error}", file=sys.stderr)
    if shutil.which("goaccess"):
        for log, name in _LOGS.items():
            read = ["sh", "-c", f"zcat {name} | goaccess - {' '.join(_GOACCESS[log])} -o goaccess.json"]
            plain = ["goaccess", name, *_GOACCESS[log], "--no-global-config", "-o", "goaccess.json"]
            yield Case(
                "GoAccess", log, "report", lines, partial(measured, read if name.endswith(".gz") else plain, folder)
            )
    else:
        print("not compared with: goaccess, which is not installed", file=sys.stderr)
    yield Case("wc -l", "combined", "", lines, partial(measured, ["wc", "-l", "c.log"], folder))
    yield Case(
        "gzip -dc", "combined.gz", "", lines, partial(measured, ["sh", "-c", "gzip -dc c.log.gz >/dev/null"], folder)
    )


def ours(
    url: str, folder: Path, name: str, options: Sequence[str] = (), *, watch: bool = False, cores: Sequence[int] = (),
    keep: bool = False,
) -> Measured:  # fmt: skip
    """One import; what was imported before is forgotten unless `keep`."""
    if not keep:
        shutil.rmtree(folder / "state", ignore_errors=True)
    line = command("import", "--url", url, "--idsite", 1, "--state-dir", "state", "--json", *options, name)
    return measured(line, folder, watch=watch, cores=cores, LOG_IMPORTER_TOKEN_AUTH="0" * 32)


def prepare(folder: Path, lines: int) -> dict[str, str]:
    """Writes the logs; name -> SHA-256 of what each holds."""
    raw = gzip.decompress(DATA.read_bytes())
    found = {}
    for log, name in _LOGS.items():
        turned = {"nginx JSON": nginx_json, "IIS": iis}.get(log, iter)
        found[log] = write(folder / name, grown(raw, lines, FRESH), turned)
        write(folder / f"few-{name}", islice(grown(raw, lines, FRESH), lines // 10), turned)
    return found


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows, and what they are of each other."""
    yield f"{'tool':<22}{'log':<13}{'mode':<12}{'lines/s':>11}{'CPU s per million':>19}{'MB/s':>8}{'peak MB':>9}"
    for row in rows:
        peak = f"{row['peak'] / 1e6:.0f}" if row["peak"] else ""
        yield (
            f"{row['tool']:<22}{row['log']:<13}{row['mode']:<12}{row['rate']:>11,.0f}{row['cpu']:>19.2f}"
            f"{row['bytes_rate'] / 1e6:>8.1f}{peak:>9}"
        )


def ratios(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What is claimed."""
    by = {(row["tool"], row["log"], row["mode"]): row for row in rows}
    us = {(log, mode): by["log-importer", log, mode] for log in _LOGS for mode in ("default", "everything")}
    found = {}
    for mode in ("default", "everything"):
        if them := by.get(("import_logs.py's fork", "combined", mode)):
            found[f"{mode}: times the fork's lines/s"] = us["combined", mode]["rate"] / them["rate"]
            found[f"{mode}: times the fork's lines per CPU second"] = them["cpu"] / us["combined", mode]["cpu"]
    if them := by.get(("GoAccess", "combined", "report")):
        found["default: times GoAccess's lines/s"] = us["combined", "default"]["rate"] / them["rate"]
        found["everything: times GoAccess's lines/s"] = us["combined", "everything"]["rate"] / them["rate"]
    for log in ("nginx JSON", "IIS"):
        for mode in ("default", "everything"):
            found[f"{mode}: {log}'s time per byte, combined = 1"] = (
                us["combined", mode]["bytes_rate"] / us[log, mode]["bytes_rate"]
            )
    for mode in ("default", "everything"):
        found[f"{mode}: .gz's time, plain = 1"] = us["combined", mode]["rate"] / us["combined.gz", mode]["rate"]
    return found


def scaling(folder: Path, rounds: int) -> dict[str, float]:
    """All on one core, the server too, against all on two, and how busy the coordinating process is."""
    found = {}
    for mode, options in {"default": (), "everything": EVERYTHING}.items():
        with null_server([0]) as alone, null_server([0, 1]) as both:
            pairs = [
                (ours(alone, folder, "c.log", options, cores=[0]), ours(both, folder, "c.log", options, cores=[0, 1]))
                for _ in range(rounds)
            ]
        found[f"{mode}: wall time on one core, on two = 1"] = _median(one.seconds / two.seconds for one, two in pairs)
        found[f"{mode}: share of a core that coordinates"] = _median(two.first / two.seconds for _, two in pairs)
    return found


def options_cost(url: str, folder: Path, rounds: int) -> dict[str, float]:
    """The processor time of options that change what is sent, in pairs with none."""
    found = {}
    for options in CHANGING:
        pairs = [(ours(url, folder, "c.log", options).cpu, ours(url, folder, "c.log").cpu) for _ in range(rounds)]
        found[f"processor time with {' '.join(options)}, without = 1"] = _median(with_ / none for with_, none in pairs)
    return found


def known(url: str, folder: Path, rounds: int) -> dict[str, float]:
    """A file that was imported: as it lies, and compressed since."""
    lying, packed = [], []
    for _ in range(rounds):
        ours(url, folder, "c.log")
        lying.append(ours(url, folder, "c.log", keep=True).seconds)
        floor = measured(_GUNZIP, folder).seconds
        packed.append((ours(url, folder, "c.log.gz", keep=True).seconds, floor))
    return {
        "seconds for a finished file that lies as it lay": statistics.median(lying),
        "a finished file compressed since: time, gzip -dc = 1": _median(ours / floor for ours, floor in packed),
    }


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench-speed.json")
    parser.add_argument("--only", default="", help="tools whose name has this")
    given = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"There is no {DATA}.")
    with tempfile.TemporaryDirectory() as name, null_server() as url:
        folder = Path(name)
        digests = prepare(folder, given.lines)
        print(f"seed {SEED}; " + "; ".join(f"{log}: {digest}" for log, digest in digests.items()))
        chosen = [case for case in cases(url, folder, given.lines) if given.only in case.tool]
        runs: dict[int, list[Measured]] = {place: [] for place in range(len(chosen))}
        for number in range(given.rounds):
            for place, case in enumerate(chosen):
                runs[place].append(case.run())
                print(
                    f"round {number + 1}: {case.tool}, {case.log}, {case.mode}: {runs[place][-1].seconds:.2f} s",
                    file=sys.stderr,
                )
        sizes = {log: (folder / file.removesuffix(".gz")).stat().st_size for log, file in _LOGS.items()}
        rows = [
            {
                "tool": case.tool,
                "log": case.log,
                "mode": case.mode,
                "lines": case.lines,
                "rate": case.lines / _median(one.seconds for one in runs[place]),
                "cpu": _median(one.cpu for one in runs[place]) / case.lines * 1e6,
                "bytes_rate": sizes[case.log] * case.lines / given.lines / _median(one.seconds for one in runs[place]),
                "peak": 0,
            }
            for place, case in enumerate(chosen)
        ]
        for row in rows:
            if row["tool"] == "log-importer":
                options = EVERYTHING if row["mode"] == "everything" else ()
                row["peak"] = ours(url, folder, _LOGS[row["log"]], options, watch=True).peak
        print("\n".join(table(rows)))
        rounds = given.rounds
        found = ratios(rows) | scaling(folder, rounds) | known(url, folder, rounds) | options_cost(url, folder, rounds)
        for claim, ratio in found.items():
            print(f"{claim}: {ratio:.2f}")
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps({"digests": digests, "seed": SEED, "rows": rows, "ratios": found}, indent=2))


if __name__ == "__main__":
    main()
