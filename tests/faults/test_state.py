"""A damaged ledger, a state folder that is not ours alone, a clock that jumps: nothing is sent, or nothing twice."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from log_importer.ledger.database import VERSIONS
from log_importer.sources.state_folder import network_mount
from tests.conftest import TOKENS, Run, command, environment, homeless, missing, powerless
from tests.faults.common import Keeper, accounted, arguments, keeping, log, marks, says, send
from tests.faults.traced import needs_strace, traced
from tests.fork_server import ForkServer

SMALL = ("--recorder-max-payload-size", 10)


def ledger(folder: Path) -> Path:
    """The one ledger there is."""
    (found,) = (folder / "state" / "jobs").glob("*.sqlite3")
    return found


@pytest.fixture
def keeper(run: Run, tmp_path: Path) -> Iterator[Keeper]:
    """A server that has the first 50 lines of `a.log`, which has 60."""
    (tmp_path / "a.log").write_bytes(log(range(50)))
    with keeping() as one:
        assert send(run, one.url, *SMALL, "a.log").code == 0
        (tmp_path / "a.log").write_bytes(log(range(60)))
        one.server.posted.clear()
        yield one


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def cut_short(path: Path) -> None:
    os.truncate(path, 700)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    path.write_bytes(b"<!doctype html>" * 1000)


def replace_by_another_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE bookmark (url TEXT)")


def drop_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE batch")


def move_the_mark(path: Path) -> None:
    """One number of one row, as a flipped bit would."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE source SET offset = offset + 64")
        database.commit()


WHOLE = [replace_by_another_database, drop_a_table, move_the_mark]
DAMAGES = [truncate, cut_short, empty, overwrite, *WHOLE]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_ledger_stops_the_run_and_is_left_as_it_is(
    damage: Callable[[Path], None], keeper: Keeper, run: Run, tmp_path: Path
) -> None:
    damage(path := ledger(tmp_path))
    before = path.read_bytes()
    done = send(run, keeper.url, *SMALL, "a.log")
    assert (done.code, keeper.server.posted, path.read_bytes() == before) == (7, [], True), done
    # What SQLite itself finds whole may be looked at once more, so it is not to be deleted.
    away = f"mv {path} {path}.damaged" if damage in WHOLE else f"rm {path}"
    says(done, f"{path}: the ledger is damaged", "nothing was sent", "Restore it from a backup", away)
    shown = run("status", "--state-dir", "state")
    assert (shown.code, away in shown.err) == (7, True)
    subprocess.run(away.split(), check=True)  # as it says
    assert send(run, keeper.url, *SMALL, "a.log").summary["tracked"] == 60


def test_a_flipped_bit_anywhere_stops_the_run_or_changes_nothing(tmp_path: Path) -> None:
    """Much of the file is empty room; in what is not, a flip is noticed, or is in what only `status` shows."""
    chance = random.Random(8)
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}
    noticed = 0
    with keeping() as keeper, ForkServer(tmp_path, Path(__file__).parents[2]) as forks:

        def imports() -> int:
            forks.start(
                [str(one) for one in arguments(keeper.url, *SMALL, "--give-up-after", 3, "a.log")], tmp_path, variables
            )
            ended = forks.wait()
            assert "Traceback" not in ended.err, ended.err
            assert ended.code in (0, 7), ended
            return ended.code

        (tmp_path / "a.log").write_bytes(log(range(50)))
        assert imports() == 0
        (tmp_path / "a.log").write_bytes(log(range(60)))
        kept = tmp_path / "kept"
        shutil.copytree(tmp_path / "state", kept)
        first = keeper.stored.copy()
        content = ledger(tmp_path).read_bytes()
        used = [place for place, byte in enumerate(content) if byte]
        for _ in range(150):
            shutil.rmtree(tmp_path / "state")
            shutil.copytree(kept, tmp_path / "state")
            keeper.stored = first.copy()
            flipped = bytearray(content)
            flipped[chance.choice(used)] ^= 1 << chance.randrange(8)
            ledger(tmp_path).write_bytes(flipped)
            code = imports()
            noticed += code == 7
            assert (code, keeper.stored.total()) in ((7, 50), (0, 60))
            assert max(keeper.stored.values()) == 1
    assert noticed > 30


def test_a_newer_ledger_is_refused(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    with closing(sqlite3.connect(ledger(tmp_path))) as database:
        database.execute(f"PRAGMA user_version = {VERSIONS.latest + 1}")
    done = send(run, keeper.url, "a.log")
    assert (done.code, keeper.server.posted) == (7, [])
    says(
        done,
        f"from a newer log-importer (version {VERSIONS.latest + 1}, this one knows {VERSIONS.latest})",
        "Update log-importer",
    )


def test_a_ledger_that_may_not_be_read_or_written_is_told(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    if not os.getuid():
        pytest.skip("root may read and write everything")
    ledger(tmp_path).chmod(0)
    done = send(run, keeper.url, "a.log")
    assert (done.code, keeper.server.posted) == (7, [])


def link_it(state: Path) -> None:
    state.rename(state.with_name("real"))
    state.symlink_to(state.with_name("real"))


def let_others_write(state: Path) -> None:
    state.chmod(0o770)


def link_the_jobs(state: Path) -> None:
    (state / "jobs").rename(state.with_name("jobs"))
    (state / "jobs").symlink_to(state.with_name("jobs"))


def let_others_write_the_jobs(state: Path) -> None:
    (state / "jobs").chmod(0o777)


def link_the_ledger(state: Path) -> None:
    path = ledger(state.parent)
    path.rename(state.with_name("ledger"))
    path.symlink_to(state.with_name("ledger"))


def give_away(state: Path) -> None:
    if os.getuid():
        pytest.skip("only root can give a folder away")
    os.chown(state, 12345, 12345)


UNSAFE: dict[Callable[[Path], None], str] = {
    link_it: "the state folder is a symbolic link",
    let_others_write: "others may write to the state folder",
    link_the_jobs: "is a symbolic link",
    let_others_write_the_jobs: "others may write",
    link_the_ledger: "is a symbolic link",
    give_away: "belongs to another user",
}


@pytest.mark.parametrize("change", UNSAFE, ids=lambda change: change.__name__)
def test_a_state_folder_that_is_not_ours_alone_is_refused(
    change: Callable[[Path], None], keeper: Keeper, run: Run, tmp_path: Path
) -> None:
    change(tmp_path / "state")
    done = send(run, keeper.url, "a.log")
    assert (done.code, keeper.server.posted) == (7, []), done
    says(done, UNSAFE[change])


def test_nobody_else_may_read_the_state(keeper: Keeper, tmp_path: Path) -> None:
    assert keeper.stored
    modes = {path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "state", *(tmp_path / "state").rglob("*")]}
    assert {mode for name, mode in modes.items() if name in ("state", "jobs")} == {0o700}
    assert {mode for name, mode in modes.items() if name not in ("state", "jobs")} == {0o600}


def test_a_disk_too_full_for_a_new_ledger_is_no_damage_and_nothing_is_to_be_deleted(tmp_path: Path) -> None:
    needs_strace()
    (tmp_path / "a.log").write_bytes(log(range(50)))
    with keeping() as keeper:
        done = traced(tmp_path, "pwrite64:error=ENOSPC", *arguments(keeper.url, "a.log"))
        assert (done.code, keeper.server.posted) == (7, [])
    says(done, "the ledger cannot be written: database or disk is full; nothing was sent", "Make room on its disk")
    assert "damaged" not in done.err
    assert "rm " not in done.err


def test_a_disk_that_fails_is_no_damage(keeper: Keeper, tmp_path: Path) -> None:
    needs_strace()
    done = traced(tmp_path, "fdatasync:error=EIO", *arguments(keeper.url, "--job", "new", "a.log"))
    assert (done.code, keeper.server.posted) == (7, []), done
    says(done, "disk I/O error", "Look at the disk or mount")
    assert not {"damaged", "rm", "mv", "Restore"} & set(done.err.split())


def test_a_ledger_that_another_process_has_locked_is_no_damage(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    with closing(sqlite3.connect(ledger(tmp_path))) as other:
        other.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; DELETE FROM day;")
        done = run("status", "--state-dir", "state")
    assert (done.code, keeper.server.posted) == (7, [])
    says(done, "database is locked", "Another process has locked it: wait until that one ends")
    assert not {"damaged", "rm", "mv", "Restore"} & set(done.err.split())


def test_a_full_disk_under_the_embedded_receiver_is_no_damage(tmp_path: Path) -> None:
    needs_strace()
    (tmp_path / "a.log").write_bytes(log(range(50)))
    done = traced(tmp_path, "pwrite64:error=ENOSPC", "import", "--local", "--state-dir", "state", "a.log")
    assert done.code == 7
    says(done, "database or disk is full", "Make room on its disk")
    assert "Restore" not in done.err


def test_too_little_memory_is_no_fault_of_ours(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(50)))
    if not shutil.which("prlimit"):
        missing("prlimit")
    done = run("import", "--local", "--state-dir", "state", "a.log", by=["prlimit", f"--as={200_000 * 1024}"])
    assert done.code == 1, done
    says(done, "There is not enough memory for this", "ulimit")
    assert "This is a fault" not in done.err


def test_a_folder_where_nothing_can_be_locked_is_told(tmp_path: Path) -> None:
    needs_strace()
    (tmp_path / "a.log").write_bytes(log(range(50)))
    with keeping() as keeper:
        done = traced(tmp_path, "flock:error=ENOLCK", *arguments(keeper.url, "a.log"))
        assert (done.code, keeper.server.posted) == (7, [])
    says(done, "cannot be locked: no locks available", "Use a state folder on a local disk")


def test_a_user_without_a_home_names_a_state_folder_and_needs_none_to_look(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(50)))
    done = run("status", by=homeless())
    assert (done.code, done.out, [path.name for path in tmp_path.iterdir()]) == (7, "", ["a.log"])
    says(done, "This user has no home folder", "--state-dir")
    assert run("status", "--state-dir", "state", by=homeless()).code == 0
    explained = run("explain", "a.log", by=homeless())
    assert (explained.code, explained.out.count("\n")) == (0, 50)


def test_formats_of_ones_own_that_lie_where_one_may_not_look_are_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "log-importer" / "formats").mkdir(parents=True)
    (tmp_path / "log-importer").chmod(0)
    done = run("formats", "list", by=powerless())
    (tmp_path / "log-importer").chmod(0o700)
    assert (done.code, done.err) == (0, "")


MOUNTS = """proc /proc proc rw 0 0
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local xfs rw 0 0
//nas/logs /mnt/my\\040logs cifs rw 0 0
remote: /mnt/ssh fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/x", ""), ("/home/me/state", "nfs4"), ("/home/local/state", ""), ("/homely", ""),
        ("/mnt/my logs/state", "cifs"), ("/mnt/ssh/a/b", "fuse.sshfs"),
    ],
)  # fmt: skip
def test_a_network_file_system_is_recognised(folder: str, kind: str) -> None:
    assert network_mount(Path(folder), MOUNTS) == kind


@pytest.mark.parametrize("shift", ["-1d", "+1d", "+2y"])
def test_a_clock_that_jumps_changes_nothing(shift: str, keeper: Keeper, run: Run, tmp_path: Path) -> None:
    if not shutil.which("faketime"):
        missing("faketime")
    variables = environment(tmp_path, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser, "NO_FAKE_STAT": "1"})
    given = arguments(keeper.url, *SMALL, "a.log")
    done = subprocess.run(
        ["faketime", "-f", shift, *command(*given)], cwd=tmp_path, env=variables, capture_output=True, check=False,
        timeout=180,
    )  # fmt: skip
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["tracked"], summary["known_lines"]) == (0, 10, 50), done
    (tmp_path / "a.log").write_bytes(log(range(70)))
    assert send(run, keeper.url, *SMALL, "a.log").summary["tracked"] == 10
    assert keeper.stored == dict.fromkeys(marks(range(70)), 1)


def test_two_runs_of_a_job_at_once_the_second_sends_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(50)))
    with keeping() as keeper:
        seconds: list[object] = []

        def second(_keeper: Keeper, _posted: object) -> None:
            if not seconds:
                seconds.append(None)
                posts = len(keeper.server.posted)
                seconds.append(send(run, keeper.url, "a.log"))
                assert len(keeper.server.posted) == posts

        keeper.fault = second
        done = send(run, keeper.url, "--recorders", 1, "a.log")
    accounted(done, keeper.stored, marks(range(50)), 0, tracked=50)
    other = seconds[1]
    assert getattr(other, "code", None) == 6
    assert "Another run of this job is under way (process " in getattr(other, "err", "")


def test_two_jobs_do_not_know_of_each_other(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(50)))
    with keeping() as keeper:
        assert send(run, keeper.url, "--job", "one", "a.log").summary["tracked"] == 50
        done = send(run, keeper.url, "--job", "two", "a.log")
        assert done.summary["tracked"] == 50
        says(done, "a.log: imported before, under the job 'one'", "sent again")
        assert send(run, keeper.url, "--job", "one", "a.log").summary["tracked"] == 0
    jobs = json.loads(run("status", "--json", "--state-dir", "state").out)["jobs"]
    assert {(job["job"], job["tracked"]) for job in jobs} == {("one", 50), ("two", 50)}
