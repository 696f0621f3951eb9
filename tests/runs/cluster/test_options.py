"""What does not go with a cluster is said, and nothing of Spark is loaded where nobody asks for it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, TOKENS, Run, environment, missing
from tests.oracle import lines
from tests.runs.cluster.cluster import PYTHON, variables

TOKEN = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}
URL = ("--url", "http://127.0.0.1:9", "--idsite", 1)
SPARK = ("--spark", "spark://127.0.0.1:9")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((*SPARK, "--shared-dir", "x"), "--spark needs a server that all machines of the cluster reach. Name it"),
        ((*URL, *SPARK), "--spark needs a folder where all machines"),
        ((*URL, "--shared-dir", "x"), "--shared-dir is given, but no --spark."),
        ((*URL, "--max-senders", 3), "--max-senders is given, but no --spark."),
        ((*URL, *SPARK, "--shared-dir", "x", "--follow"), "--follow and --spark exclude each other."),
        ((*URL, *SPARK, "--shared-dir", "x", "--shard", "1/2"), "--shard and --spark exclude each other."),
        ((*URL, *SPARK, "--shared-dir", "x", "--dry-run"), "--dry-run and --spark exclude each other."),
        ((*URL, *SPARK, "--shared-dir", "https://127.0.0.1/x"), "cannot keep two machines apart. Name a folder"),
    ],
)
def test_what_does_not_go_together_is_said(given: tuple[object, ...], said: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(lines(range(3)))
    done = run("import", *given, "a.log", **TOKEN)
    assert (done.code, said in done.err, done.err.count("\n")) == (2, True, 1), done.err


def test_without_pyspark_it_is_said_what_to_install(run: Run, tmp_path: Path) -> None:
    from tests.fault_server import serve

    (tmp_path / "a.log").write_bytes(lines(range(3)))
    with serve() as server:
        done = run(
            "import", "--url", server.url, "--idsite", 1, *SPARK, "--shared-dir", "shared", "a.log",
            PYTHONPATH=str(_hiding(tmp_path)), **TOKEN,
        )  # fmt: skip
    assert (done.code, "Run: pip install 'log-importer[spark]'" in done.err) == (2, True), done


def _hiding(folder: Path) -> Path:
    """A folder whose pyspark cannot be imported."""
    place = folder / "hiding"
    place.mkdir()
    (place / "pyspark.py").write_text("raise ImportError('hidden')\n")
    return place


def test_nothing_of_spark_is_loaded_where_nobody_asks_for_it(tmp_path: Path) -> None:
    script = (
        "import sys, atexit; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr))\n"
        "from log_importer.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "import", "--local", str(SAMPLES / "nginx-combined.log")], cwd=tmp_path,
        env=environment(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = done.stderr.splitlines()[-1]
    assert "log_importer.runs.pipeline" in loaded
    assert re.findall(r"pyspark|py4j|log_importer\.spark|log_importer\.shared|fsspec", loaded) == []


def test_speculation_is_refused(tmp_path: Path) -> None:
    if not PYTHON.exists():
        missing("environment with Spark: make .spark/.ready")
    from tests.fault_server import serve

    (tmp_path / "a.log").write_bytes(lines(range(3)))
    with serve() as server:
        done = subprocess.run(
            [
                str(PYTHON), "-m", "log_importer", "import", "--spark", "local[1]", "--shared-dir", "shared", "--url",
                server.url, "--idsite", "1", "a.log",
            ],
            cwd=tmp_path, env=environment(tmp_path, variables({"spark.speculation": "true"})), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert server.bulk == []
    assert (done.returncode, "--conf spark.speculation=false" in done.stderr) == (2, True), done.stderr
