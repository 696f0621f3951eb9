"""A real standalone cluster on loopback: a master, two workers of one core each, and the command that imports on it."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, TOKENS, environment, missing

PYTHON = ROOT / ".spark" / "bin" / "python"
"""Of an environment of its own, since Spark is large; `make .spark/.ready` makes it."""
_HOME = "import os, pyspark; print(os.path.dirname(pyspark.__file__))"


def variables(conf: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a driver; `conf` are settings of Spark."""
    settings = {
        "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false",
        "spark.sql.files.maxPartitionBytes": "60000", "spark.task.maxFailures": "20", **(conf or {}),
    }  # fmt: skip
    said = " ".join(f"--conf {name}={value}" for name, value in settings.items())
    return {
        "LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser, "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_SUBMIT_ARGS": f"{said} pyspark-shell", "PYSPARK_PYTHON": str(PYTHON),
    }  # fmt: skip


@dataclass
class Cluster:
    """The cluster, and where what it writes lies."""

    master: str
    folder: Path
    home: str  # of Spark
    workers: Sequence[subprocess.Popen[bytes]]

    def start(self, url: str, *arguments: object) -> subprocess.Popen[bytes]:
        """An import on the cluster into the server at `url`, as a process of its own."""
        return self.run(
            "import", "--json", "--spark", self.master, "--shared-dir", "shared", "--url", url, "--idsite", 1,
            *arguments,
        )  # fmt: skip

    def run(self, *arguments: object, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A command of ours; `env` is what the driver and the executors are to know."""
        conf = {f"spark.executorEnv.{name}": value for name, value in (env or {}).items()}
        return subprocess.Popen(
            [str(PYTHON), "-m", "log_importer", *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL,
            env=environment(self.folder, variables(conf) | (env or {})), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def submit(self, url: str, *arguments: object, shared: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
        """An import by spark-submit; `env` is what the driver and the executors are to know."""
        conf = {"spark.ui.enabled": "false", "spark.sql.files.maxPartitionBytes": "60000"}
        conf |= {f"spark.executorEnv.{name}": value for name, value in env.items()}
        known = environment(self.folder, variables()) | env
        del known["PYSPARK_SUBMIT_ARGS"]
        return subprocess.Popen(
            [
                f"{self.home}/bin/spark-submit", "--master", self.master,
                *(word for name, value in conf.items() for word in ("--conf", f"{name}={value}")),
                str(ROOT / "log_importer" / "__main__.py"), "import", "--json", "--spark", "submitted",
                "--shared-dir", shared, "--url", url, "--idsite", "1", *map(str, arguments),
            ],
            cwd=self.folder, env=known, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def executors(self) -> list[int]:
        """The process ids of the executors' JVMs."""
        return [child for worker in self.workers for child in children(worker.pid)]


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are still there."""
    found = Path(f"/proc/{pid}/task")
    pids: list[int] = []
    with contextlib.suppress(OSError):
        for task in found.iterdir():
            with contextlib.suppress(OSError):
                pids += map(int, (task / "children").read_text().split())
    return pids


def kill_tree(pid: int) -> None:
    """SIGKILL for a process and all below it."""
    below = children(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child in below:
        kill_tree(child)


@contextlib.contextmanager
def running(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A cluster with that many workers."""
    if not PYTHON.exists():
        missing("environment with Spark: make .spark/.ready")
    home = subprocess.run([str(PYTHON), "-c", _HOME], capture_output=True, check=True, text=True).stdout.strip()
    known = dict(os.environ) | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(PYTHON)}
    processes: list[subprocess.Popen[bytes]] = []

    def begin(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (folder / f"{name}.log").open("wb") as said:
            process = subprocess.Popen(
                [f"{home}/bin/spark-class", f"org.apache.spark.deploy.{arguments[0]}", *arguments[1:]],
                cwd=folder, env=known, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        processes.append(process)
        return process

    try:
        begin("master", "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        master = _said(folder / "master.log", r"Starting Spark master at (spark://127\.0\.0\.1:[0-9]+)")
        started = [
            begin(
                f"worker{number}", "worker.Worker", "--host", "127.0.0.1", "-c", "1", "-m", "1g", "--webui-port", "0",
                "--work-dir", str(folder / f"work{number}"), master,
            )
            for number in range(workers)
        ]  # fmt: skip
        for number in range(workers):
            _said(folder / f"worker{number}.log", f"Successfully registered with master ({master})")
        yield Cluster(master, folder, home, started)
    finally:
        for process in processes:
            kill_tree(process.pid)
            process.wait()


def _said(log: Path, pattern: str) -> str:
    """What the first group of `pattern` found, once it is in the log."""
    deadline = time.monotonic() + 60
    while not (found := re.search(pattern, text := log.read_text("utf-8", "replace"))):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    return found[1]
