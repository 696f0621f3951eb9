"""What coordinator and worker hand each other: by memory that both have, where the worker was forked, else by a pipe.

To send a chunk through a pipe takes ten times as long as to copy it, in both processes.
"""

import pickle
from mmap import mmap
from multiprocessing.connection import Connection
from typing import Any

ROOM = 16 << 20
"""Bytes of a value that fits; memory that was never written takes none."""


class Channel:
    """One end. What one side sends the other answers, since both write to the same memory."""

    def __init__(self, pipe: Connection, shared: mmap | None) -> None:
        """`shared` is memory that the other end has, too."""
        self._pipe = pipe
        self._shared = shared

    def tell(self, value: object) -> None:
        """Sends what is not answered, and may not be read yet when the next is sent. Raises `OSError` as `send`."""
        self._pipe.send(value)

    def send(self, value: object) -> None:
        """Sends anything but `None`. Raises `OSError` where the other end is gone."""
        self._pipe.send(None if self._share(value) else value)

    def recv(self) -> Any:
        """What the other end sent; waits for it. Raises `EOFError` or `OSError` where that is gone."""
        value = self._pipe.recv()
        if value is not None or self._shared is None:
            return value
        with memoryview(self._shared) as memory:
            return pickle.loads(memory)  # noqa: S301 - of our own process

    def close(self) -> None:
        """Closes the pipe, which the other end notices."""
        self._pipe.close()

    def _share(self, value: object) -> bool:
        """Writes a value into the memory; whether there is room."""
        if self._shared is None:
            return False
        self._shared.seek(0)
        try:
            pickle.dump(value, self._shared, pickle.HIGHEST_PROTOCOL)
        except ValueError:  # so the map says that it is full
            return False
        return True
