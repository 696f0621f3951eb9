"""What `--follow` does beside rotation: files that come and go, formats, where to begin, what it tells of itself."""

import gzip
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from log_importer.sources.rotated import generation, rotated
from tests.conftest import TOKENS, Done, Run, command, environment
from tests.fault_server import FaultServer, serve
from tests.faults.test_crash import wait_for
from tests.faults.test_rotation import FIELDS, HEADER
from tests.oracle import Oracle, line, lines
from tests.runs.commands.test_import import adds_up


class Follow:
    """An import that follows, into a server that keeps what it got."""

    def __init__(self, folder: Path, server: FaultServer, oracle: Oracle) -> None:
        self.folder, self.server, self.oracle = folder, server, oracle
        self.log = folder / "access.log"
        self.process: subprocess.Popen[bytes]

    def start(self, *sources: str, more: tuple[object, ...] = ()) -> None:
        given = ("import", "--url", self.server.url, "--idsite", 1, "--state-dir", "state", "--json", "--follow")
        self.process = subprocess.Popen(
            command(*given, "--flush-after", 0.5, *more, *(sources or ("access.log",))), cwd=self.folder,
            env=environment(self.folder, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin}), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def append(self, data: bytes, name: str = "access.log") -> None:
        with (self.folder / name).open("ab") as file:
            file.write(data)

    def wait(self, count: int) -> None:
        """Until so many lines are stored, each once."""

        def stored() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return len(self.oracle.stored) >= count

        wait_for(stored, 40)
        assert len(self.oracle.stored) == count

    def stop(self, code: int = 143) -> Done:
        self.process.send_signal(signal.SIGTERM)
        out, said = self.process.communicate(timeout=60)
        done = Done(self.process.returncode, out.decode(), said.decode())
        assert "Traceback" not in done.err, done
        assert done.code == code, done
        assert adds_up(done.summary), done
        return done


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Follow]:
    oracle = Oracle()
    with serve(oracle) as server:
        one = Follow(tmp_path, server, oracle)
        try:
            yield one
        finally:
            one.process.kill()
            one.process.communicate()


def test_a_file_that_is_not_there_yet_is_waited_for(follow: Follow) -> None:
    follow.start()
    wait_for(lambda: follow.server.posted, 20)  # it has asked for the site, and looks next
    time.sleep(1)
    follow.append(b"")
    follow.append(lines(range(3)))
    follow.wait(3)
    done = follow.stop()
    assert "access.log: cannot be read: no such file or directory. It is waited for." in done.err


def test_a_file_whose_folder_is_not_there_is_an_error(run: Run) -> None:
    done = run("import", "--local", "--state-dir", "state", "--follow", "nowhere/access.log")
    assert (done.code, "there is no folder nowhere" in done.err) == (3, True), done


@pytest.mark.parametrize("source", ["logs/*.log", "logs"])
def test_files_that_begin_to_match_are_picked_up(source: str, follow: Follow) -> None:
    (follow.folder / "logs").mkdir()
    follow.append(lines(range(3)), "logs/a.log")
    follow.start(source)
    follow.wait(3)
    follow.append(lines(range(3, 5)), "logs/b.log")
    (follow.folder / "logs" / "c.log").write_bytes(gzip.compress(lines(range(5, 9))))
    follow.wait(9)
    follow.append(lines([9]), "logs/a.log")
    follow.append(lines([10]), "logs/b.log")
    follow.wait(11)
    follow.stop()


def test_what_is_written_to_a_log_that_was_compressed_and_deleted_is_read(follow: Follow) -> None:
    """A web server finishes its slow requests in the log that they began in, also when that is a rotated one's past."""
    follow.append(lines(range(50)))
    follow.start()
    follow.wait(50)
    with follow.log.open("ab") as old:
        rotated = follow.log.rename(follow.folder / "access.log.1")
        follow.append(lines(range(50, 60)))
        follow.wait(60)
        (follow.folder / "access.log.1.gz").write_bytes(gzip.compress(rotated.read_bytes()))
        rotated.unlink()
        follow.append(lines(range(60, 70)))
        follow.wait(70)
        time.sleep(1)
        old.write(line(70))
        old.flush()
        follow.wait(71)
    follow.stop()


def test_from_now_leaves_out_what_lies_there_when_the_job_begins_and_no_more(follow: Follow) -> None:
    follow.append(lines(range(50)) + line(50)[:-30])
    follow.start(more=("--from-now",))
    wait_for(lambda: (follow.folder / "state" / "jobs").exists(), 20)
    wait_for(lambda: follow.server.posted, 20)
    time.sleep(1)
    follow.append(line(50)[-30:])
    follow.append(lines(range(51, 55)))
    follow.wait(5)
    done = follow.stop()
    assert (done.summary["lines"], done.summary["known_lines"]) == (5, 50)
    follow.append(lines(range(55, 58)))  # while nobody reads
    follow.log.rename(follow.folder / "access.log.1")
    follow.append(lines(range(58, 60)))
    follow.start(more=("--from-now",))
    follow.wait(10)
    follow.stop()
    assert sorted(follow.oracle.stored) == list(range(50, 60))


def test_a_line_waits_for_its_end(follow: Follow) -> None:
    follow.append(lines(range(2)) + line(2)[:40])
    follow.start()
    follow.wait(2)
    done = follow.stop()
    assert done.summary["lines"] == 2, "half a line is none"
    follow.start()
    follow.append(line(2)[40:])
    follow.wait(3)
    follow.stop()


def test_a_last_line_without_an_end_is_read_once_its_file_is_done_with(follow: Follow) -> None:
    """A file that was rotated over a minute ago is one that nobody writes to."""
    follow.append(lines(range(2)) + line(2)[:-1], "access.log.1")  # which is a hit as it is
    follow.append(line(3)[:-1], "access.log.3")  # and nothing else in it
    for name in ("access.log.1", "access.log.3"):
        os.utime(follow.folder / name, (1, 1))
    follow.append(lines([4]))
    follow.start("access.log*")
    follow.wait(5)
    follow.stop()


def test_a_w3c_log_that_begins_anew_with_its_header_stays_readable(follow: Follow) -> None:
    def row(number: int) -> bytes:
        return b"2026-03-01 10:00:%02d 192.0.2.1 GET /n/%d 192.0.2.7 Mozilla/5.0+(X11;+Linux)+Firefox/147.0 200 0\n" % (
            number % 60,
            number,
        )

    follow.append(HEADER + FIELDS)
    follow.start()
    follow.append(b"".join(map(row, range(5))))
    follow.wait(5)
    follow.log.rename(follow.folder / "access.log.1")
    follow.append(HEADER + FIELDS + b"".join(map(row, range(5, 8))))
    follow.wait(8)
    os.truncate(follow.log, 0)
    follow.append(HEADER + FIELDS + b"".join(map(row, range(8, 10))))
    follow.wait(10)
    done = follow.stop()
    assert {source["format"] for source in done.summary["sources"]} == {"iis"}
    assert done.summary["rejected"] == 0


def test_garbage_at_the_beginning_of_a_new_log_does_not_decide_its_format(follow: Follow) -> None:
    """A scanner may be the first to come after a rotation."""
    follow.append(lines(range(3)))
    follow.start()
    follow.wait(3)
    follow.log.rename(follow.folder / "access.log.1")
    follow.append(b"\x16\x03\x01 garbage\n")
    time.sleep(1)
    follow.append(lines(range(3, 6)))
    follow.wait(6)
    done = follow.stop()
    assert done.summary["rejected"] == 1


def test_a_log_in_an_unknown_format_is_said_and_its_lines_are_rejected(follow: Follow) -> None:
    follow.append(b"what is this\n" * 3000)
    follow.append(lines(range(3)), "b.log")
    follow.start("access.log", "b.log")
    follow.wait(3)
    done = follow.stop()
    assert (done.summary["rejected"], "no format" in done.err) == (3000, True), done


def test_the_metrics_say_that_it_runs_and_how_far_it_is(follow: Follow) -> None:
    metrics = follow.folder / "metrics.prom"
    follow.append(lines(range(7)))
    follow.start(more=("--metrics-file", "metrics.prom"))
    wait_for(lambda: metrics.exists() and 'lines{bucket="tracked"} 7.0' in metrics.read_text(), 60)
    assert "log_importer_running 1.0" in metrics.read_text()
    assert "log_importer_lag_seconds" in metrics.read_text()
    follow.stop()
    assert "log_importer_running 0.0" in metrics.read_text()
    assert "log_importer_last_run_exit_code 143.0" in metrics.read_text()


def test_one_log_under_ever_new_files_is_one_source_in_the_summary(follow: Follow) -> None:
    follow.append(lines(range(3)))
    follow.start()
    follow.wait(3)
    for number in range(3, 6):
        follow.log.rename(follow.folder / "access.log.1")
        follow.append(lines([number]))
        follow.wait(number + 1)
    done = follow.stop()
    assert [(one["source"], one["lines"]) for one in done.summary["sources"] if one["lines"]] == [("access.log", 6)]


def test_a_symbolic_link_that_is_led_elsewhere_is_followed_there(follow: Follow) -> None:
    follow.append(lines(range(3)), "monday.log")
    follow.log.symlink_to("monday.log")
    follow.start()
    follow.wait(3)
    follow.append(lines(range(3, 5)), "tuesday.log")
    (follow.folder / "link").symlink_to("tuesday.log")
    (follow.folder / "link").replace(follow.log)
    follow.append(lines([5]), "monday.log")
    follow.wait(6)
    follow.stop()


def test_a_deleted_log_is_read_to_its_end(follow: Follow) -> None:
    follow.append(lines(range(3)))
    follow.start()
    follow.wait(3)
    with follow.log.open("ab", buffering=0) as writer:
        follow.log.unlink()
        writer.write(lines(range(3, 6)))
        follow.wait(6)
    follow.append(lines([6]))
    follow.wait(7)
    follow.stop()


def test_the_rotated_files_of_a_log_are_known_by_their_names(tmp_path: Path) -> None:
    theirs = [
        "access.log.1", "access.log.12.gz", "access.log-20260301", "access.log-20260301-1772323200.bz2",
        "access.log.2026-03-01", "access.log.old", "access-20260301.log", "access-20260301.log.xz",
    ]  # fmt: skip
    others = ["access.log", "access.log.pos", "access.log.swp", "access.logs", "other.log.1", "access.log.1.tmp"]
    for name in (*theirs, *others):
        (tmp_path / name).touch()
    assert {path.name for path in rotated(tmp_path / "access.log")} == set(theirs)


@pytest.mark.parametrize(
    "oldest_first",
    [
        ["access.log.10.gz", "access.log.2.gz", "access.log.1", "access.log"],
        ["access.log-20260301.gz", "access.log-20260302", "access.log"],
        ["v1.2/access.log.1", "v1.2/access.log"],
    ],
)
def test_of_files_of_one_moment_their_names_tell_the_age(oldest_first: list[str]) -> None:
    assert sorted(dict.fromkeys(oldest_first[::-1]), key=generation) == oldest_first


def test_a_pipe_says_what_it_means_to_read_from_one(run: Run, tmp_path: Path) -> None:
    source, sink = os.pipe()
    process = subprocess.Popen(
        command("import", "--local", "--state-dir", "state", "-"), cwd=tmp_path, env=environment(tmp_path),
        stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(source)
    os.write(sink, lines(range(3)))
    assert process.stderr is not None
    assert b"--spool DIR" in process.stderr.readline()
    os.close(sink)
    process.communicate(timeout=60)
    assert process.returncode == 0
