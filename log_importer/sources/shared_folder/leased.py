"""A record that one process at a time may write, though none of them can be asked whether it still lives.

Each state of the record is an object of its own, numbered one up, and made only where no other has that number. So who
takes a record over makes the next number, and whoever had it before learns of it at the next write, before the next
post. Numbers that were passed are deleted, but never the last; whoever makes one that was passed finds a higher there.
"""

from log_importer.model.errors import JobLocked, StateError
from log_importer.sources.shared_folder.place import Shared

_TRIES = 100


class LeaseLost(JobLocked):
    """Another process has taken the record over."""


class Leased:
    """A record under `folder`: who reads it with `latest` and then writes takes it over from whoever had it."""

    def __init__(self, shared: Shared, folder: str) -> None:
        self._shared = shared
        self._folder = folder
        self._number = 0

    @property
    def number(self) -> int:
        """Of the record's state that was read or written last; 0: there is none."""
        return self._number

    def latest(self) -> bytes | None:
        """The record as it stands; `None` where nobody has written it yet."""
        for _ in range(_TRIES):
            names = self._shared.names(self._folder)
            if not names:
                self._number = 0
                return None
            data = self._shared.read(f"{self._folder}/{names[-1]}")
            if data is not None:  # else its owner has just gone on
                self._number = int(names[-1])
                return data
        raise StateError(f"{self._shared.name}/{self._folder}: changes faster than it can be read.", "Try again.")

    def write(self, data: bytes) -> None:
        """The record's next state, durable when it returns. Raises `LeaseLost` where it is another's by now.

        `data` has to name its writer: a store may make the object and its answer be lost, and then it is there already.
        """
        number = self._number + 1
        mine = self._shared.create(self._of(number), data) or self._shared.read(self._of(number)) == data
        if not mine or int(self._shared.names(self._folder)[-1]) > number:
            raise LeaseLost(
                f"{self._shared.name}/{self._folder}: another run of this job has taken over, so this one ends.",
                "Look for it, and let one go at a time.",
            )
        if self._number:
            self._shared.delete(self._of(self._number))
        self._number = number

    def _of(self, number: int) -> str:
        return f"{self._folder}/{number:012}"
