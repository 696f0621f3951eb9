"""The account that an import keeps of itself: its counts are the summary's, and its lines are the log's."""

import gzip
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import SAMPLES, Run, command, environment
from tests.fault_server import serve
from tests.faults.test_crash import wait_for

LOG = SAMPLES / "nginx-combined.log"


def accounts(state: Path) -> list[Any]:
    """All accounts of a state folder, the oldest first."""
    return [json.loads(path.read_bytes()) for path in sorted((state / "receiver-runs").glob("*.json"))]


def test_its_counts_are_those_of_the_summary(run: Run, tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    data = shared_data("apache-combined-10k.log.gz")
    summary = run("import", "--local", "--state-dir", "s", "--json", data).summary
    (account,) = accounts(tmp_path / "s")
    assert account["lines"] == summary["lines"] == 10_000
    assert account["reasons"]["skipped"] == summary["skipped"]
    assert account["buckets"]["tracked"] == summary["tracked"]
    assert (account["running"], account["exit_code"]) == (False, 0)
    explained = [json.loads(line) for line in run("explain", data).out.splitlines()]
    errors = Counter(str(item["hit"]["status"]) for item in explained if item.get("reason") == "status-error")
    assert account["statuses"] == errors
    assert sum(account["bots"].values()) == summary["skipped"]["bot"]
    assert account["bots"]["Googlebot"] > 500


def test_each_reason_has_lines_that_are_of_that_reason(
    run: Run, tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    data = shared_data("apache-combined-10k.log.gz")
    run("import", "--local", "--state-dir", "s", data)
    (account,) = accounts(tmp_path / "s")
    lines = gzip.decompress(data.read_bytes()).decode().splitlines()
    explained = [json.loads(line) for line in run("explain", data).out.splitlines()]
    counts = account["reasons"]["skipped"] | account["reasons"]["rejected"]
    assert {reason: len(some) for reason, some in account["samples"].items()} == {
        reason: min(3, count) for reason, count in counts.items()
    }
    for reason, some in account["samples"].items():
        for sample in some:
            assert explained[sample["line"] - 1]["reason"] == reason
            shown = (sample["text"] + (sample["unread"] or "")).removesuffix("...")
            assert lines[sample["line"] - 1].startswith(shown)


def test_where_the_format_stopped_is_told(run: Run, tmp_path: Path) -> None:
    good = LOG.read_text().splitlines()[0]
    broken = good.replace('"GET', "GET", 1)
    (tmp_path / "a.log").write_text(f"{good}\n{broken}\n")
    run("import", "--local", "--state-dir", "s", "--log-format-name", "combined", "a.log")
    (account,) = accounts(tmp_path / "s")
    (sample,) = account["samples"]["unreadable"]
    assert sample["line"] == 2
    assert (sample["text"] + sample["unread"], sample["unread"][:3]) == (broken, "GET")


def test_what_is_hidden_from_the_server_is_hidden_in_it_too(run: Run, tmp_path: Path) -> None:
    line = '203.0.113.{} - alice [01/Mar/2026:10:00:00 +0000] "GET /{}?token=secret HTTP/1.1" 200 5 "-" "Firefox/140"\n'
    (tmp_path / "a.log").write_text(line.format(77, "a") + line.format(78, "a.css") + "203.0.113.79 is no line\n" * 2)
    run(
        "import", "--local", "--state-dir", "s", "--log-format-name", "combined", "--anonymize-ip", 2, "--no-user-id",
        "--drop-query-parameter", "token", "a.log",
    )  # fmt: skip
    (account,) = accounts(tmp_path / "s")
    assert account["reasons"] | {} == account["reasons"]
    assert account["buckets"]["skipped"] == 1
    assert account["buckets"]["rejected"] == 2
    text = json.dumps(account)
    assert "203.0.0.0" in text
    for hidden in ("203.0.113", "alice", "secret"):
        assert hidden not in text


def test_a_token_in_a_trackers_own_log_is_hidden(run: Run, tmp_path: Path) -> None:
    asked = "GET /matomo.php?rec=1&token_auth=abc123{} HTTP/1.1"
    line = f'203.0.113.7 - - [01/Mar/2026:10:00:00 +0000] "{asked}" {{}} 5 "-" "{{}}"'
    lines = [line.format("&a=1", 404, "Firefox/140"), line.format("", 200, "Googlebot/2.1"), line.format("", "x", "y")]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    run("import", "--local", "--state-dir", "s", "--log-format-name", "combined", "a.log")
    text = (next((tmp_path / "s" / "receiver-runs").glob("*.json"))).read_text()
    assert text.count("token_auth=(hidden)") == 3
    assert "abc123" not in text


def test_control_characters_are_shown_as_what_they_are(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LOG.read_bytes() + b"\x1b[2Jno line\xff \xe2\x80\xae\n")
    run("import", "--local", "--state-dir", "s", "a.log")
    (account,) = accounts(tmp_path / "s")
    assert account["samples"]["unreadable"][0]["text"] == ""
    assert account["samples"]["unreadable"][0]["unread"] == "\\x1b[2Jno line\\xff \\u202e"


def test_a_run_that_finds_nothing_new_leaves_the_account_of_the_one_that_did(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        run("import", "--local", "--state-dir", "s", LOG)
    assert len(accounts(tmp_path / "s")) == 1


def test_the_last_twenty_are_kept(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "s" / "receiver-runs"
    run("import", "--local", "--state-dir", "s", LOG)
    for number in range(25):
        (folder / f"2020010{number % 9}T{number:06}.000000.json").write_text("{}")
    run("import", "--local", "--state-dir", "s", "--again", LOG)
    kept = sorted(path.name for path in folder.glob("*.json"))
    assert len(kept) == 20
    assert [name[:4] for name in kept[-2:]] == [time.strftime("%Y")] * 2


def test_it_goes_on_while_the_import_does(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("import", "--local", "--state-dir", "s", "--flush-after", 0.5, "-"), cwd=tmp_path,
        env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    with process.stdin:
        lines = LOG.read_bytes().splitlines(keepends=True)
        for part in (lines[:20], lines[20:50]):
            os.write(process.stdin.fileno(), b"".join(part))
            read = len(part) if part is lines[:20] else sum(map(len, (lines[:20], part)))
            read = 20 if part == lines[:20] else 50
            wait_for(lambda read=read: [one["lines"] for one in accounts(tmp_path / "s")] == [read], 30)
            assert accounts(tmp_path / "s")[0]["running"]
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert accounts(tmp_path / "s")[0]["running"], "it broke off, and says nothing else"


def test_a_run_into_a_server_leaves_none(run: Run, tmp_path: Path) -> None:
    with serve() as server:
        done = run(
            "import", "--url", server.url, "--idsite", 1, "--state-dir", "s", LOG, LOG_IMPORTER_TOKEN_AUTH="x"
        )  # fmt: skip
    assert done.code == 0
    assert not (tmp_path / "s" / "receiver-runs").exists()
