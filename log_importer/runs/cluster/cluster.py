"""The cluster: a SparkContext, and what of Spark's own settings does not go with exact counts."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from log_importer.model.errors import LogImporterError, UsageError

if TYPE_CHECKING:
    from pyspark import RDD

SUBMITTED = "submitted"
"""In the place of a master: the one that spark-submit was told."""
_SPAN = "spark.sql.files.maxPartitionBytes"
_SPAN_BYTES = 128 << 20
T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")


class ClusterFailed(LogImporterError):
    """Spark gave up; what was posted is written down, and the next run goes on."""


class Cluster:
    """A connection to the cluster, while it is held as a context manager."""

    def __init__(self, master: str, title: str) -> None:
        """Raises `UsageError` where Spark is not installed, or set up in a way that would count twice."""
        try:
            from pyspark import SparkConf, SparkContext
        except ImportError:
            raise UsageError(
                "--spark needs PySpark, which is not installed here.", "Run: pip install 'log-importer[spark]'"
            ) from None
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        conf = SparkConf().setIfMissing("spark.app.name", f"log-importer {title}")
        if master != SUBMITTED:
            conf.setMaster(master)
        conf.setIfMissing("spark.ui.showConsoleProgress", "false")
        try:
            self.context: SparkContext = SparkContext.getOrCreate(conf)
        except Exception as error:  # py4j's, and whatever the JVM says
            raise ClusterFailed(f"Spark cannot be started on {master}: {_said(error)}", "Look at the master.") from None
        self.context.setLogLevel("ERROR")
        if self.context.getConf().get("spark.speculation", "false") == "true":
            self.context.stop()
            raise UsageError(
                "spark.speculation is on, so Spark would post some batches twice.",
                "Turn it off for this application: --conf spark.speculation=false.",
            )

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.stop()

    @property
    def span(self) -> int:
        """Bytes of a plain file that one task reads."""
        return _bytes(self.context.getConf().get(_SPAN, ""), _SPAN_BYTES)

    def spread(self, rows: Sequence[T]) -> "RDD[T]":
        """The rows, a task each."""
        return self.context.parallelize(rows, max(1, len(rows)))

    def task(self, function: Callable[[Iterable[T], V], Iterator[U]], told: V) -> Callable[[Iterable[T]], Iterator[U]]:
        """What a task does with its rows: a function of this package, and what it is told, brought to each once."""
        return partial(_with, function, self.context.broadcast(told))

    def run(self, rows: "RDD[Any]", function: Callable[[Iterable[Any]], Iterator[U]], parts: Sequence[int]) -> list[U]:
        """What `function` gives for these partitions, gathered here. Raises `ClusterFailed`."""
        try:
            found: list[U] = self.context.runJob(rows, function, list(parts))
        except Exception as error:
            raise ClusterFailed(
                f"The cluster gave up: {_said(error)}",
                "What was posted is written down; run the same command again, and it goes on from there.",
            ) from None
        return found

    def cancel(self) -> None:
        """Ends what the cluster does."""
        self.context.cancelAllJobs()


def _with(function: Callable[[Iterable[T], Any], Iterator[U]], told: Any, rows: Iterable[T]) -> Iterator[U]:
    return function(rows, told.value)


def _bytes(text: str, usual: int) -> int:
    """A number of bytes as Spark writes them: 134217728, 64m, 64MB."""
    units = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
    number = text.strip().lower().removesuffix("b")
    unit = number[-1:] if number[-1:] in units else ""
    try:
        return max(1, int(number.removesuffix(unit)) * units[unit])
    except ValueError:
        return usual


def _said(error: BaseException) -> str:
    """The line of a Java or Python error that says the most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.strip().startswith("at ")]
    causes = [line for line in lines if line.startswith(("Caused by", "org.apache.spark.SparkException"))]
    return (causes or lines or [type(error).__name__])[-1][:500]
