"""The conservation machine: random sources, rotations, verdicts, kills and restarts, and every line accounted for.

Whatever happened: each line is in exactly one bucket, each that should be is stored or listed, none is stored more
often than was counted, and nobody's hits overtake each other. While every run could ask the server what it has, no line
is stored twice.
"""

import contextlib
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
from hypothesis.stateful import initialize, invariant, rule

from log_importer.ledger.load import Held
from log_importer.ledger.view import View, view
from log_importer.model import BUCKETS
from log_importer.sources.state_folder import ledgers
from tests.conftest import ROOT, TOKENS
from tests.fault_server import FaultServer, serve
from tests.faulty_oracle import FAULTS, TIMEOUT, FaultyOracle
from tests.fork_server import Ended, ForkServer
from tests.older_ledger import turn_back
from tests.oracle import Kill, visitor_of
from tests.rotating_writer import VISITORS, Writer, kind

STEPS = 25
SHORT, LONG, SHARDS = 6, 5000, 20
CODE = Path(os.environ.get("CONSERVATION_CODE", ROOT))
"""Where the package under test lies; a copy with a fault planted in it, where the machine itself is tested."""

MODES = ["ask", "ask", "resend", "hold"]
OPTIONS = [
    (), ("--enable-http-errors",), ("--enable-http-redirects",), ("--enable-bots",), ("--status", "2xx"),
    ("--exclude-ip", "198.51.100.1"), ("--exclude-path", "/none/*"), ("--timezone", "UTC"),
    ("--tracker-endpoint-path", "piwik.php"),
]  # fmt: skip
"""Options that change nothing about these lines."""
OUTAGES = st.tuples(st.integers(1, 5), st.sampled_from([500, 502, 503, 504, 521]))
POINTS = st.sampled_from(["before", "stored", "replied"])
COUNT: Counter[str] = Counter()


class Conservation(Writer):
    """One folder of logs, one ledger, one server."""

    server: ClassVar[FaultServer]
    forks: ClassVar[ForkServer]

    def __init__(self) -> None:
        super().__init__()
        self.oracle = FaultyOracle(VISITORS)
        self.server.script = self.oracle
        self.held_once = set[int]()
        self.always = False  # whether all runs ask
        self.asked = True  # whether all runs so far have asked for all that was in doubt
        self.killed = False  # whether the last run was
        self.proved = False  # whether the importer keeps a hit that is surely stored
        self.mode = "ask"
        self.options: tuple[str, ...] = ()

    @initialize(
        always=st.sampled_from([True, True, False]), unseen=st.sampled_from([None, None, *range(VISITORS)]),
        blind=st.sampled_from([False, False, False, False, True]),
    )  # fmt: skip
    def choose(self, always: bool, unseen: int | None, blind: bool) -> None:
        self.always, self.oracle.unseen, self.oracle.blind = always, unseen, blind

    # The importer

    def start(self, *arguments: str) -> int:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin}
        return self.forks.start([*arguments], self.folder, environment)

    def importing(self, *more: str) -> int:
        self.asked &= self.mode == "ask"
        return self.start(
            "import", "--url", self.server.url, "--idsite", "1", "--state-dir", "state", "--json", "--retry-delay",
            "0.005", "--request-timeout", str(TIMEOUT), "--recorder-max-payload-size", "10", "--in-doubt", self.mode,
            *self.options, *more, "access.log*",
        )  # fmt: skip

    def ended(self) -> Ended:
        COUNT["runs"] += 1
        ended = self.forks.wait()
        self.oracle.away_for, self.oracle.faults = 0, []
        assert "Traceback" not in ended.err, ended.err
        assert "This is a fault" not in ended.err, ended.err
        return ended

    @rule(mode=st.sampled_from(MODES), options=st.sampled_from(OPTIONS))
    def change_options(self, mode: str, options: tuple[str, ...]) -> None:
        self.options = options
        if not self.always:
            self.mode = mode

    @rule(faults=st.lists(st.sampled_from(FAULTS), max_size=6), recorders=st.integers(0, 3), outage=OUTAGES)
    def run(self, faults: list[str], recorders: int, outage: tuple[int, int]) -> None:
        self.whole_run(faults, recorders, outage)

    def whole_run(self, faults: list[str], recorders: int, outage: tuple[int, int] = (0, 502)) -> None:
        if not faults:
            self.oracle.at_rest()
        before, held = len(self.oracle.stored), self.held("in_doubt")
        self.oracle.faults, self.oracle.outage = list(faults), outage
        self.importing(*(["--recorders", str(recorders)] if recorders else []))
        ended = self.ended()
        self.oracle.at_rest()
        assert ended.code in (0, 1), ended.err
        summary = json.loads(ended.out)
        self.check_summary(summary, ended.code)
        if not faults and not self.killed:  # else what the run before sent may have been stored meanwhile
            assert len(self.oracle.stored) - before <= summary["tracked"]
        self.killed = False
        if self.sure and self.proved:
            assert self.held("in_doubt") <= held, ended.err
        self.check_done()
        # A hit that the server drops without a word may be the one that is kept, and proves nothing.
        self.proved |= bool(not faults and summary["tracked"] and self.oracle.unseen is None)

    @rule(post=st.integers(0, 4), outage=OUTAGES, recorders=st.integers(0, 3))
    def run_through_an_outage(self, post: int, outage: tuple[int, int], recorders: int) -> None:
        """Every batch that met it is posted once more as it is, and nobody asks what is away."""
        asked, proved, held = self.oracle.asked_in_vain, self.proved, self.held("set_aside")
        self.oracle.turned_away, self.oracle.batches = [], []
        self.whole_run([""] * post + ["outage"], recorders, outage)
        assert recorders != 1 or self.oracle.asked_in_vain == asked
        assert self.held("set_aside") <= held
        if self.sure and proved:
            assert [one for one in self.oracle.turned_away if one not in self.oracle.batches] == []

    @rule(back=st.integers(0, 60), recorders=st.integers(0, 3))
    def run_behind_a_firewall(self, back: int, recorders: int) -> None:
        """The one line that it dislikes is set aside."""
        disliked, held = max(0, self.next - 1 - back), self.held("set_aside")
        self.oracle.turned_away, self.oracle.firewalled = [], disliked
        self.whole_run([], recorders)
        self.oracle.firewalled = None
        assert self.held("set_aside") - held == ({disliked} if self.oracle.turned_away else set())

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), max_size=3), outage=OUTAGES,
        point=st.one_of(POINTS, st.just("time")), post=st.integers(0, 5),
        moment=st.floats(0, 0.12),
    )  # fmt: skip
    def run_and_kill(
        self, faults: list[str], outage: tuple[int, int], point: str, post: int, moment: float
    ) -> None:  # fmt: skip
        self.oracle.faults, self.oracle.outage = list(faults), outage
        pid = self.importing()
        timer = threading.Timer(moment, _signal, (pid, signal.SIGKILL))
        if point == "time":
            timer.start()
        else:
            self.oracle.kill = Kill(pid, point, post)
        self.ended()
        timer.cancel()
        self.oracle.kill, self.killed = None, True

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
        self.killed = True

    def retrying(self) -> int:
        return self.start(
            "retry", "--url", self.server.url, "--state-dir", "state", "--json", "--retry-delay", "0.005",
            "--request-timeout", str(TIMEOUT), "--recorder-max-payload-size", "10",
        )  # fmt: skip

    @rule(faults=st.lists(st.sampled_from(FAULTS), max_size=2), point=POINTS, post=st.integers(0, 3))
    def retry_and_kill(self, faults: list[str], point: str, post: int) -> None:
        self.oracle.faults = list(faults)
        pid = self.retrying()
        self.oracle.kill = Kill(pid, point, post)
        self.ended()
        self.oracle.kill, self.killed = None, True

    @rule()
    def retry(self) -> None:
        self.retrying()
        ended = self.ended()
        assert ended.code == 0, ended.err
        assert self.held("set_aside", "in_doubt") == set()

    @rule()
    def go_back_to_an_older_ledger(self) -> None:
        """As a former version of the program leaves it; what was in doubt there cannot be asked for."""
        for path in ledgers(self.folder / "state"):
            self.asked &= not turn_back(path)
            self.proved = False

    # What must hold

    @property
    def sure(self) -> bool:
        """Whether the server was asked, and told, what became of all that was ever in doubt."""
        return self.asked and self.oracle.sure and not self.oracle.asked_in_vain

    def known(self) -> View | None:
        found = ledgers(self.folder / "state")
        return view(found[0]) if found else None

    def held(self, *buckets: str) -> set[int]:
        """The lines that are held in these buckets."""
        known = self.known()
        return set() if known is None else {_number(one) for one in known.held if one.bucket in buckets}

    @invariant()
    def no_line_is_stored_twice_that_is_not_listed(self) -> None:
        self.held_once |= self.held("set_aside", "in_doubt")
        repeated = self.oracle.repeated()
        known = self.known() if repeated else None
        if known is not None:
            assert not self.sure, (repeated, self.account(known))
            assert {number for number, more in repeated.items() if more > 1} <= self.held_once, repeated
            listed = sum(source.total("maybe_twice") + len(source.unanswered) for source in known.sources)
            assert len(repeated) <= listed, (repeated, self.account(known))

    @invariant()
    def nobody_overtakes_himself(self) -> None:
        assert self.oracle.overlaps == 0
        late = self.held_once | self.oracle.dropped  # what the server dropped may be in doubt, and be stored later
        overtaken = [pair for pair in self.oracle.out_of_order() if not late & set(pair)]
        known = self.known() if overtaken else None
        assert overtaken == [], (overtaken, known and self.account(known))

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
        unseen = {number for number in written if visitor_of(number, VISITORS) == self.oracle.unseen}
        lost = set(self.oracle.missing([number for number in written if kind(number) == "tracked"]))
        lost -= self.held("set_aside", "in_doubt") | self.oracle.dropped | unseen
        assert lost <= ({self.next - 1} if self.half not in (b"", b"\n") else set())
        assert total["tracked"] <= len(unseen.union(self.oracle.stored))


def _number(held: Held) -> int:
    return int(held.request.query.decode().partition("/n/")[2].partition("&")[0])


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
