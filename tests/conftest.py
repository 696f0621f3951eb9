"""What many tests share: the command as a process, the receiver, other people's data where it lies."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from hypothesis import settings

from log_importer.native import Native, load
from log_importer.receiver import Receiver
from log_importer.receiver.access import Grant, Level

settings.register_profile("any machine", deadline=None)  # how long a case takes says nothing on a busy machine
settings.load_profile("any machine")

# Who runs the tests in the background, or under nohup, has these ignored; the commands under test would leave it so.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(_number, _handler)

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_logs"


def missing(what: str) -> NoReturn:
    """Ends a test whose needs are not there: skipped, or failed where REQUIRE_ALL is set."""
    if os.environ.get("REQUIRE_ALL"):
        pytest.fail(f"REQUIRE_ALL is set, and there is no {what}")
    pytest.skip(f"there is no {what}")


def compiled() -> Native:
    """The compiled loops, which need a C compiler when the package is installed."""
    native = load()
    return missing("C compiler that was there at the installation") if native is None else native


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of an S3 server, and its log: one for all tests of a process, where clients of the first are kept."""
    from tests.sources.remote.s3 import serving

    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Finds a file of other people's data, which is not committed."""

    def find(name: str) -> Path:
        path = ROOT.parent / "shared" / "data" / name
        if not path.exists():
            missing(f"../shared/data/{name}")
        return path

    return find


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)


Run = Callable[..., Done]


def environment(home: Path, extra: Mapping[str, str] = {}) -> dict[str, str]:
    """An environment without settings of ours, at home in `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOG_IMPORTER_")}
    return kept | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home)} | dict(extra)


def command(*arguments: object) -> Sequence[str]:
    """The command line that runs `log-importer`."""
    return [sys.executable, "-m", "log_importer", *map(str, arguments)]


def powerless() -> Sequence[str]:
    """What runs a command with no more rights than those that files give; root has all, whatever they say."""
    if os.getuid():
        return []
    return ["setpriv", "--bounding-set=-all"] if shutil.which("setpriv") else missing("setpriv")


def homeless() -> Sequence[str]:
    """What runs a command as a user of whom the system knows nothing, as containers do."""
    others = [
        "unshare",
        "--user",
        "--map-user=4321",
        "env",
        "-u",
        "HOME",
        "-u",
        "XDG_STATE_HOME",
        "-u",
        "XDG_CONFIG_HOME",
    ]
    if not shutil.which("unshare") or subprocess.run([*others, "true"], capture_output=True).returncode:
        pytest.skip("may not be another user")
    return others


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `log-importer` in a process of its own, in `tmp_path`, with nobody at a terminal, by the command `by`."""

    def go(
        *arguments: object, stdin: bytes = b"", timeout: float = 180, by: Sequence[str] = (), **variables: str
    ) -> Done:  # fmt: skip
        done = subprocess.run(
            [*by, *command(*arguments)], cwd=tmp_path, env=environment(tmp_path, variables), input=stdin,
            capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip
        result = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in result.err, result.err
        return result

    return go


class Tokens(NamedTuple):
    """A token of each kind."""

    superuser: str = "0" * 31 + "1"
    admin: str = "0" * 31 + "2"
    write: str = "0" * 31 + "3"
    view: str = "0" * 31 + "4"


TOKENS = Tokens()
GRANTS = {
    TOKENS.superuser: Grant(Level.SUPERUSER),
    TOKENS.admin: Grant(Level.ADMIN, frozenset({1})),
    TOKENS.write: Grant(Level.WRITE, frozenset({1})),
    TOKENS.view: Grant(Level.VIEW, frozenset({1})),
}


@pytest.fixture
def receive() -> Iterator[Callable[[Path], Receiver]]:
    """Starts receivers with a token of each kind; they end with the test."""
    with ExitStack() as stack:

        def start(database: Path) -> Receiver:
            from log_importer.translation.bot_rules import judges

            verdicts = judges()
            receiver = Receiver(
                database, is_bot=verdicts.is_bot, search_engine=verdicts.search_engine, grants=GRANTS
            )  # fmt: skip
            return stack.enter_context(receiver)

        yield start
