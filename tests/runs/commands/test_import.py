"""The main job, end to end: real logs, real processes, real HTTP, and numbers that add up."""

import gzip
import json
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from log_importer import __version__
from log_importer.model import BUCKETS
from log_importer.receiver import Receiver
from tests.conftest import SAMPLES, TOKENS, Run, command, environment
from tests.fault_server import serve

LOG = SAMPLES / "nginx-combined.log"


def total(counts: dict[str, Any]) -> int:
    """The sum of the seven buckets."""
    values = [counts[bucket] for bucket in BUCKETS]
    return sum(sum(value.values()) if isinstance(value, dict) else value for value in values)


def adds_up(summary: dict[str, Any]) -> bool:
    """Whether every line is in exactly one bucket, for the run and for each source."""
    return all(counts["lines"] == total(counts) for counts in (summary, *summary["sources"]))


def query(database: Path, sql: str) -> list[Any]:
    """Rows of a receiver's database."""
    connection = sqlite3.connect(database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


ROWS = """SELECT time, type, action.url, title, ip, user_agent, bandwidth, generation_ms
          FROM action JOIN visit USING (idvisit)"""


def stored(database: Path) -> list[Any]:
    """Every action that was tracked, with what tells it from another."""
    return sorted(map(repr, query(database, ROWS)))


def test_all_samples_are_imported_and_the_receiver_holds_what_the_summary_says(run: Run, tmp_path: Path) -> None:
    done = run("import", "--local", "--state-dir", "state", "--json", SAMPLES)
    summary = done.summary
    assert (done.code, summary["exit_code"], adds_up(summary)) == (0, 0, True)
    assert summary["lines"] == sum(len(path.read_bytes().splitlines()) for path in SAMPLES.glob("*.log"))
    assert summary["tracked"] > 400
    database = tmp_path / "state" / "receiver.sqlite3"
    days = dict(query(database, "SELECT substr(time, 1, 10), count(*) FROM action GROUP BY 1"))
    assert days == summary["sites"]["1"]["days"]
    assert sum(days.values()) == summary["tracked"] == summary["sites"]["1"]["tracked"]
    assert query(database, "SELECT sum(actions) FROM visit") == [(summary["tracked"],)]
    assert summary["state"] == str(tmp_path / "state")


def test_the_summary_for_people_adds_up_too(run: Run) -> None:
    done = run("import", "--local", "--state-dir", "state", SAMPLES)
    rows = {
        line[:14].strip(): int(line[14:26].replace(",", ""))
        for line in done.out.splitlines()
        if line.startswith("  ") and line[14:26].strip().replace(",", "").isdigit()
    }
    assert rows["lines read"] == rows["tracked"] + rows["skipped"] + rows["rejected"]
    assert "To look at it" in done.out


def test_a_file_a_pipe_and_one_recorder_track_the_same_requests(
    run: Run, tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    data = shared_data("apache-combined-10k.log.gz")
    by_name = run("import", "--local", "--state-dir", "a", "--json", data).summary
    by_pipe = run(
        "import", "--local", "--state-dir", "b", "--json", "-", stdin=gzip.decompress(data.read_bytes())
    ).summary
    one = run("import", "--local", "--state-dir", "c", "--json", "--recorders", 1, "--workers", 2, data).summary
    assert [summary["lines"] for summary in (by_name, by_pipe, one)] == [10000] * 3
    assert all(map(adds_up, (by_name, by_pipe, one)))
    assert by_name["tracked"] == 1792
    counts = [{bucket: summary[bucket] for bucket in BUCKETS} for summary in (by_name, by_pipe, one)]
    assert counts[0] == counts[1] == counts[2]
    rows = [stored(tmp_path / name / "receiver.sqlite3") for name in "abc"]
    assert rows[0] == rows[1] == rows[2]
    assert len(rows[0]) == 1792


def test_explain_gives_an_object_a_line_whose_outcomes_are_the_summary(
    run: Run, shared_data: Callable[[str], Path]
) -> None:
    data = shared_data("apache-combined-10k.log.gz")
    explained = [json.loads(line) for line in run("explain", data).out.splitlines()]
    summary = run("import", "--local", "--state-dir", "a", "--json", data).summary
    assert [item["line"] for item in explained] == list(range(1, 10001))
    assert Counter(item["outcome"] for item in explained) == {
        "tracked": summary["tracked"],
        "skipped": sum(summary["skipped"].values()),
        "rejected": summary["rejected"],
    }
    assert Counter(item["reason"] for item in explained if item["outcome"] == "skipped") == summary["skipped"]
    keys = {"source", "line", "offset", "format", "outcome", "reason", "hit", "request"}
    assert all(set(item) <= keys for item in explained)
    assert not any("token_auth" in item.get("request", {}) for item in explained)
    raw = gzip.decompress(data.read_bytes())
    starts = [0, *(place + 1 for place, byte in enumerate(raw) if byte == 10)]
    assert [item["offset"] for item in explained] == starts[:10000]


def test_explain_shows_exactly_what_the_receiver_then_gets(run: Run, tmp_path: Path) -> None:
    requests = [
        item["request"]
        for item in map(json.loads, run("explain", LOG).out.splitlines())
        if item["outcome"] == "tracked"
    ]
    run("import", "--local", "--state-dir", "state", LOG)
    database = tmp_path / "state" / "receiver.sqlite3"
    hits = query(database, "SELECT time, ip, user_agent FROM action JOIN visit USING (idvisit)")
    header = f"log-importer/{__version__}"  # what a server takes where there is no ua
    sent = Counter(
        (one["cdt"], one["cip"], agent) for one in requests if "\ufffd" not in (agent := one.get("ua", header))
    )
    assert sent <= Counter(hits)
    assert 85 - sent.total() == 1, "one user agent holds a byte that JSON text cannot"
    downloads = query(database, "SELECT url FROM action WHERE type = 'download'")
    assert Counter(downloads) == Counter((one["download"],) for one in requests if "download" in one)
    assert len(downloads) == 3


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--enable-static"], "static"),
        (["--enable-bots"], "bot"),
        (["--enable-http-errors"], "status-error"),
        (["--enable-http-redirects"], "status-redirect"),
    ],
)
def test_a_flag_brings_a_group_back(run: Run, flags: list[str], reason: str) -> None:
    without = run("import", "--local", "--state-dir", "a", "--json", LOG).summary
    with_flag = run("import", "--local", "--state-dir", "b", "--json", *flags, LOG).summary
    assert without["skipped"][reason] > 0
    assert reason not in with_flag["skipped"]
    assert with_flag["tracked"] > without["tracked"]
    assert adds_up(with_flag)


def test_everything_is_tracked_into_a_real_server_with_each_token_that_may(
    run: Run, receive: Callable[[Path], Receiver], tmp_path: Path
) -> None:
    receiver = receive(tmp_path / "server.sqlite3")
    for number, token in enumerate((TOKENS.superuser, TOKENS.admin, TOKENS.write), 1):
        done = run(
            "import", "--url", receiver.url, "--idsite", 1, "--json", "--state-dir", f"s{number}", LOG,
            LOG_IMPORTER_TOKEN_AUTH=token,
        )  # fmt: skip
        assert (done.code, done.summary["tracked"]) == (0, 85)
        assert query(tmp_path / "server.sqlite3", "SELECT count(*) FROM action") == [(85 * number,)]
        assert token not in done.out + done.err


def test_the_token_lies_nowhere(run: Run, receive: Callable[[Path], Receiver], tmp_path: Path) -> None:
    receiver = receive(tmp_path / "server.sqlite3")
    token = tmp_path / "token"
    token.write_text(TOKENS.admin + "\n")
    token.chmod(0o600)
    done = run(
        "import", "--url", receiver.url, "--idsite", 1, "--token-auth-file", token, "--rejects", "rejects",
        "--state-dir", "state", LOG,
    )  # fmt: skip
    assert done.code == 0
    token.unlink()
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and TOKENS.admin.encode() in path.read_bytes()]
    assert holding == []


def test_sources_are_read_oldest_first_whatever_their_order(run: Run, tmp_path: Path) -> None:
    for name in ("nginx-combined.log", "apache-combined.log", "apache-common.log"):
        shutil.copy(SAMPLES / name, tmp_path / name)
    done = run(
        "import",
        "--local",
        "--json",
        "--state-dir",
        "s",
        "apache-combined.log",
        "apache-common.log",
        "nginx-combined.log",
    )
    assert [source["source"] for source in done.summary["sources"]] == [
        "nginx-combined.log", "apache-common.log", "apache-combined.log",
    ]  # fmt: skip


def test_rejected_lines_are_kept_with_place_and_reason(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    good = LOG.read_bytes().splitlines()[0]
    log.write_bytes(b"\n".join([good, b"\x1b[2Jgarbage\xff", good.replace(b"Mar", b"Foo"), b"x" * 70000, good]) + b"\n")
    done = run("import", "--local", "--json", "--state-dir", "s", "--rejects", "rejects", log)
    assert (done.code, adds_up(done.summary), done.summary["rejected"]) == (0, True, 3)
    assert done.summary["reasons"]["rejected"] == {"unreadable": 1, "time": 1, "oversize": 1}
    kept = (tmp_path / "rejects").read_bytes().splitlines()
    first, second = len(good) + 1, len(good) + 1 + len(b"\x1b[2Jgarbage\xff") + 1
    assert [line.split(b"\t")[0].decode().removeprefix(str(log)) for line in kept] == [
        f":2 offset {first} unreadable", f":3 offset {second} time", f":4 offset {second + len(good) + 1} oversize",
    ]  # fmt: skip
    assert kept[0].endswith(b"\x1b[2Jgarbage\xff")
    shown = run("import", "--local", "--state-dir", "s", "--again", log)
    assert "\x1b" not in shown.out + shown.err
    assert "\\x1b[2Jgarbage" in shown.out


def test_many_ranges_of_one_download_are_one_download(run: Run) -> None:
    summary = run("import", "--local", "--json", "--state-dir", "s", LOG).summary
    explained = [json.loads(line) for line in run("explain", LOG).out.splitlines()]
    assert summary["skipped"]["partial"] == sum(item.get("reason") == "partial" for item in explained) > 0


def test_standard_output_may_close_and_the_import_goes_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("import", "--local", "--state-dir", "s", LOG), cwd=tmp_path, env=environment(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    assert (process.wait(30), "Traceback" in error) == (0, False), error
    assert query(tmp_path / "s" / "receiver.sqlite3", "SELECT count(*) FROM action") == [(85,)]


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Runs a shell line in which $L is the command."""
    variables = environment(folder, {"L": " ".join(command())})
    return subprocess.run(["sh", "-c", line], cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("redirection", "code", "sentence"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 0, "The summary cannot be written: no space left on device. The import itself is done."),
        ("--json >/dev/full", 0, "The import itself is done."),
        ("- <&-", 3, "standard input: reading stopped at byte 0: bad file descriptor."),
    ],
)
def test_standard_streams_may_be_closed_or_full(redirection: str, code: int, sentence: str, tmp_path: Path) -> None:
    done = shell(tmp_path, f"$L import --local --state-dir s {LOG} {redirection}")
    assert (done.returncode, "fault in" in done.stderr) == (code, False), done.stderr
    assert sentence in done.stderr
    assert query(tmp_path / "s" / "receiver.sqlite3", "SELECT count(*) FROM action") == [(85,)]


def test_explain_says_that_its_output_cannot_be_written(tmp_path: Path) -> None:
    done = shell(tmp_path, f"$L explain {LOG} >/dev/full")
    assert (done.returncode, done.stderr) == (
        1, "log-importer: Standard output cannot be written: no space left on device. Look at its disk.\n",
    )  # fmt: skip


def test_explain_shows_what_json_text_can_hold_and_unicode_cannot(run: Run, tmp_path: Path) -> None:
    line = '{"ip":"192.0.2.1","path":"/d\\ud800x","status":200.0,"date":"2026-03-01T10:00:00Z"'
    (tmp_path / "a.log").write_text(f'{line},"generation_time_milli":1}}\n' * 2)
    explained = [json.loads(text) for text in run("explain", "a.log").out.splitlines()]
    assert [(item["outcome"], item["hit"]["path"], item["hit"]["status"]) for item in explained] == [
        ("tracked", "/d?x", 200), ("tracked", "/d?x", 200),
    ]  # fmt: skip


def test_two_downloads_are_two_where_host_or_query_differ(run: Run, tmp_path: Path) -> None:
    line = (
        '{} 192.0.2.1 - - [01/Mar/2026:10:00:0{} +0000] "GET {} HTTP/1.1" 206 9 "-" "Mozilla/5.0 (X11) Firefox/147.0"\n'
    )
    targets = [("a.example.org", "/f.zip"), ("b.example.org", "/f.zip"), ("a.example.org", "/f.zip?id=2")]
    (tmp_path / "a.log").write_text("".join(line.format(host, n, path) for n, (host, path) in enumerate(targets * 2)))
    summary = run("import", "--local", "--json", "--state-dir", "s", "a.log").summary
    assert (summary["tracked"], summary["skipped"]) == (3, {"partial": 3})


def test_a_password_in_the_url_is_used_and_never_shown(run: Run) -> None:
    with serve() as server:
        url = server.url.replace("http://", "http://me%40x:s%C3%A9cret@")
        done = run("import", "--url", url, "--idsite", 1, "--state-dir", "s", LOG, LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)
        assert server.bulk[0].headers["Authorization"].startswith("Basic ")
    assert done.code == 0
    assert "cret" not in done.out + done.err
    assert f"site 1 on {server.url}" in done.out


def test_the_server_command_names_spans_of_days(run: Run) -> None:
    with serve() as server:
        done = run(
            "import", "--url", server.url, "--idsite", 1, "--state-dir", "s", SAMPLES, LOG_IMPORTER_TOKEN_AUTH="x"
        )
    wanted = "--sites=1 --dates=2026-03-01,2026-03-18 --dates=2026-03-28,2026-03-30"
    assert f"./console core:invalidate-report-data {wanted}" in done.out


def test_help_says_how_to_begin(run: Run) -> None:
    for arguments in (
        ["--help"],
        ["import", "--help"],
        ["explain", "--help"],
        ["formats", "--help"],
        ["receive", "-h"],
    ):
        done = run(*arguments)
        assert done.code == 0
        assert "Usage: log-importer" in done.out


def test_help_and_version_load_nothing_heavy(tmp_path: Path) -> None:
    script = """
import sys
from log_importer.cli import main
sys.argv = ["log-importer", "--help"]
try:
    main()
except SystemExit:
    print(sorted({name.split(".")[0] for name in sys.modules}))
"""
    line = [command()[0], "-c", script]
    done = subprocess.run(line, env=environment(tmp_path), capture_output=True, text=True, check=True)
    for heavy in ("requests", "uvicorn", "starlette", "sqlite3", "regex", "tqdm", "yaml_rs", "multiprocessing"):
        assert f"'{heavy}'" not in done.stdout


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ((), ""),
        (("--anonymize-ip", "2", "--add-to-date", "60", "--dimension", "1=user_agent"), ""),
        (("--add-to-date", "0.5"), "--add-to-date with a fraction of a second"),
        (("--replay-tracking",), "--replay-tracking"),
    ],
)  # fmt: skip
def test_what_takes_several_times_as_long_is_said_at_the_start(option: tuple[str, ...], said: str, run: Run) -> None:
    done = run("import", "--local", "--state-dir", "state", *option, LOG)
    told = [line for line in done.err.splitlines() if "translated by itself" in line]
    assert told == (
        [f"log-importer: Each line is translated by itself, which takes several times as long: {said}."] if said else []
    )
