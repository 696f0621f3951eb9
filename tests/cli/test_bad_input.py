"""Bad input gets one clear sentence and the README's exit code, and nothing is lost."""

import gzip
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from log_importer.receiver import Receiver
from tests.conftest import SAMPLES, TOKENS, Done, Run, command, environment, powerless
from tests.delivery.server.common import closed_port
from tests.fault_server import Told, counted, serve, told_json

LOG = SAMPLES / "nginx-combined.log"


def says(done: Done, code: int, *words: str) -> None:
    """Asserts the code, the words on standard error, and that each sentence is one line."""
    assert done.code == code, (done.out, done.err)
    for word in words:
        assert word in done.err, done.err
    assert all(line.startswith("log-importer: ") for line in done.err.splitlines()), done.err


def local(run: Run, *sources: object, **more: bytes) -> Done:
    return run("import", "--local", "--json", "--state-dir", "state", *sources, **more)


def test_a_file_of_garbage(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Dear all,\nthe server is down.\n\nYours, Ben\n")
    done = local(run, "notes.txt")
    says(done, 1, "notes.txt: no format comes near its lines, such as 'Dear all,'.", "--log-format-name")
    assert (done.summary["lines"], done.summary["rejected"], done.summary["skipped"]) == (4, 3, {"blank": 1})


def test_an_empty_file_is_fine(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    (tmp_path / "empty.gz").write_bytes(gzip.compress(b""))
    done = local(run, "empty.log", "empty.gz")
    assert (done.code, done.err, done.summary["lines"]) == (0, "", 0)


def test_a_missing_file_among_others(run: Run) -> None:
    done = local(run, "none.log", LOG)
    says(done, 3, "none.log: cannot be read: no such file or directory.")
    assert done.summary["tracked"] == 85


def test_a_pattern_that_matches_nothing(run: Run) -> None:
    says(local(run, "*.nothing"), 3, "*.nothing: no file matches.")


@pytest.mark.skipif(os.geteuid() != 0, reason="asks the kernel for what root alone may do")
def test_an_unreadable_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "device").symlink_to("/proc/self/mem")
    says(local(run, "device", LOG), 3, "device: reading stopped at byte 0")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nobody may look."""
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "a.log").write_bytes(LOG.read_bytes())
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("import --local closed/a.log", 3, "closed/a.log: cannot be read: permission denied."),
        ("import --local --follow closed/b/a.log", 3, "closed/b/a.log: there is no folder closed/b."),
        ("formats list --format-file closed/a.toml", 2, "closed/a.toml: cannot be read: permission denied."),
        ("explain --config closed/s.toml a.log", 2, "closed/s.toml: the settings cannot be read: permission denied."),
        ("import --url https://localhost:9 --idsite 1 --ca-file closed/ca.pem a.log", 2,
         "--ca-file names closed/ca.pem, which does not exist or may not be read."),
    ],
)  # fmt: skip
def test_what_lies_where_one_may_not_look_is_told(
    arguments: str, code: int, words: str, closed: Path, run: Run
) -> None:
    says(run(*arguments.split(), by=powerless(), LOG_IMPORTER_TOKEN_AUTH=TOKENS.write), code, words)


def test_a_log_that_one_may_not_look_at_yet_is_waited_for(closed: Path, tmp_path: Path) -> None:
    follow = [*powerless(), *command("import", "--local", "--json", "--follow", "closed/a.log")]
    with subprocess.Popen(
        follow, cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert "closed/a.log: cannot be read: permission denied. It is waited for." in process.stderr.readline()
        process.terminate()
        _, err = process.communicate(timeout=180)
    assert process.returncode == 143, err


def test_a_directory_is_its_files_and_an_empty_one_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    says(local(run, "logs"), 3, "logs: this directory holds no log files.")
    (tmp_path / "logs" / "a.log").write_bytes(LOG.read_bytes())
    assert local(run, "logs").summary["tracked"] == 85


def test_a_binary_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 2000)
    done = local(run, "binary")
    says(done, 1, "binary: no format comes near its lines")
    assert "'\\x01\\x02" in done.err
    assert done.summary["rejected"] == done.summary["lines"] == 2001


def test_a_truncated_gz_is_imported_as_far_as_it_goes(run: Run, tmp_path: Path) -> None:
    whole = gzip.compress(LOG.read_bytes())
    (tmp_path / "a.gz").write_bytes(whole[: len(whole) // 2])
    done = local(run, "a.gz")
    assert done.code == 1
    assert done.summary["sources"][0]["incomplete"] == "its compressed data ends in the middle"
    assert 10 < done.summary["tracked"] < 85


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--url", "http://127.0.0.1:9", "--idsite", "1"], "There is no token."),
        (["--url", "http://127.0.0.1:9", "--token-auth", "x"], "names its host, so none would find its site."),
        (["--idsite", "1"], "--idsite is given, but no --url."),
        (["--token-auth", "x"], "--token-auth is given, but no --url."),
        ([], "nobody is at a terminal"),
        (["--url", "x", "--local"], "Both --url and --local are given."),
        (["--local", "--log-format-name", "nonsense"], "There is no format 'nonsense'."),
        (["--local", "--timezone", "Mars/Base"], "'Mars/Base' is not a time zone."),
        (["--local", "--format-file", "no.toml"], "no.toml: cannot be read"),
        (["--local", "--recorders", "0"], "Invalid value for '--recorders'"),
        (["--local", "--no-such-option"], "No such option"),
        (["--url", "ftp://x", "--idsite", "1", "--token-auth", "x"], "is not the address of a server."),
        (["--url", "http://h/?a=b", "--idsite", "1", "--token-auth", "x"], "is not the address of a server."),
        (["--url", "http://h/", "--idsite", "1", "--token-auth", "two words"], "The token holds blanks"),
    ],
)
def test_a_usage_error_sends_nothing(run: Run, arguments: list[str], sentence: str) -> None:
    done = run("import", "--state-dir", "state", *arguments, LOG)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert "two words" not in done.err


def test_a_token_file_that_others_can_read_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKENS.admin)
    (tmp_path / "token").chmod(0o644)
    done = run("import", "--url", "http://127.0.0.1:9", "--idsite", 1, "--token-auth-file", "token", LOG)
    says(done, 2, "group or others can read the token.", "chmod 600")


def remote(run: Run, url: str, token: str = TOKENS.admin, *more: object) -> Done:
    return run(
        "import", "--url", url, "--idsite", 1, "--state-dir", "state", "--give-up-after", 1, *more, LOG,
        LOG_IMPORTER_TOKEN_AUTH=token,
    )  # fmt: skip


def test_a_wrong_token(run: Run, receive: Callable[[Path], Receiver], tmp_path: Path) -> None:
    done = remote(run, receive(tmp_path / "db").url, "f" * 32)
    says(done, 4, "does not accept the token for site 1", "Copy it again")


def test_a_token_without_rights(run: Run, receive: Callable[[Path], Receiver], tmp_path: Path) -> None:
    done = remote(run, receive(tmp_path / "db").url, TOKENS.view)
    says(done, 4, "The token may look at site 1 but not import into it.", "write or admin access")


def test_a_site_that_there_is_not(run: Run, receive: Callable[[Path], Receiver], tmp_path: Path) -> None:
    done = remote(run, receive(tmp_path / "db").url, TOKENS.superuser, "--idsite", 99)
    says(done, 4, "has no site 99", "Check --idsite.")


def test_an_html_page_at_the_url(run: Run) -> None:
    with serve(lambda _: Told(200, b"<!doctype html>\n<title>\x1b[31mWelcome</title>")) as server:
        done = remote(run, server.url)
        assert server.bulk == []
    says(done, 4, "did not answer as a Matomo does: status 200, '<!doctype html>", "Check --url")
    assert "\x1b" not in done.err


def test_a_redirecting_url(run: Run) -> None:
    with serve() as other, serve(lambda posted: Told(301, headers={"Location": other.url + posted.path})) as server:
        done = remote(run, server.url)
        assert other.posted == [], "no byte goes to another host"
    says(done, 4, "redirects to http://127.0.0.1", "Give the address it points to as --url.")


def test_a_closed_port(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = remote(run, f"http://127.0.0.1:{port}")
    says(done, 5, f"127.0.0.1:{port} takes no connection: connection refused.", "and that the server runs.")


def test_a_server_that_is_away_at_the_start_is_said_at_once(tmp_path: Path) -> None:
    url = closed_port()
    words = command("import", "--url", url, "--idsite", 1, "--state-dir", "state", LOG)
    variables = environment(tmp_path, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin})
    with subprocess.Popen(words, cwd=tmp_path, env=variables, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as one:
        assert one.stderr is not None
        first = one.stderr.readline().decode()
        running = one.poll() is None
        one.terminate()
        one.communicate()
    assert running, "it is said while it goes on trying"
    assert "takes no connection: connection refused. It is tried again for up to 30 s." in first


def test_a_name_that_does_not_resolve(run: Run) -> None:
    says(remote(run, "http://matomo.invalid"), 5, "There is no host matomo.invalid: its name does not resolve.")


def test_no_tracker_at_the_path(run: Run, receive: Callable[[Path], Receiver], tmp_path: Path) -> None:
    done = remote(run, receive(tmp_path / "db").url, TOKENS.admin, "--tracker-endpoint-path", "/wrong.php")
    says(done, 4, "There is no tracker at http://127.0.0.1", "/wrong.php (status 404).", "--tracker-endpoint-path")


def test_tracking_switched_off(run: Run) -> None:
    site = told_json([{"idsite": 1, "main_url": "http://x.example"}])
    with serve(lambda posted: site if posted.path.startswith("/index") else counted(0)) as server:
        says(remote(run, server.url), 4, "tracking is switched off there", "record_statistics=1")


def test_bulk_tracking_off(run: Run) -> None:
    site = told_json({"idsite": 1, "main_url": "http://x.example"})
    with serve(lambda posted: site if posted.path.startswith("/index") else Told(400, b"This resource")) as server:
        says(remote(run, server.url), 4, "takes no bulk requests (status 400", "BulkTracking")


def test_a_token_for_secure_requests_only(run: Run) -> None:
    def script(posted: object) -> Told:
        text = repr(posted)
        if "getSiteFromId" in text:
            return told_json({"idsite": 1, "main_url": "http://x.example"})
        return told_json([1]) if "WriteAccess" in text or "AdminAccess" in text else counted(0, 1)

    with serve(script) as server:
        says(remote(run, server.url), 4, "a token for secure requests only?", "Only allow secure requests")


def test_a_run_that_finds_its_job_locked_sends_nothing(run: Run, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    first = subprocess.Popen(
        command("import", "--local", "--state-dir", "state", "fifo"), cwd=tmp_path, env=environment(tmp_path),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        with fifo.open("wb"):  # opens when the first run has opened it, so it holds the lock
            done = local(run, LOG)
            says(done, 6, f"Another run of this job is under way (process {first.pid}); nothing was sent.")
    finally:
        assert first.wait(30) == 0
        assert first.stderr is not None
        first.stderr.close()
    assert local(run, LOG).code == 0, "the lock is gone with its process"


@pytest.mark.parametrize("fault", ["link", "writable"])
def test_a_state_folder_that_is_not_safe_is_refused(run: Run, tmp_path: Path, fault: str) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    if fault == "link":
        (tmp_path / "state").symlink_to("real")
    else:
        (tmp_path / "state").mkdir()
        (tmp_path / "state").chmod(0o777)
    says(local(run, LOG), 7, "state folder")


def test_a_damaged_receiver_database_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "receiver.sqlite3").write_bytes(b"not a database, but long enough to look like one" * 99)
    says(local(run, LOG), 7, "the receiver's database cannot be used", "or move it away")


def test_lines_of_the_future_wait_or_are_skipped(run: Run, tmp_path: Path) -> None:
    def line(seconds: float) -> str:
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(time.time() + seconds))
        return f'192.0.2.1 - - [{stamp}] "GET /x{seconds:g} HTTP/1.1" 200 1 "-" "Mozilla/5.0"\n'

    (tmp_path / "a.log").write_text(line(-10) + line(3) + line(3600))
    began = time.monotonic()
    done = local(run, "a.log")
    assert (done.summary["tracked"], done.summary["skipped"]) == (2, {"time-future": 1})
    assert time.monotonic() - began > 1.5, "a hit a little ahead of the clock waits until its time has come"
