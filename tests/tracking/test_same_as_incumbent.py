"""The same log with the same options gives the requests that Matomo's own script makes, field by field.

What differs on purpose is written down here, and in the README under "Coming from import_logs.py".
"""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLES, Run
from tests.incumbent_mapping import Options, mapped

ALL = Options(static=True, bots=True, errors=True, redirects=True)
FLAGS = ("--enable-static", "--enable-bots", "--enable-http-errors", "--enable-http-redirects", "--track-http-code")

# Where one of the two leaves a line out: our reason, or None where we track it; and its reason, or None.
LEFT_OUT_BY_US = {"bot", "method", "partial"}  # Matomo's own list of bots; HEAD and OPTIONS; further ranges of a file
LEFT_OUT_BY_IT = {"bot", "invalid"}  # "feed" or "yahoo" anywhere in a user agent; users with blanks in their names


def compare(rows: list[dict[str, object]], lines: list[str], options: Options) -> Counter[str]:
    """How often which difference; fails at one that is not meant."""
    found: Counter[str] = Counter()
    for row, line in zip(rows, lines, strict=True):
        its = mapped(line, options)
        ours = row.get("request")
        if isinstance(ours, dict) and isinstance(its, dict) and "\\" in line:
            found["escapes, which it sends as they are"] += 1
        elif isinstance(ours, dict) and isinstance(its, dict) and " http://" in line.split('"')[1]:
            found["a request for another host, which it believes"] += 1
        elif isinstance(ours, dict) and isinstance(its, dict) and " HTTP/" not in line.split('"')[1]:
            found["a request line without a protocol, of which it takes the first word"] += 1
        elif isinstance(ours, dict) and isinstance(its, dict):
            found["same"] += 1
            assert normal(ours) == normal(its), line
        elif isinstance(ours, dict):
            assert its in LEFT_OUT_BY_IT, (line, its)
            found[f"it leaves out: {its}"] += 1
        elif isinstance(its, dict):
            assert row.get("reason") in LEFT_OUT_BY_US, (line, row)
            found[f"we leave out: {row.get('reason')}"] += 1
    return found


def normal(request: dict[str, str]) -> dict[str, str]:
    """Without what differs on purpose."""
    kept = {name: value for name, value in request.items() if value}  # it sends empty urlref and ua
    kept.pop("queuedtracking", None)  # ours is in the address of the post
    kept.pop("gt_ms", None)  # for servers before Matomo 4
    if kept.get("bw_bytes") == "0":
        kept.pop("bw_bytes")  # it leaves it out
    if "action_name" in kept:
        kept.pop("download", None)  # what failed was not downloaded
    if kept.get("ua") == "-":
        kept.pop("ua")
    kept.pop("_cvar", None)  # Bot and Not-Bot: compared in a test of its own
    for name in ("url", "download"):
        if name in kept:
            kept[name] = kept[name][:1024].replace("%23", "#")  # it cuts the path alone, we the whole address
    if "cvar" in kept:
        kept["cvar"] = json.loads(kept["cvar"])
    return kept


def explained(run: Run, folder: Path, text: bytes, *flags: str) -> list[dict[str, object]]:
    (folder / "a.log").write_bytes(text)
    done = run("explain", "--log-format-name", "combined", *flags, "a.log", timeout=120)
    assert done.code == 0, done.err
    return [json.loads(row) for row in done.out.splitlines()]


@pytest.mark.parametrize(("options", "flags"), [(Options(), ("--track-http-code",)), (ALL, FLAGS)])
def test_other_peoples_log(
    options: Options, flags: tuple[str, ...], run: Run, tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    text = gzip.decompress(shared_data("apache-combined-10k.log.gz").read_bytes())
    rows = explained(run, tmp_path, text, *flags)
    found = compare(rows, text.decode().splitlines(), options)
    assert found["same"] > (1500 if options == Options() else 9000), found


@pytest.mark.parametrize("name", ["apache-combined.log", "nginx-combined.log"])
def test_sample_logs(name: str, run: Run, tmp_path: Path) -> None:
    text = (SAMPLES / name).read_bytes()
    found = compare(explained(run, tmp_path, text, *FLAGS), text.decode().splitlines(), ALL)
    assert found["same"] > 10, found


def test_the_differences_are_in_the_readme() -> None:
    section = (ROOT / "README.md").read_text().split("## Coming from import_logs.py")[1].split("\n## ")[0]
    for word in ("HEAD", "206", "HTTP-code", "scheme", "bots", "generation_time_milli", "empty", "--skip"):
        assert word in section
