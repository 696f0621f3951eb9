"""What is masked, hashed or dropped is nowhere to be found: not on the wire, in the state, in files or in messages."""

import json
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from tests.conftest import TOKENS, Run
from tests.fault_server import Posted, Told, serve, told_json

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SECRETS = ["192.0.2.77", "2001:db8:1:2:3:4:5:6", "annabella", "s3cr3t"]
KEPT = ["192.0.2.0", "2001:db8:1:2::"]
HIDE = ("--anonymize-ip", "1", "--drop-query-parameter", "sid")


def line(address: str, target: str = "/a?sid=s3cr3t&b=1", status: str = "200", clock: str = "10") -> str:
    return (
        f'{address} - annabella [10/Oct/2025:{clock}:00:00 +0000] "GET {target} HTTP/1.1" {status} 12 '
        f'"http://www.example.org/in?sid=s3cr3t#top" "{AGENT}"\n'
    )


LOG = (
    line(SECRETS[0]) + line(SECRETS[1], "/b?sid=s3cr3t") + line(SECRETS[0], status="abc") + line(SECRETS[1], clock="99")
    + line(SECRETS[0], "/poison?sid=s3cr3t") + "GET /?sid=s3cr3t&c=1 from 192.0.2.77\n"
    + line(SECRETS[0], "/x?sid=s3cr3t", status="404")
)  # fmt: skip


def poisoned(posted: Posted) -> Told:
    if "/index.php" in posted.path:
        return told_json({"idsite": 1, "main_url": "http://site.example"})
    if any("poison" in query for query in posted.queries):
        return told_json({"status": "error", "tracked": 0, "invalid": 0}, 500)
    return told_json({"status": "success", "tracked": len(posted.queries), "invalid": 0})


@pytest.mark.parametrize("users", ["--no-user-id", "--hash-user-id"])
def test_nothing_private_leaves_or_stays(users: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG)
    (tmp_path / "odd.log").write_text("oddly 192.0.2.77 GET /?sid=s3cr3t\n")
    with serve() as server:
        server.script = poisoned
        options = ("--url", server.url, "--idsite", 1, "--state-dir", "state", *HIDE, users, "--rejects", "rejects")
        done = run("import", *options, "--retry-delay", 0.01, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)
        status = run("status", "--state-dir", "state", "--json")
        wire = unquote_to_bytes(b"".join(posted.body for posted in server.posted).replace(b"+", b" "))
    assert done.code == 1
    assert "set aside" in done.out
    odd = run("explain", *HIDE, users, "odd.log", LOG_IMPORTER_STATE_DIR=str(tmp_path / "state"))
    told = run("explain", *HIDE, users, "a.log")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    rejects = (tmp_path / "rejects").read_bytes()
    assert rejects.count(b"\n") == 3
    for secret in SECRETS:
        for text in (wire, kept, rejects, *(one.encode() for one in (*done[1:], *odd[1:], *told[1:], *status[1:]))):
            assert secret.encode() not in text
    for address in KEPT:
        assert address.encode() in rejects
        assert address in told.out


def uids(run: Run, *more: str, **variables: str) -> set[str]:
    done = run("explain", "--hash-user-id", *more, "a.log", **variables)
    assert (done.code, done.err) == (0, "")
    return {row["request"]["uid"] for row in map(json.loads, done.out.splitlines()) if "request" in row}


def test_a_hashed_name_is_the_same_in_every_run_and_another_with_another_key(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(line("192.0.2.1"))
    first, second = uids(run), uids(run)
    assert first == second
    assert len(next(iter(first))) == 32
    assert (tmp_path / "state" / "log-importer" / "hash-key").stat().st_mode & 0o777 == 0o600
    key = tmp_path / "key"
    key.write_text("0123456789abcdef\n")
    key.chmod(0o600)
    assert uids(run, "--hash-key-file", "key") != first
    assert uids(run, LOG_IMPORTER_HASH_KEY_FILE="key") == uids(run, "--hash-key-file", "key")


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [("0123456789abcdef", 0o644, "group or others can read"), ("short", 0o600, "less than 16 characters")],
)
def test_a_key_that_is_none_is_a_sentence(text: str, mode: int, words: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(mode)
    (tmp_path / "a.log").write_text(line("192.0.2.1"))
    done = run("explain", "--hash-user-id", "--hash-key-file", "key", "a.log")
    assert done.code == 2
    assert words in done.err
    assert "no such file" in run("explain", "--hash-user-id", "--hash-key-file", "nokey", "a.log").err
