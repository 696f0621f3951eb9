"""The writer of the conservation machine: a log that grows and is rotated in all the usual ways."""

import gzip
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.oracle import line

VISITORS = 7


def kind(number: int) -> str:
    """What must become of a line."""
    return "rejected" if number % 11 == 5 else "skipped" if number % 7 == 3 else "tracked"


def raw(number: int) -> bytes:
    """The line of that number, as its kind is."""
    text = line(number, VISITORS)
    if kind(number) == "rejected":
        return b"garbage %d\n" % number
    return text.replace(b" HTTP", b".png HTTP") if kind(number) == "skipped" else text


class Writer(RuleBasedStateMachine):
    """One folder of logs."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.live = self.folder / "access.log"
        self.next = 0  # number of the next line
        self.header = b""
        self.half = b""  # what is still to be written of the last line
        self.rotations = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(count=st.integers(0, 40), header=st.sampled_from([b"", b" \n", (b" " * 60 + b"\n") * 20]))
    def begin(self, count: int, header: bytes) -> None:
        self.header = header  # with which every new log begins, as those of IIS do
        self.live.write_bytes(header)
        self.write(count)

    @rule(count=st.integers(1, 60))
    def write(self, count: int) -> None:
        numbers = range(self.next, self.next + count)
        self.next += count
        with self.live.open("ab") as log:
            log.write(self.half + b"".join(map(raw, numbers)))
        self.half = b""

    @rule(cut=st.sampled_from([1, 2, 40]))
    def write_half_a_line(self, cut: int) -> None:
        whole = raw(self.next)
        self.next += 1
        with self.live.open("ab") as log:
            log.write(self.half + whole[:-cut])
        self.half = whole[-cut:]

    def finish_line(self) -> None:
        with self.live.open("ab") as log:
            log.write(self.half)
        self.half = b""

    def shift(self) -> Path:
        """Makes room for a first rotated file."""
        for number in range(self.rotations, 0, -1):
            for end in ("", ".gz"):
                old = self.folder / f"access.log.{number}{end}"
                if old.exists():
                    old.rename(self.folder / f"access.log.{number + 1}{end}")
        self.rotations += 1
        return self.folder / "access.log.1"

    @rule()
    def rotate(self) -> None:
        self.finish_line()
        self.live.rename(self.shift())
        self.live.write_bytes(self.header)

    @rule()
    def copy_and_truncate(self) -> None:
        self.finish_line()
        shutil.copy(self.live, self.shift())
        os.truncate(self.live, 0)
        with self.live.open("ab") as log:
            log.write(self.header)

    @rule(keep=st.booleans(), members=st.integers(1, 2))
    def compress(self, keep: bool, members: int) -> None:
        for number in range(self.rotations, 0, -1):
            plain = self.folder / f"access.log.{number}"
            if plain.exists():
                content = plain.read_bytes()
                middle = len(content) // 2 if members == 2 else 0
                parts = [content[:middle], content[middle:]]
                packed = b"".join(gzip.compress(part, 1, mtime=0) for part in parts if part or members == 1)
                (self.folder / f"access.log.{number}.gz").write_bytes(packed)
                if not keep:
                    plain.unlink()
                return

    @rule()
    def restore_from_a_backup(self) -> None:
        """All files are other files, with the same content."""
        for path in self.folder.glob("access.log*"):
            copy = self.folder / "copy"
            shutil.copy(path, copy)
            copy.replace(path)
