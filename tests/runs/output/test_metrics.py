"""`--metrics-file`: what Prometheus is told is what the summary says."""

import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import SAMPLES, Run

LOG = SAMPLES / "nginx-combined.log"


def told(path: Path) -> dict[tuple[str, str], float]:
    """(metric, value of its label) -> value."""
    families = text_string_to_metric_families(path.read_text())
    samples = [sample for family in families for sample in family.samples]
    return {
        (sample.name.removeprefix("log_importer_"), "".join(sample.labels.values())): sample.value for sample in samples
    }


def test_the_counts_of_the_run_are_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "import.prom").write_text("of an earlier run\n")
    began = time.time()
    done = run("import", "--local", "--state-dir", "state", "--json", "--metrics-file", "import.prom", LOG)
    summary, found = done.summary, told(tmp_path / "import.prom")
    assert done.code == 0
    assert found["last_run_exit_code", ""] == 0
    assert {name: found["last_run_lines", name] for name in ("tracked", "rejected", "pending", "set_aside")} == {
        name: summary[name] for name in ("tracked", "rejected", "pending", "set_aside")
    }
    assert {label: value for (name, label), value in found.items() if name == "last_run_skipped_lines"} == (
        summary["skipped"]
    )
    assert found["last_run_tracked", "1"] == summary["tracked"]
    assert began - 1 < found["last_run_timestamp_seconds", ""] < time.time() + 1
    newest = found["newest_hit_timestamp_seconds", ""]
    assert found["lag_seconds", ""] == pytest.approx(found["last_run_timestamp_seconds", ""] - newest)
    assert (tmp_path / "import.prom").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.glob("import.prom*")] == ["import.prom"], "no half file stays"


def test_a_failed_run_is_told_too(run: Run, tmp_path: Path) -> None:
    done = run("import", "--local", "--state-dir", "state", "--metrics-file", "import.prom", "nope.log")
    assert done.code == 3
    assert told(tmp_path / "import.prom")["last_run_exit_code", ""] == 3


def test_what_cannot_be_written_is_a_sentence_and_the_import_is_done(run: Run) -> None:
    done = run("import", "--local", "--state-dir", "state", "--metrics-file", "no/folder.prom", LOG)
    assert done.code == 1
    assert "no/folder.prom: --metrics-file cannot be written: no such file or directory." in done.err
    assert "tracked" in done.out
