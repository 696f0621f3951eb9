"""How many worker processes a run has, and when they are started."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from log_importer.runs.reading.chunks_in_order import Inputs
from log_importer.runs.workers.processors import on_one, processor_count
from log_importer.runs.workers.worker import InProcess, Pool, WorkerPool, start_early, stop_early
from log_importer.settings import Settings

_SMALL = 4 << 20
"""Bytes of input that are done before a worker process would have started."""


@contextlib.contextmanager
def early_workers(settings: Settings) -> Iterator[None]:
    """Worker processes wait for a pool, unless what is named is clearly too small for them.

    Comes before this process has threads, sockets or locks; those that it will have share a processor.
    """
    workers = 0 if settings.spark else _workers(settings, small=not settings.live and _are_small(settings.sources))
    start_early(workers)
    try:
        with on_one() if workers else contextlib.nullcontext():
            yield
    finally:
        stop_early()


def _are_small(names: Sequence[str]) -> bool:
    try:
        return all(Path(name).is_file() for name in names) and sum(Path(name).stat().st_size for name in names) < _SMALL
    except OSError:
        return False  # whoever reads it says why


def start_pool(settings: Settings, inputs: Inputs) -> Pool:
    """The worker processes, or none where the input is too small for them."""
    workers = _workers(settings, small=inputs.size is not None and inputs.size < _SMALL)
    if workers:
        return WorkerPool(workers)
    stop_early()
    return InProcess()


def _workers(settings: Settings, *, small: bool) -> int:
    return settings.workers if settings.workers is not None else 0 if small else processor_count()
