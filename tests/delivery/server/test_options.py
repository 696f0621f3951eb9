"""The options about the server, from the command line to what it sees: logins, authorities, the API, single posts."""

import base64
import math
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from log_importer.settings.arguments import make_settings
from tests.conftest import TOKENS, Done, Run
from tests.fault_server import FaultServer, Posted, Told, asked, good, serve
from tests.oracle import lines


def imported(run: Run, folder: Path, url: str, *more: object) -> Done:
    (folder / "a.log").write_bytes(lines(range(20)))
    options = ("--url", url, "--idsite", 1, "--state-dir", "state", "--json", "--give-up-after", 2)
    return run("import", *options, *more, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)


def guarded(posted: Posted) -> Told:
    """A web server that wants a login of its own."""
    wanted = "Basic " + base64.b64encode(b"web:p:w\xc3\xb6rd").decode()
    return good(posted) if posted.headers.get("Authorization") == wanted else Told(401, b"login")


def test_a_web_server_that_wants_a_login_gets_it_with_every_request(run: Run, tmp_path: Path) -> None:
    with serve() as server:
        server.script = guarded
        done = imported(run, tmp_path, server.url, "--auth-user", "web", "--auth-password", "p:w\u00f6rd")
        assert (done.code, done.summary["tracked"]) == (0, 20)
        refused = imported(run, tmp_path, server.url, "--again")
    assert refused.code == 4
    assert "401" in refused.err
    assert "p:w" not in done.err + refused.err


@pytest.mark.parametrize("option", [("--auth-user", "web"), ("--auth-password", "x")])
def test_half_a_login_is_a_sentence(option: tuple[str, str], run: Run, tmp_path: Path) -> None:
    done = imported(run, tmp_path, "http://127.0.0.1:9", *option)
    assert (done.code, done.err) == (
        2,
        "log-importer: --auth-user and --auth-password belong together. Give both or none.\n",
    )


def test_the_api_may_be_elsewhere(run: Run, tmp_path: Path) -> None:
    with serve() as tracker, serve() as api:
        done = imported(run, tmp_path, tracker.url, "--api-url", f"{api.url}/matomo/")
        assert (done.code, done.summary["tracked"]) == (0, 20)
        assert paths(api) == {"/matomo/index.php"}
        assert "/index.php" not in "".join(paths(tracker))


def test_one_request_a_post_where_bulk_is_switched_off(run: Run, tmp_path: Path) -> None:
    with serve() as server:
        done = imported(run, tmp_path, server.url, "--disable-bulk-tracking")
        posts = server.bulk
    assert (done.code, done.summary["tracked"]) == (0, 20)
    assert [len(posted.queries) for posted in posts] == [1] * 20


def test_a_certificate_counts_by_its_authority_or_not_at_all(run: Run, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serve(asked, tls=context) as server:
        refused = imported(run, tmp_path, server.url)
        assert refused.code == 4
        assert "certificate" in refused.err
        assert imported(run, tmp_path, server.url, "--ca-file", "ca.pem").summary["tracked"] == 20
        again = imported(run, tmp_path, server.url, "--accept-invalid-ssl-certificate", "--again")
        assert (again.code, again.summary["tracked"], again.err) == (0, 20, "")


@pytest.mark.parametrize("most", [1, 3])
def test_a_batch_is_tried_as_often_as_is_allowed(most: int, run: Run, tmp_path: Path) -> None:
    def busy(posted: Posted) -> Told:
        return good(posted) if "/index.php" in posted.path or b"ping=1" in posted.body else Told(503, b"busy")

    with serve() as server:
        server.script = busy
        options = ("--retry-max-attempts", most, "--retry-delay", 0.01, "--give-up-after", 60, "--recorders", 1)
        done = imported(run, tmp_path, server.url, *options)
        assert len(server.bulk) == most
    assert done.code == 5
    assert "as often as --retry-max-attempts allows" in done.err
    assert (done.summary["tracked"], done.summary["pending"]) == (0, 20)


def test_all_that_is_printed_may_go_to_a_file_to_the_last_word(run: Run, tmp_path: Path) -> None:
    with serve() as server:
        done = imported(run, tmp_path, server.url, "--output", "out.txt", "missing.log")
    assert (done.code, done.out, done.err) == (3, "", "")
    text = (tmp_path / "out.txt").read_text()
    assert "missing.log: cannot be read" in text
    assert '"tracked": 20' in text
    before = len(text)
    with serve() as server:
        imported(run, tmp_path, server.url, "--output", "out.txt")
    assert len((tmp_path / "out.txt").read_text()) > before, "it is added to"


@pytest.mark.parametrize(
    "option", [("--php-binary", "/usr/bin/php"), ("--enable-testmode",), ("--output", "/no/where")]
)
def test_what_is_not_for_us_is_a_sentence(option: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    done = imported(run, tmp_path, "http://127.0.0.1:9", *option)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert option[0] in done.err


def paths(server: FaultServer) -> set[str]:
    return {posted.path.partition("?")[0] for posted in server.posted}


def test_the_server_of_a_pipe_is_never_given_up_unless_told_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    options: dict[str, Any] = {
        "url": "http://127.0.0.1:9",
        "idsite": 1,
        "token_auth": TOKENS.admin,
        "state_dir": tmp_path / "state",
    }
    patience = {
        name: make_settings({**options, "sources": ("a.log", source)}, terminal=False).give_up_after
        for name, source in {
            "file": "b.log",
            "pipe": "-",
            "fifo": str(tmp_path / "fifo"),
            "too long": "x" * 300,
        }.items()
    }
    assert patience == {"file": 900, "pipe": math.inf, "fifo": math.inf, "too long": 900}
    told = make_settings({**options, "sources": ("-",), "give_up_after": 5.0}, terminal=False)
    assert told.give_up_after == 5
