"""The conservation machine: random sources, rotations, verdicts, kills and restarts, and every line accounted for.

Whatever happened: each line is in exactly one bucket, each that should be is stored or listed, none is stored more
often than was counted, and nobody's hits overtake each other.
"""

import contextlib
import gzip
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from log_importer.ledger.view import View, view
from log_importer.state import ledgers
from tests.conftest import ROOT, TOKENS
from tests.fault_server import FaultServer, Posted, Told, counted, good, serve, told_json
from tests.fork_server import Ended, ForkServer
from tests.oracle import Kill, Oracle, line, marks

STEPS = 25
SHORT, LONG, SHARDS = 12, 5000, 20
VISITORS = 7
CODE = Path(os.environ.get("CONSERVATION_CODE", ROOT))
"""Where the package under test lies; a copy with a fault planted in it, where the machine itself is tested."""

STORED = {"stored-502", "stored-reset", "stored-cut"}
FAULTS = ["busy", "error-500", "sql-error", "html", "reset", "shortfall", "invalid", "nothing", "too-large", *STORED]
BUCKETS = ("tracked", "skipped", "rejected", "refused", "set_aside", "in_doubt", "pending")


class FaultyOracle(Oracle):
    """An oracle that answers the next posts wrongly, each as told."""

    def __init__(self) -> None:
        super().__init__(visitors=VISITORS)
        self.faults: list[str] = []
        self.dropped = set[int]()  # lines that the server threw away

    def __call__(self, posted: Posted) -> Told:
        if b'"requests"' not in posted.body or b"ping=1" in posted.body:
            return good(posted)
        with self.lock:
            fault = self.faults.pop(0) if self.faults else ""
        return self.answer(posted, fault)

    def answer(self, posted: Posted, fault: str) -> Told:
        numbers = marks(posted)
        if fault in STORED or not fault:
            told = super().__call__(posted)
            return {
                "stored-502": Told(502, b"bad gateway"),
                "stored-reset": Told(reset=True),
                "stored-cut": Told(200, told.body[:-4], length=len(told.body)),
            }.get(fault, told)
        if fault == "shortfall" and len(numbers) > 1:
            with self.lock:
                self.stored += numbers[:-1]
                self.dropped.add(numbers[-1])
            return counted(len(numbers) - 1)
        if fault == "invalid" and len(numbers) > 1:
            with self.lock:
                self.stored += numbers[1:]
                self.dropped.add(numbers[0])
            return counted(len(numbers) - 1, 1, [0])
        if fault == "nothing":
            self.dropped.update(numbers)
            return counted(0)
        return {
            "error-500": told_json({"status": "error", "tracked": 0, "invalid": 0}, 500),
            "sql-error": Told(200, b"Error:SQLSTATE[HY000]: General error: 2006 MySQL server has gone away"),
            "html": Told(200, b"<!doctype html><title>Welcome</title>"),
            "reset": Told(reset=True),
            "too-large": Told(413, b"<html>413</html>"),
        }.get(fault, Told(503, b"busy"))


COUNT: Counter[str] = Counter()


def kind(number: int) -> str:
    """What must become of a line."""
    return "rejected" if number % 11 == 5 else "skipped" if number % 7 == 3 else "tracked"


def raw(number: int) -> bytes:
    """The line of that number, as its kind is."""
    text = line(number, VISITORS)
    if kind(number) == "rejected":
        return b"garbage %d\n" % number
    return text.replace(b" HTTP", b".png HTTP") if kind(number) == "skipped" else text


class Conservation(RuleBasedStateMachine):
    """One folder of logs, one ledger, one server."""

    server: ClassVar[FaultServer]
    forks: ClassVar[ForkServer]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.oracle = FaultyOracle()
        self.server.script = self.oracle
        self.live = self.folder / "access.log"
        self.next = 0  # number of the next line
        self.header = b""
        self.half = b""  # what is still to be written of the last line
        self.rotations = 0
        self.held_once = set[int]()
        self.retried = False

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    # The writer

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

    # The importer

    def start(self, *arguments: str) -> int:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin}
        return self.forks.start([*arguments], self.folder, environment)

    def importing(self, *more: str) -> int:
        return self.start(
            "import", "--url", self.server.url, "--idsite", "1", "--state-dir", "state", "--json", "--retry-delay",
            "0.005", "--recorder-max-payload-size", "10", *more, "access.log*",
        )  # fmt: skip

    def ended(self) -> Ended:
        COUNT["runs"] += 1
        ended = self.forks.wait()
        assert "Traceback" not in ended.err, ended.err
        assert "This is a fault" not in ended.err, ended.err
        return ended

    @rule(faults=st.lists(st.sampled_from(FAULTS), max_size=6), hold=st.booleans(), recorders=st.integers(0, 3))
    def run(self, faults: list[str], hold: bool, recorders: int) -> None:
        before = len(self.oracle.stored)
        self.oracle.faults = list(faults)
        options = ["--in-doubt", "hold"] if hold else []
        options += ["--recorders", str(recorders)] if recorders else []
        self.importing(*options)
        ended = self.ended()
        self.oracle.faults = []
        assert ended.code in (0, 1), ended.err
        self.check_summary(json.loads(ended.out), ended.code)
        if not faults:
            assert len(self.oracle.stored) - before <= json.loads(ended.out)["tracked"]
        self.check_done()

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), max_size=3),
        point=st.sampled_from(["before", "stored", "replied", "time"]), post=st.integers(0, 5),
        moment=st.floats(0, 0.12),
    )  # fmt: skip
    def run_and_kill(self, faults: list[str], point: str, post: int, moment: float) -> None:
        self.oracle.faults = list(faults)
        pid = self.importing()
        timer = threading.Timer(moment, _signal, (pid, signal.SIGKILL))
        if point == "time":
            timer.start()
        else:
            self.oracle.kill = Kill(pid, point, post)
        self.ended()
        timer.cancel()
        self.oracle.kill, self.oracle.faults = None, []

    @rule(moment=st.floats(0.02, 0.12), signals=st.integers(1, 2))
    def run_and_interrupt(self, moment: float, signals: int) -> None:
        pid = self.importing("--grace", "5")
        timers = [
            threading.Timer(moment + 0.005 * number, _signal, (pid, signal.SIGTERM)) for number in range(signals)
        ]  # fmt: skip
        for timer in timers:
            timer.start()
        ended = self.ended()
        for timer in timers:
            timer.cancel()
        assert ended.code in (0, 1, 143, -signal.SIGTERM), (ended.code, ended.err)

    @rule()
    def retry(self) -> None:
        self.start("retry", "--url", self.server.url, "--state-dir", "state", "--json", "--retry-delay", "0.005")
        ended = self.ended()
        assert ended.code == 0, ended.err

    # What must hold

    def known(self) -> View | None:
        found = ledgers(self.folder / "state")
        return view(found[0]) if found else None

    @invariant()
    def no_line_is_stored_twice_that_is_not_listed(self) -> None:
        repeated = len(self.oracle.repeated())
        known = self.known() if repeated else None
        if known is not None:
            listed = sum(source.total("maybe_twice") + len(source.unanswered) for source in known.sources)
            assert repeated <= listed, (self.oracle.repeated(), self.account(known))

    @invariant()
    def nobody_overtakes_himself(self) -> None:
        known = self.known() if self.oracle.stored else None
        if known is not None:
            self.held_once |= {self.number(source.record.name, one) for source in known.sources for one in source.held}
        assert self.oracle.overlaps == 0
        late = self.held_once | self.oracle.dropped  # what the server dropped may be in doubt, and be stored later
        overtaken = [pair for pair in self.oracle.out_of_order() if not late & set(pair)]
        assert overtaken == [], (overtaken, known and self.account(known))

    def number(self, _name: str, held: Any) -> int:
        return int(held.request.query.decode().partition("/n/")[2].partition("&")[0])

    def account(self, known: View) -> Any:
        """All that could explain why the numbers do not add up."""
        if kept := os.environ.get("CONSERVATION_KEEP"):
            shutil.copytree(self.folder, kept, dirs_exist_ok=True)
        sources = [(one.record, dict(one.counts), one.unanswered, len(one.held)) for one in known.sources]
        files = {path.name: path.stat().st_size for path in self.folder.glob("access*")}
        return self.oracle.stored, sources, files

    def check_summary(self, summary: dict[str, Any], code: int) -> None:
        for counts in (summary, *summary["sources"]):
            values = [counts[bucket] for bucket in BUCKETS]
            assert counts["lines"] == sum(value if isinstance(value, int) else sum(value.values()) for value in values)
        assert summary["exit_code"] == code
        assert summary["pending"] == 0

    def check_done(self) -> None:
        """A run has come to its end: every line is in exactly one bucket, over all runs."""
        known = self.known()
        written = range(self.next)
        expected = Counter(kind(number) for number in written)
        if self.half:  # it is read when it is whole; a hit that lacks no more than its newline is one already
            last = self.next - 1
            whole = self.half == b"\n" and kind(last) == "tracked"
            expected[kind(last)] -= not whole
        if known is None:
            assert not self.next
            return
        total = {bucket: sum(source.total(bucket) for source in known.sources) for bucket in BUCKETS}
        total["unanswered"] = sum(len(source.unanswered) for source in known.sources)
        assert total["pending"] == total["unanswered"] == 0
        assert sum(source.counts["skipped"]["static"] for source in known.sources) == expected["skipped"]
        assert total["rejected"] == expected["rejected"]
        assert sum(total[name] for name in ("tracked", "refused", "in_doubt", "set_aside")) == expected["tracked"], (
            total, expected, self.oracle.dropped, self.account(known)
        )  # fmt: skip
        assert total["refused"] <= len(self.oracle.dropped)
        held = {self.number(source.record.name, one) for source in known.sources for one in source.held}
        lost = set(self.oracle.missing([number for number in written if kind(number) == "tracked"]))
        lost -= held | self.oracle.dropped
        assert lost <= ({self.next - 1} if self.half not in (b"", b"\n") else set())
        assert total["tracked"] <= len(set(self.oracle.stored))


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def run_machine(cases: int) -> None:
    """So many cases of the machine; raises what it found."""
    from hypothesis.stateful import run_state_machine_as_test

    with tempfile.TemporaryDirectory() as folder, serve() as server, ForkServer(Path(folder), CODE) as forks:
        Conservation.server, Conservation.forks = server, forks
        run_state_machine_as_test(
            Conservation,
            settings=settings(
                max_examples=cases, stateful_step_count=STEPS, database=None,
                suppress_health_check=list(HealthCheck), phases=[Phase.generate], report_multiple_bugs=False,
            ),
        )  # fmt: skip


@pytest.mark.timeout(7200)
@pytest.mark.soak
@pytest.mark.parametrize("shard", range(SHARDS if os.environ.get("SOAK") else 1))
def test_every_line_is_accounted_for_whatever_happens(shard: int) -> None:
    run_machine(LONG // SHARDS if os.environ.get("SOAK") else SHORT)


if __name__ == "__main__":
    run_machine(int(sys.argv[1]))
    sys.stdout.write(f"{COUNT['runs']} runs\n")
