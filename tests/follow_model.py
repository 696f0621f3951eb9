"""Random histories of a log that is followed: written, rotated, emptied, compressed, its reader stopped and killed.

The reader is the real one, over real files and a real ledger; whatever it asks for time to pass, the writer acts
instead. Every line that could be read is settled exactly once, and in the order in which they were written.
"""

import gzip
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from log_importer.ledger.ledger import Ledger
from log_importer.model import Chunk, Outcome, Request
from log_importer.runs.output.progress import Progress
from log_importer.runs.reading.chunks_in_order import Wait
from log_importer.runs.reading.survey import look
from log_importer.runs.reading.watcher import Follower, follow
from log_importer.runs.tally import Tally
from log_importer.settings import Settings
from tests.oracle import line

ACTIONS = 30
HEADER = b"#Software: as many logs begin\n" * 3


class Killed(Exception):
    """The reader dies here."""


class Log:
    """The writer's side: the files, and what is in them."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.live = folder / "access.log"
        self.chance = chance
        self.next = 0  # number of the next line
        self.late = set[int]()  # written to a file that was renamed before
        self.cut = set[int]()  # written between a copy and the cut: the loss that copytruncate's manual names
        self.dated = chance.random() < 0.3  # rotated files get dates, else numbers
        self.header = chance.choice([b"", HEADER, HEADER * 20])
        self.appends = chance.random() < 0.7  # else it writes on where it was when its file is emptied
        self.count = 0
        self.half = b""
        self.alike = False  # it was emptied and begins as before: who had read no more cannot tell
        self.file = self.open()

    def open(self) -> IO[bytes]:
        file = self.live.open("ab" if self.appends else "wb", buffering=0)
        file.write(self.header)
        return file

    def write(self, count: int) -> None:
        numbers = range(self.next, self.next + count)
        self.next += count
        self.file.write(self.half + b"".join(map(line, numbers)))
        self.half = b""

    def begin_line(self) -> None:
        """Writes a part of a line; the rest comes with whatever is written next."""
        self.finish_line()
        whole = line(self.next)
        self.next += 1
        cut = self.chance.randrange(1, len(whole))
        self.file.write(whole[:cut])
        self.half = whole[cut:]

    def finish_line(self) -> None:
        self.file.write(self.half)
        self.half = b""

    def rotate(self) -> None:
        """As logrotate with `create`: the writer may go on in the old file for a while."""
        self.live.rename(self.rotated())
        if self.chance.random() < 0.3:
            self.live.touch()
            began = self.next
            self.write(self.chance.randrange(4))
            self.late |= set(range(began, self.next))
        self.finish_line()
        self.file.close()
        self.file = self.open()

    def copy_and_truncate(self) -> None:
        self.finish_line()
        target = self.rotated()
        content = self.live.read_bytes()
        if self.chance.random() < 0.3:  # the reader may see it half done
            target.write_bytes(content[: len(content) // 2])
            self.between()
            content = self.live.read_bytes()
        target.write_bytes(content)
        # Servers that begin each log with the same header, as IIS does, have no log cut under them.
        for _ in range(0 if self.header else self.chance.choice([0, 0, 0, 1, 3])):
            began = self.next
            self.write(self.chance.randrange(1, 20))
            self.cut |= set(range(began, self.next))
            self.between()
        os.truncate(self.file.fileno(), 0)
        if self.appends:
            self.file.write(self.header)
            self.alike = self.alike or bool(self.header)

    def between(self) -> None:
        """What happens in the middle of an action; the model lets the reader read."""

    def rotated(self) -> Path:
        """A free name for what is rotated."""
        self.count += 1
        if self.dated:
            return self.folder / f"access.log-{20260301 + self.count}"
        for number in range(self.count, 0, -1):
            for end in ("", ".gz"):
                old = self.folder / f"access.log.{number}{end}"
                if old.exists():
                    old.rename(self.folder / f"access.log.{number + 1}{end}")
        return self.folder / "access.log.1"

    def old(self) -> list[Path]:
        """The rotated files, oldest first."""
        return sorted(self.folder.glob("access.log?*"), key=lambda path: path.stat().st_mtime_ns)

    def compress(self) -> None:
        plain = [path for path in self.old() if path.suffix != ".gz"]
        if not plain:
            return
        path = self.chance.choice(plain)
        packed = gzip.compress(path.read_bytes(), 1)
        target = path.with_name(f"{path.name}.gz")
        if self.chance.random() < 0.4:
            target.write_bytes(packed[: len(packed) // 2])
            self.between()
        target.write_bytes(packed)
        shutil.copystat(path, target)
        path.unlink()


class Model:
    """One history."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.log = Log(folder, self.chance)
        self.log.between = self.read_a_little  # type: ignore[method-assign]
        self.pattern = self.chance.choice(["access.log", "access.log", "access.log*"])
        self.settled: Counter[int] = Counter()
        self.order: list[int] = []  # as they were read, since the reader was started
        self.waiting: list[Request] = []
        self.rejected = 0
        self.reader: Iterator[Chunk | Wait] | None = None
        self.follower: Follower
        self.told: list[str] = []
        self.history: list[str] = []

    # The reader

    def start(self) -> None:
        self.settings = Settings(sources=(str(self.folder / self.pattern),), follow=True, idsite=1)
        self.ledger = Ledger(self.folder / "ledger.sqlite3", {"job": "model"}, self.told.append)
        self.tally = Tally()
        self.order, self.waiting = [], []
        self.stopping = False
        inputs = look(self.settings, self.told.append, self.ledger)
        self.context = follow(
            self.settings, inputs, self.ledger, self.tally, [], Progress(bar=False), self.pause, self.told.append
        )
        self.follower = self.context.__enter__()
        self.room = True
        self.follower.room = lambda: self.room
        self.reader = self.follower.chunks()

    def pause(self, _seconds: float) -> bool:
        return self.stopping

    def read(self, rounds: int = 1, meanwhile: Callable[[], None] | None = None) -> None:
        """So many rounds of the reader."""
        if self.reader is None:
            return
        for item in self.reader:
            if isinstance(item, Chunk):
                self.take(item)
                continue
            if item is Wait.PARSED and meanwhile is not None:
                meanwhile()
            rounds -= item is Wait.QUIET
            if not rounds:
                return

    def read_a_little(self) -> None:
        self.read(self.chance.randrange(1, 3))

    def meanwhile(self) -> None:
        """What happens between the reader's look at the files and its opening of them."""
        if self.chance.random() < 0.2:
            self.log.rotate()
            self.log.write(self.chance.randrange(3))

    def take(self, chunk: Chunk) -> None:
        """What a run does with a chunk: its requests are written down, and wait."""
        offset, found, rejected, skipped = chunk.context.offset, [], 0, 0
        for number, raw in enumerate(chunk.data.removesuffix(b"\n").split(b"\n"), chunk.context.first_line):
            if chunk.context.wanted is None or offset in chunk.context.wanted:
                mark = raw.lstrip(b"\0").split(b" HTTP/")[0].rpartition(b"GET /n/")[2]
                if raw.startswith(b"#") or not raw:
                    skipped += 1
                elif raw.lstrip(b"\0") + b"\n" == line(int(mark) if mark.isdigit() else 0):
                    found.append(Request(chunk.source, number, offset, 0.0, 0, 0, 1, mark))
                else:
                    rejected += 1
            offset += len(raw) + 1
        self.ledger.parsed(chunk, [one.offset for one in found], {"comment": skipped}, {"unreadable": rejected})
        self.rejected += rejected
        self.order += [int(one.query) for one in found]
        self.waiting += found

    def settle(self, share: float = 1.0) -> None:
        """The server answers for some of what waits."""
        self.chance.shuffle(self.waiting)
        count = round(len(self.waiting) * share)
        done, self.waiting = self.waiting[:count], self.waiting[count:]
        if done:
            self.ledger.settle([Outcome(sorted(done, key=lambda one: one.offset), "tracked")])
            self.settled.update(int(one.query) for one in done)

    def stop(self, killed: bool) -> None:
        """The reader ends; killed, it does nothing more, and what waits stays pending."""
        if self.reader is None:
            return
        self.check_order()
        if not killed:
            self.stopping = True
            for item in self.reader:
                assert not isinstance(item, Chunk), "it reads on after it was told to stop"
            self.settle()
            self.context.__exit__(None, None, None)
        else:
            self.follower._keep_time = lambda: None  # type: ignore[method-assign] # a dead process writes nothing
            self.context.__exit__(None, None, None)
        if killed:
            self.ledger._writer.close()
        else:
            self.ledger.close(0)
        self.reader = None

    def check_order(self) -> None:
        """What was read for the first time came in the order in which it was written."""
        seen = [number for number in self.order if number not in self.log.late and not self.settled[number] > 1]
        fresh = [number for number in seen if number > self.highest]
        assert self.log.alike or fresh == sorted(fresh), (self.history, fresh)
        self.highest = max([self.highest, *fresh])

    highest = -1

    # The history

    def act(self) -> None:
        log, chance = self.log, self.chance
        actions: dict[str, tuple[int, Callable[[], object]]] = {
            "write": (6, lambda: log.write(chance.choice([1, 2, 5, 40]))),
            "half a line": (2, log.begin_line),
            "rotate": (3, log.rotate),
            "five rotations": (1, self.rotate_often),
            "copy and truncate": (3, log.copy_and_truncate),
            "truncate and regrow": (1, self.truncate_and_regrow),
            "compress": (2, log.compress),
            "delete the oldest": (1, self.delete),
            "replace by a copy": (1, self.restore),
            "read": (5, lambda: self.read(chance.randrange(1, 3), self.meanwhile)),
            "settle": (3, lambda: self.settle(chance.random())),
            "no room": (1, self.change_room),
            "stop": (1, lambda: self.stop(killed=False)),
            "kill": (1, lambda: self.stop(killed=True)),
            "start": (3, lambda: self.start() if self.reader is None else None),
        }
        name = chance.choices(list(actions), [weight for weight, _ in actions.values()])[0]
        self.history.append(name)
        if name == "settle" and self.reader is None:
            return
        actions[name][1]()

    def rotate_often(self) -> None:
        for _ in range(5):
            self.log.write(self.chance.randrange(1, 4))
            self.log.rotate()

    def truncate_and_regrow(self) -> None:
        """Nothing keeps a copy: what was read is read, and it grows beyond where reading was."""
        self.catch_up()
        size = self.log.live.stat().st_size
        os.truncate(self.log.file.fileno(), 0)
        if self.log.appends:
            self.log.file.write(self.log.header)
        while self.log.live.stat().st_size < size + self.chance.randrange(200):
            self.log.write(1)

    def delete(self) -> None:
        self.catch_up()
        if old := self.log.old():
            old[0].unlink()

    def restore(self) -> None:
        """Another file with the same content takes its place, and the writer writes to that."""
        if not self.log.appends:
            return
        self.log.finish_line()
        copy = self.folder / "copy"
        shutil.copy(self.log.live, copy)
        copy.replace(self.log.live)
        self.log.file.close()
        self.log.file = self.log.live.open("ab", buffering=0)

    def change_room(self) -> None:
        self.room = not getattr(self, "room", True)
        if self.reader is None:
            self.room = True

    def catch_up(self) -> None:
        """Everything is read that is there, and stored."""
        self.log.finish_line()
        if self.reader is None:
            self.start()
        self.room = True
        self.read(4)
        self.settle()

    def run(self) -> None:
        """The whole history, and what must hold at its end."""
        self.start()
        for _ in range(ACTIONS):
            self.act()
        self.catch_up()
        self.stop(killed=False)
        written = Counter(range(self.log.next))
        missing = {number for number in written - self.settled if number not in self.log.cut}
        assert (missing, self.settled - written) == (set(), Counter()), (
            self.history, self.pattern, sorted(missing), self.settled - written
        )  # fmt: skip
        assert self.rejected == 0, (self.history, self.rejected)


def run_models(seeds: range) -> int:
    """One history for each seed; raises what the first that goes wrong found. How many lines they had."""
    lines = 0
    for seed in seeds:
        folder = Path(tempfile.mkdtemp())
        try:
            model = Model(seed, folder)
            model.run()
            lines += model.log.next
        except BaseException as error:
            error.add_note(f"seed {seed}: {model.history}")
            raise
        finally:
            shutil.rmtree(folder)
    return lines


if __name__ == "__main__":
    began = time.monotonic()
    total = run_models(range(int(sys.argv[1]), int(sys.argv[2])))
    sys.stdout.write(f"{total} lines in {time.monotonic() - began:.1f} s\n")
