"""A signal ends the waiting for a server, also while whoever waits holds a lock."""

import os
import signal
import threading
import time

import pytest

from log_importer.runs.interrupt import Interrupt, Stopped


def test_a_signal_leaves_what_holds_a_lock_behind_and_raises_where_it_is_waited_for() -> None:
    lock, go_on = threading.Lock(), threading.Event()

    def holding() -> None:
        with lock:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
            go_on.wait(10)

    began = time.monotonic()
    with Interrupt(lambda _: None, 1) as interrupt:
        with pytest.raises(Stopped) as stopped:
            interrupt.wait_for(holding)
        go_on.set()
        assert lock.acquire(timeout=5), "nothing was torn out of the lock"
        with pytest.raises(Stopped):
            interrupt.begin()
    assert stopped.value.exit_code == interrupt.exit_code == 143
    assert time.monotonic() - began < 5


def test_a_signal_that_comes_while_the_lock_of_its_own_event_is_held_is_taken() -> None:
    with Interrupt(lambda _: None, 1) as interrupt:
        with interrupt.halt._cond:  # type: ignore[attr-defined]  # as whoever waits for it holds it at times
            os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt.halt.wait(5)
    assert interrupt.exit_code == 143


def test_what_fails_there_is_raised_here() -> None:
    with Interrupt(lambda _: None, 1) as interrupt:
        assert interrupt.wait_for(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            interrupt.wait_for(lambda: 1 // 0)


def test_a_signal_before_the_run_begins_is_remembered() -> None:
    with Interrupt(lambda _: None, 1) as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.halt.wait(5)
        with pytest.raises(Stopped):
            interrupt.wait_for(lambda: time.sleep(5))
    assert interrupt.exit_code == 130
