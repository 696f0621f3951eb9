"""`--max-decompress-memory`: a source that needs a larger window is incomplete and says which, whoever opens it."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.fault_server import serve
from tests.faults.common import log
from tests.faults.test_crash import wait_for
from tests.oracle import Oracle, lines
from tests.runs.reading.live.follower import following
from tests.sources.test_decompress import xz_of, zstd_of

LARGE = 1 << 30
NEEDS = (
    f"its compressed data needs a window of 1024 MiB, more than is allowed; --max-decompress-memory {LARGE} allows it"
)
DRY = ("import", "--dry-run", "--local", "--json")
any_kind = pytest.mark.parametrize("make", [zstd_of, xz_of])


@any_kind
def test_a_source_that_needs_more_says_so_and_the_others_are_read(make, run: Run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "large").write_bytes(make(LARGE, log(range(10))))
    (tmp_path / "usual").write_bytes(make(512 << 20, log(range(10, 30))))
    done = run(*DRY, "large", "usual")
    incomplete = {one["source"]: one["incomplete"] for one in done.summary["sources"]}
    assert (done.code, done.summary["lines"], incomplete) == (1, 20, {"large": NEEDS, "usual": ""})
    done = run("explain", "large", "usual")
    assert (done.code, done.out.count("\n"), done.err) == (1, 20, f"log-importer: large: is incomplete: {NEEDS}.\n")
    done = run("formats", "detect", "large", "usual")
    assert (done.code, done.out) == (1, "usual: combined\nlarge: no format fits\n")
    assert done.err == f"large: no line of it can be read: {NEEDS}.\n"


@any_kind
def test_what_was_read_before_a_member_that_needs_more_is_kept(make, run: Run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = make(1 << 20, log(range(10))) + make(LARGE, log(range(10, 20)))
    for source in ("a.log", "-"):
        (tmp_path / "a.log").write_bytes(data)
        done = run(*DRY, source, stdin=data)
        assert (done.code, done.summary["lines"], done.summary["sources"][0]["incomplete"]) == (1, 10, NEEDS)


def test_it_may_be_allowed_by_option_environment_and_settings_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(zstd_of(LARGE, log(range(10))))
    (tmp_path / "settings.toml").write_text(f"max-decompress-memory = {LARGE}\n")
    assert run("formats", "detect", "a.log").code == 1
    assert run("formats", "detect", "a.log", "--max-decompress-memory", LARGE).code == 0
    assert run("explain", "a.log", LOG_IMPORTER_MAX_DECOMPRESS_MEMORY=str(LARGE)).out.count("\n") == 10
    assert run(*DRY, "--config", "settings.toml", "a.log").summary["lines"] == 10
    done = run("formats", "detect", "a.log", "--max-decompress-memory", 1000)
    assert (done.code, "--max-decompress-memory" in done.err) == (2, True)


def test_a_source_that_is_found_again_is_read_with_what_is_allowed(run: Run, tmp_path: Path) -> None:
    """What is a copy is told by looking at the original once more."""
    known = {"LOG_IMPORTER_MAX_DECOMPRESS_MEMORY": str(LARGE)}
    (tmp_path / "a.log").write_bytes(zstd_of(LARGE, log(range(500))))
    assert run("import", "--local", "--json", "a.log", **known).summary["tracked"] == 500
    (tmp_path / "copy.log").write_bytes(log(range(400)))
    done = run("import", "--local", "--json", "a.log", "copy.log", **known)
    assert (done.code, done.summary["lines"]) == (0, 0)
    copies = {one["source"]: one["known_lines"] for one in json.loads(done.out)["sources"]}
    assert copies == {"a.log": 500, "copy.log": 500}


@pytest.mark.timeout(120)
def test_a_file_that_is_followed_and_needs_more_is_incomplete(tmp_path: Path) -> None:
    stored = Oracle()
    (tmp_path / "a.log").write_bytes(zstd_of(LARGE, lines(range(10))))
    (tmp_path / "b.log").write_bytes(lines(range(10, 20)))
    sources = (tmp_path / "a.log", tmp_path / "b.log")
    with serve(stored) as tracker, following(tracker.url, tmp_path, *sources) as follower:
        wait_for(lambda: len(stored.stored) == 10, 30)
        done = follower.stop()
    assert NEEDS in done.out
