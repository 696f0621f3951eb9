"""Files that were renamed, compressed, copied, cut, replaced or restored since the last run: each line once."""

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.fault_server import Told
from tests.faults.common import accounted, keeping, local, log, marks, rows, send

HEADER = b"#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-03-01 00:00:00\n"
FIELDS = b"#Fields: date time s-ip cs-method cs-uri-stem c-ip cs(User-Agent) sc-status sc-win32-status\n"


class Job:
    """Nightly runs over `access.log*` into the embedded receiver."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self.folder = folder
        self.live = folder / "access.log"

    def path(self, end: str) -> Path:
        """`access.log` with that end."""
        return self.folder / f"access.log{end}"

    def append(self, data: bytes) -> None:
        with self.live.open("ab") as log_file:
            log_file.write(data)

    def imports(self, new: int, *more: str, known: int | None = None, total: int | None = None, code: int = 0) -> None:
        """A run tracks `new` lines, knows `known` others, and `total` are stored then, each once."""
        names = sorted(path.name for path in self.folder.glob("access.log*"))
        done = local(self._run, *more, *names)
        assert (done.code, done.summary["tracked"]) == (code, new), done
        if known is not None:
            assert done.summary["known_lines"] == known, done
        stored = rows(self.folder / "state" / "receiver.sqlite3")
        assert set(stored.values()) <= {1}
        if total is not None:
            assert stored.keys() == marks(range(total))


@pytest.fixture
def job(run: Run, tmp_path: Path) -> Job:
    """The job, with 40 lines imported."""
    one = Job(run, tmp_path)
    one.append(log(range(40)))
    one.imports(40, total=40)
    return one


def test_the_same_again_sends_nothing(job: Job) -> None:
    job.imports(0, known=40)
    job.append(log(range(40, 50)))
    job.imports(10, known=40, total=50)


def test_again_sends_all_on_purpose(job: Job) -> None:
    done = local(job._run, "--again", "access.log")
    stored = rows(job.folder / "state" / "receiver.sqlite3")
    assert (done.summary["tracked"], set(stored.values())) == (40, {2})


def rename(job: Job) -> None:
    job.live.rename(job.path(".1"))
    job.live.touch()


def rename_with_date(job: Job) -> None:
    job.live.rename(job.path("-20260301"))


def rename_late(job: Job) -> None:
    """The server writes on for a while to the file that it has open."""
    with job.live.open("ab") as server:
        job.live.rename(job.path(".1"))
        server.write(log(range(40, 45)))
    job.live.write_bytes(log(range(45, 60)))


def rename_and_compress(job: Job) -> None:
    job.append(log(range(40, 45)))
    job.path(".2.gz").write_bytes(gzip.compress(job.live.read_bytes()))
    job.live.write_bytes(log(range(45, 60)))


def copy_and_truncate(job: Job) -> None:
    job.append(log(range(40, 45)))
    shutil.copy(job.live, job.path(".1"))
    os.truncate(job.live, 0)


def truncate_and_grow_beyond(job: Job) -> None:
    """What was read of it is gone, and it is longer than it was."""
    shutil.copy(job.live, job.path(".1"))
    os.truncate(job.live, 0)
    job.append(log(range(40, 200)))


def reuse_the_inode(job: Job) -> None:
    """A new file in the old one's inode."""
    shutil.copy(job.live, job.path(".1"))
    with job.live.open("r+b") as file:
        file.truncate()
        file.write(log(range(40, 90)))


def restore_from_a_backup(job: Job) -> None:
    """Another inode, other times, and the same content; then it grows."""
    shutil.copy(job.live, job.folder / "backup")
    (job.folder / "backup").replace(job.live)
    os.utime(job.live, (0, 0))


def copy_beside(job: Job) -> None:
    shutil.copy(job.live, job.path(".copy"))


def compress_beside(job: Job) -> None:
    job.path(".gz").write_bytes(gzip.compress(job.live.read_bytes()))


def link_hard(job: Job) -> None:
    os.link(job.live, job.path(".link"))


def link(job: Job) -> None:
    job.path(".link").symlink_to(job.live)


def several_times(job: Job) -> None:
    """Five rotations while nobody looked, the older ones compressed."""
    for number in range(4):
        job.append(log(range(40 + number * 5, 45 + number * 5)))
        for old in range(number, 0, -1):
            source = job.path(f".{old}.gz" if old > 1 else ".1")
            content = source.read_bytes() if old > 1 else gzip.compress(source.read_bytes())
            source.unlink()
            job.path(f".{old + 1}.gz").write_bytes(content)
        job.live.rename(job.path(".1"))
        job.live.touch()


CHANGES: dict[Callable[[Job], None], int] = {
    rename: 40, rename_with_date: 40, rename_late: 60, rename_and_compress: 60, copy_and_truncate: 45,
    truncate_and_grow_beyond: 200, reuse_the_inode: 90, restore_from_a_backup: 40, copy_beside: 40,
    compress_beside: 40, link_hard: 40, link: 40, several_times: 60,
}  # fmt: skip
"""What happens to the files -> how many lines there are then."""


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_was_done_is_known_wherever_it_lies_now(change: Callable[[Job], None], job: Job) -> None:
    total = CHANGES[change]
    change(job)
    job.imports(total - 40, total=total)
    job.append(log(range(total, total + 7)))
    job.imports(7, total=total + 7)
    job.imports(0, total=total + 7)


def test_a_file_replaced_by_another_with_the_same_beginning_is_read_from_where_they_part(job: Job) -> None:
    job.append(log(range(40, 60)))
    job.imports(20, total=60)
    (job.folder / "new").write_bytes(log(range(40)) + log(range(100, 150)))
    (job.folder / "new").replace(job.live)
    done = local(job._run, "access.log")
    assert rows(job.folder / "state" / "receiver.sqlite3").keys() >= marks(range(100, 150))
    assert done.code == 0


def test_a_gz_still_being_written_is_never_done(job: Job) -> None:
    whole = gzip.compress(log(range(40, 1000)))
    for cut, code in (len(whole) // 3, 1), (len(whole) // 2, 1), (len(whole) - 3, 1), (len(whole), 0):
        job.path(".2.gz").write_bytes(whole[:cut])
        done = local(job._run, "access.log", "access.log.2.gz")
        assert (done.code, bool(done.summary["sources"][0]["incomplete"] or done.summary["sources"][1]["incomplete"])) \
            == (code, code == 1)  # fmt: skip
    job.imports(0, total=1000)


def test_two_logs_with_the_same_first_lines_stay_two(run: Run, tmp_path: Path) -> None:
    """As IIS writes them: a header that differs in nothing but, if at all, the second it was begun."""

    def row(number: int) -> bytes:
        return (
            b"2026-03-01 10:00:%02d 192.0.2.1 GET /m%07d 192.0.2.7 Mozilla/5.0+(X11;+Linux)+Firefox/147.0 200 0\n"
            % (number % 60, number)
        )

    job = Job(run, tmp_path)
    job.append(HEADER + FIELDS)
    job.imports(0)
    job.append(b"".join(map(row, range(20))))
    job.imports(20, total=20)
    job.live.rename(job.path(".1"))
    job.append(HEADER + FIELDS)
    job.imports(0, total=20)
    job.append(b"".join(map(row, range(20, 70))))
    job.imports(50, total=70)
    os.truncate(job.live, 0)
    job.append(HEADER + FIELDS + b"".join(map(row, range(70, 80))))
    job.imports(10, total=80)


def test_a_large_log_and_its_copies_in_one_run_are_sent_once(run: Run, tmp_path: Path) -> None:
    """Much of the first is still being parsed when the next is opened."""
    data = log(range(40_000), visitors=250)
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(data, 1))
    (tmp_path / "b.log").write_bytes(data[: data.rfind(b"\n", 0, len(data) // 2) + 1])
    done = local(run, "--workers", "2", "a.log", "a.log.gz", "b.log")
    accounted(done, rows(tmp_path / "state" / "receiver.sqlite3"), marks(range(40_000)), 0, tracked=40_000)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_line_that_was_whole_but_for_its_newline_is_sent_once_when_its_log_is_there_twice(
    pack: Callable[[bytes], bytes], run: Run, tmp_path: Path
) -> None:
    one = Job(run, tmp_path)
    one.append(log([0])[:-1])
    one.imports(1, total=1)
    one.append(b"\n")
    one.path(".1").write_bytes(pack(log([0])))
    one.imports(0, total=1)


@pytest.mark.parametrize("kept", [True, False], ids=["copied", "emptied"])
def test_a_log_begun_anew_within_the_second_of_its_copy_is_no_copy_of_itself(
    kept: bool, run: Run, tmp_path: Path
) -> None:
    """It begins as before, what was read behind that is pending, and no time tells which of the two is older."""
    one, header = Job(run, tmp_path), (b" " * 60 + b"\n") * 20
    with keeping(lambda *_: Told(503, b"busy")) as keeper:

        def send_all() -> int:
            names = sorted(path.name for path in tmp_path.glob("access.log*"))
            return send(run, keeper.url, "--give-up-after", 0.2, "--retry-delay", 0.05, *names).code

        one.append(header)
        assert send_all() == 0
        one.append(log([0, 1, 2]))
        assert send_all() == 5
        if kept:
            shutil.copy(one.live, one.path(".1"))
        os.truncate(one.live, 0)
        one.append(header + log([3]))
        keeper.fault = lambda *_: None
        assert send_all() == 0
        assert keeper.stored == dict.fromkeys(marks([0, 1, 2, 3] if kept else [3]), 1)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_copy_that_is_still_being_made_is_nothing_new(pack: Callable[[bytes], bytes], job: Job) -> None:
    """`copytruncate` of a large log takes a while, and so does compressing what was renamed."""
    job.append(log(range(40, 4000)))
    job.imports(3960, total=4000)
    whole = pack(job.live.read_bytes())
    for part in (len(whole) // 3, len(whole) * 2 // 3):
        job.path(".1").write_bytes(whole[:part])
        done = local(job._run, "access.log", "access.log.1")
        assert (done.summary["lines"], done.code) == (0, 1 if pack is gzip.compress else 0), done
    job.path(".1").write_bytes(whole)
    os.truncate(job.live, 0)
    job.imports(0, total=4000)
