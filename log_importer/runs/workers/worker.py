"""Worker processes: each turns chunks into results, one at a time, and leaves when its pipe closes.

They are forked where that is safe, as long as this process has no thread, socket, database or lock: they need not read
the program anew then. Elsewhere, and where one is to be replaced later, they are spawned.

Not `concurrent.futures`: its workers hold both ends of a shared queue, so after a `kill -9` of the coordinator they
would wait for ever; and a dead worker would end the whole run instead of having its chunk done again.
"""

import contextlib
import gc
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from mmap import mmap
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Protocol

from log_importer.model import Chunk, ChunkResult, Context
from log_importer.model.errors import WorkerDied
from log_importer.native.heap import keep_memory
from log_importer.runs.workers.channel import ROOM, Channel
from log_importer.runs.workers.processors import Processors, processors, run_on
from log_importer.translation.bot_rules import judges
from log_importer.translation.chunk import compile_translation
from log_importer.translation.plan import Plan


class Pool(Protocol):
    """What turns chunks into results; results come back in the order of the chunks."""

    def __enter__(self) -> "Pool": ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    @property
    def full(self) -> bool: ...
    @property
    def busy(self) -> bool: ...
    def use(self, plan: Plan) -> None: ...
    def submit(self, chunk: Chunk) -> None: ...
    def next(self) -> tuple[Chunk, ChunkResult]: ...
    def redo(self, chunk: Chunk) -> ChunkResult: ...


class InProcess:
    """For small inputs: no process is worth its start."""

    def __init__(self) -> None:
        self._translate: Callable[[bytes, Context], ChunkResult] | None = None
        self._done: deque[tuple[Chunk, ChunkResult]] = deque()

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    @property
    def full(self) -> bool:
        return bool(self._done)

    @property
    def busy(self) -> bool:
        return bool(self._done)

    def use(self, plan: Plan) -> None:
        self._translate = compile_translation(plan, judges())

    def submit(self, chunk: Chunk) -> None:
        assert self._translate is not None
        self._done.append((chunk, self._translate(chunk.data, chunk.context)))

    def next(self) -> tuple[Chunk, ChunkResult]:
        return self._done.popleft()

    def redo(self, chunk: Chunk) -> ChunkResult:
        assert self._translate is not None
        return self._translate(chunk.data, chunk.context)


_BEHIND = 5
"""How far workers stand back, which have time, for the coordinator, for which all of them and the server wait."""
_EARLY: "list[_Worker]" = []
"""Workers that wait for a pool."""


def start_early(count: int) -> None:
    """Starts workers for the next pool; comes before this process has threads, sockets or locks."""
    if not count or sys.platform != "linux":
        return
    judges()  # compiled once, and shared, as all that is there by now
    gc.freeze()  # to look for garbage there would have each process copy it
    for _ in range(count):
        _EARLY.append(_Worker(beside=tuple(_EARLY)))


def stop_early() -> None:
    """Ends those that no pool has taken."""
    while _EARLY:
        _EARLY.pop().stop()


class WorkerPool:
    """`count` worker processes, those that were started early and as many more as are lacking."""

    def __init__(self, count: int) -> None:
        self._workers = [_EARLY.pop() if _EARLY else _Worker() for _ in range(count)]
        stop_early()
        self._free: deque[_Worker] = deque(self._workers)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="worker")
        self._under_way: deque[tuple[Chunk, Future[ChunkResult]]] = deque()
        self._limit = count + (count + 1) // 2  # one more for each two, so that nobody waits for the next

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _, future in self._under_way:
            future.cancel()
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(wait=True)

    def use(self, plan: Plan) -> None:
        """Tells the workers what to compile; comes before the first chunk."""
        for worker in self._workers:
            worker.use(plan)

    @property
    def full(self) -> bool:
        """Whether as many chunks are under way as memory is meant for."""
        return len(self._under_way) >= self._limit

    @property
    def busy(self) -> bool:
        """Whether any chunk is under way."""
        return bool(self._under_way)

    def submit(self, chunk: Chunk) -> None:
        """Hands `chunk` to the next free worker."""
        self._under_way.append((chunk, self._threads.submit(self._run, chunk)))

    def next(self) -> tuple[Chunk, ChunkResult]:
        """The oldest chunk under way and its result; waits for it. Raises `WorkerDied`."""
        chunk, future = self._under_way.popleft()
        return chunk, future.result()

    def redo(self, chunk: Chunk) -> ChunkResult:
        """The result of a chunk that is told more than before; waits for it. Raises `WorkerDied`."""
        return self._threads.submit(self._run, chunk).result()

    def _run(self, chunk: Chunk) -> ChunkResult:
        worker = self._free.popleft()  # there are as many threads as workers
        try:
            for _ in range(2):
                try:
                    return worker.run(chunk)
                except (EOFError, OSError):
                    worker.restart()
            raise WorkerDied(
                f"A worker process died twice on the chunk that begins at line {chunk.context.first_line}.",
                "Look for a kernel message about memory.",
            )
        finally:
            self._free.append(worker)


class _Worker:
    def __init__(self, beside: "Sequence[_Worker] | None" = None) -> None:
        """`beside` are those that were forked before it, where it is to be forked."""
        self._plan: Plan | None = None
        self._stopped = False
        self._starting = threading.Lock()  # the coordinator may stop us while a thread starts us anew
        if beside is None:
            self._start()
        else:
            self._fork(beside)

    def _start(self) -> None:
        context = get_context("spawn")
        pipe, theirs = Pipe()
        arguments = (Channel(theirs, None), os.getpid(), processors())
        self._begin(context.Process(target=serve, args=arguments, daemon=True), theirs)
        self._channel = Channel(pipe, None)

    def _fork(self, beside: "Sequence[_Worker]") -> None:
        context, shared = get_context("fork"), mmap(-1, ROOM)
        pipe, theirs = Pipe()
        self._channel = Channel(pipe, shared)
        ours = [self._channel, *(other._channel for other in beside)]
        arguments = (Channel(theirs, shared), os.getpid(), ours)
        self._begin(context.Process(target=_forked, args=arguments, daemon=True), theirs)

    def _begin(self, process: BaseProcess, theirs: Connection) -> None:
        self._process = process
        self._process.start()
        theirs.close()

    def run(self, chunk: Chunk) -> ChunkResult:
        self._channel.send((chunk.data, chunk.context))
        result: ChunkResult | WorkerDied = self._channel.recv()
        if isinstance(result, WorkerDied):
            raise result
        return result

    def use(self, plan: Plan) -> None:
        self._plan = plan
        with contextlib.suppress(OSError):  # one that is dead already is noticed at its first chunk
            self._channel.tell(plan)

    def restart(self) -> None:
        with self._starting:
            if self._stopped:
                return
            self._end()
            self._start()
            if self._plan is not None:
                self.use(self._plan)

    def stop(self) -> None:
        with self._starting:
            self._stopped = True
            self._end()

    def _end(self) -> None:
        self._channel.close()
        self._process.join(5)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()


def _forked(channel: Channel, parent: int, ours: Sequence[Channel]) -> None:
    """The worker process, where it was forked: `ours` are ends that are the coordinator's alone."""
    for other in ours:
        other.close()
    serve(channel, parent, processors())


def serve(channel: Channel, parent: int, allowed: Processors) -> None:
    """The worker process, on any of these processors: results for chunks until the pipe closes."""
    run_on(allowed)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the coordinator decides when to stop
    _die_with(parent)
    if hasattr(os, "nice"):
        os.nice(_BEHIND)
    keep_memory()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        verdicts = judges()  # while the coordinator looks at its sources
        translate = compile_translation(channel.recv(), verdicts)
        gc.freeze()
        gc.set_threshold(100_000)  # what a chunk is made into has no cycles, and is large
        while True:
            data, context = channel.recv()
            try:
                result: ChunkResult | WorkerDied = translate(data, context)
            except Exception as error:  # a fault of ours: the coordinator says so and ends, nobody waits
                where = f"in the chunk that begins at line {context.first_line}"
                result = WorkerDied(f"This is a fault in log-importer: {error!r}, {where}.", "Please report it.")
            channel.send(result)


def _die_with(parent: int) -> None:
    """Asks Linux for a SIGKILL when the coordinator is gone; elsewhere the closing pipe has to do."""
    if sys.platform == "linux":
        import ctypes  # costs a few milliseconds that --help need not pay

        # Strictly it is the death of the thread that started us; the pool's threads live as long as the pool.
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)
