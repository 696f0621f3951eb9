"""The posting threads: they take batches from the lanes and deliver them, as many at once as told."""

import threading
import time
from collections.abc import Callable, Sequence

from log_importer.delivery.context import Delivery, Post
from log_importer.delivery.lanes import Lanes
from log_importer.delivery.outage import Aborted
from log_importer.delivery.pace import Pace
from log_importer.delivery.poster import Poster
from log_importer.model import Batch, Request


class Sender:
    """Takes requests in, posts them batch by batch, and raises what ended its threads to whoever hands in more."""

    def __init__(
        self,
        lanes: Lanes,
        delivery: Delivery,
        connect: Callable[[], Post],
        halt: threading.Event,
        stop: threading.Event,
    ) -> None:
        """`connect` makes the post function of one thread, with its own connection; on `halt` nobody waits to put.

        On `stop` nobody waits at all.
        """
        self._lanes = lanes
        self._delivery = delivery
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # for who hands in requests
        # Who waits for a batch is woken alone: sixteen threads that wake for nothing cost more than the posts.
        self._work = threading.Condition(self._lock)
        self._halt = halt
        self._stop = stop
        self._flushing = False
        self._failure: BaseException | None = None
        self._waiting_since: float | None = None  # the first hit, of those not let go of yet
        self._in_flight = 0
        self._posting: set[_Slot] = set()  # of threads whose post may be under way
        self._returning = 0  # threads that gave theirs back and want it again, which go before new batches
        self._slot_free = threading.Condition(self._lock)  # for them
        self._posters: dict[threading.Thread, Poster] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(connect,), name=f"recorder-{number}", daemon=True)
            for number in range(lanes.count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pace(self) -> Pace:
        """How many posts at once, and how large."""
        return self._delivery.pace

    @property
    def in_flight(self) -> int:
        """Requests posted and not yet answered."""
        return self._in_flight

    @property
    def full(self) -> bool:
        """Whether as many requests wait as memory is meant for."""
        return self._lanes.full

    def put(self, requests: Sequence[Request], *, wait: bool = True) -> None:
        """Adds requests; waits while the window is full. Raises what ended the threads.

        Without `wait` the caller looks at `full` before there are more.
        """
        with self._changed:
            if requests and self._waiting_since is None:
                self._waiting_since = time.monotonic()
            self._lanes.put(requests)
            if self._lanes.full:
                self._work.notify()
            while wait and self._lanes.full and not self._stopping and not self._halt.is_set():
                self._changed.wait(0.5)
            self._raise()

    def ripen(self, seconds: float) -> None:
        """Lets go of all that waits, once the first of it has waited for so long. Raises what ended the threads."""
        with self._changed:
            self._raise()
            if self._waiting_since is not None and time.monotonic() - self._waiting_since >= seconds:
                self._waiting_since = None
                self._lanes.ripen()
                self._work.notify()

    def flush(self, grace: float) -> None:
        """Sends all that waits; from a halt on, for `grace` seconds at most. Raises what ended the threads."""
        end: float | None = None
        with self._changed:
            self._flushing = True
            self._work.notify()
            while not self._lanes.idle and not self._stopping:
                if end is None and self._halt.is_set():
                    end = time.monotonic() + grace
                if self._stop.is_set() or (end is not None and time.monotonic() >= end):
                    break
                self._changed.wait(0.2)
            self._flushing = False
            self._raise()

    def close(self, timeout: float | None = None) -> None:
        """Ends the threads; what is in flight is answered first.

        What is not within `timeout` seconds is in doubt: it was sent, and its answer never came.
        """
        self._delivery.abort.set()
        self._wake_all()
        end = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
            if thread.is_alive() and thread in self._posters:
                self._posters[thread].abandon()

    @property
    def _stopping(self) -> bool:
        return self._failure is not None or self._delivery.abort.is_set()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self, connect: Callable[[], Post]) -> None:
        try:
            slot = _Slot(self)
            poster = self._posters[threading.current_thread()] = Poster(connect(), self._delivery, slot)
        except BaseException as error:
            self._fail(error)
            return
        while True:
            with self._work:
                batch = None
                while not self._stopping and (batch := self._take()) is None:
                    self._work.wait()
                if batch is None or self._stopping:
                    return
                self._in_flight += len(batch.requests)
                self._posting.add(slot)
                self._wake_one()
                self._changed.notify_all()
            try:
                poster.deliver(batch.requests)
            except Aborted:
                pass
            except BaseException as error:
                self._fail(error)
            finally:
                with self._work:
                    self._posting.discard(slot)
                    self._in_flight -= len(batch.requests)
                    self._lanes.release(batch)
                    self._wake_one()
                    if self._flushing:  # who hands in more waits for what is taken, not for what is done
                        self._changed.notify_all()

    def take_again(self, slot: "_Slot") -> None:
        """Waits until another post may be under way, where the thread gave its slot back. Raises `Aborted`."""
        with self._slot_free:
            self._returning += 1
            while slot not in self._posting and len(self._posting) >= self._delivery.pace.allowed:
                if self._stopping:
                    self._returning -= 1
                    raise Aborted
                self._slot_free.wait(0.5)
            self._returning -= 1
            self._posting.add(slot)
            self._wake_one()

    def give_back(self, slot: "_Slot") -> None:
        """Lets another post begin."""
        with self._work:
            self._posting.discard(slot)
            self._wake_one()

    def _take(self) -> Batch | None:
        """The next batch, where another post is allowed now."""
        others = self._delivery.pace.allowed - len(self._posting) - 1
        return self._lanes.take(self._flushing, leave=others) if self._is_next() else None

    def _wake_one(self) -> None:
        """Wakes one who may post now: who wants its slot again, else who waits for a batch, where there is one."""
        if self._returning:
            self._slot_free.notify()
        elif self._is_next():
            self._work.notify()

    def _is_next(self) -> bool:
        """Whether another post may begin now; the pace is told where only requests are lacking."""
        if len(self._posting) + self._returning >= self._delivery.pace.allowed:
            return False
        found = self._lanes.waits(self._flushing)
        if not found:
            with self._delivery.lock:
                self._delivery.pace.starved()
        return found

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error
            self._delivery.abort.set()
        self._wake_all()

    def _wake_all(self) -> None:
        with self._lock:
            self._work.notify_all()
            self._slot_free.notify_all()
            self._changed.notify_all()


class _Slot:
    """That of one posting thread."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def take(self) -> None:
        self._sender.take_again(self)

    def give_back(self) -> None:
        self._sender.give_back(self)
