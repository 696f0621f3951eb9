"""What coordinator and worker hand each other arrives, whether it fits into the memory that both have or not."""

import os
from mmap import mmap
from multiprocessing import Pipe

import pytest

from log_importer.runs.workers.channel import Channel

ROOM = 1 << 16
VALUES = [(), b"", b"x" * (ROOM // 2), os.urandom(ROOM), b"y" * (3 * ROOM), ("last", 1.5)]


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_sent_arrives_in_turn(shared: bool) -> None:
    memory = mmap(-1, ROOM) if shared else None
    one, other = (Channel(pipe, memory) for pipe in Pipe())
    for value in VALUES:
        if len(value) <= ROOM // 2 or not shared:
            one.send(value)
            assert other.recv() == value
            other.send((value, value))
            assert one.recv() == (value, value)
    one.close()
    with pytest.raises(EOFError):
        other.recv()


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_told_is_not_lost_by_what_is_sent_next(shared: bool) -> None:
    memory = mmap(-1, ROOM) if shared else None
    one, other = (Channel(pipe, memory) for pipe in Pipe())
    one.tell("first")
    one.tell("second")
    one.send("third")
    assert [other.recv() for _ in range(3)] == ["first", "second", "third"]


def test_the_memory_is_what_it_goes_by_and_too_much_for_it_goes_by_the_pipe() -> None:
    memory = mmap(-1, ROOM)
    pipes = Pipe()
    one = Channel(pipes[0], memory)
    one.send(b"x" * 1000)
    assert pipes[1].recv() is None
    one.send(b"y" * (ROOM + 1))
    assert pipes[1].recv() == b"y" * (ROOM + 1)
