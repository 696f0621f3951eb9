"""What is offered works as it stands: crontab, units, logrotate's snippet, settings.

`tests/runs/reading/live` has the pipes.
"""

import contextlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from log_importer.settings import Settings
from tests.conftest import ROOT, TOKENS, Done, environment, missing
from tests.fault_server import asked, serve
from tests.faults.test_crash import wait_for
from tests.oracle import Oracle, lines

DEPLOY = ROOT / "deploy"


def shell(line: str, folder: Path, url: str) -> Done:
    """Runs a line of a crontab or unit in a shell, with the machine's paths and the server put in their places."""
    line = placed(line, folder, url)
    variables = environment(folder, {"PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin"})
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd="/", env=variables, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def placed(text: str, folder: Path, url: str) -> str:
    """`text` with the paths of `folder`, where the settings and the token lie."""
    (folder / "token").write_text(TOKENS.admin)
    (folder / "token").chmod(0o600)
    settings = (DEPLOY / "log-importer.toml").read_text().replace("https://matomo.example.org", url)
    settings = settings.replace("log-importer.token", "token").replace("/var/lib/log-importer", str(folder / "state"))
    (folder / "log-importer.toml").write_text(settings)
    text = text.replace("/etc/log-importer.toml", str(folder / "log-importer.toml"))
    return text.replace("/var/log/nginx/", f"{folder}/")


def lines_of(name: str) -> list[str]:
    if name == "crontab":
        rows = [row for row in (DEPLOY / name).read_text().splitlines() if row and not row.startswith("#")]
        return [row.split(maxsplit=6)[6] for row in rows]
    found = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", (DEPLOY / name).read_text(), re.MULTILINE)
    return [str(line) for line in found]


@pytest.mark.parametrize("name", ["crontab", "log-importer.service"])
def test_every_night_only_what_is_new_is_sent(name: str, tmp_path: Path) -> None:
    (line,) = lines_of(name)
    line = line if line.startswith(("exec", "log-importer")) else f"log-importer {line}"
    with serve(asked) as server:
        (tmp_path / "access.log.1").write_bytes(lines(range(20)))
        (tmp_path / "access.log").write_bytes(lines(range(20, 30)))
        first = shell(line, tmp_path, server.url)
        (tmp_path / "access.log.1").rename(tmp_path / "access.log.2")
        (tmp_path / "access.log").rename(tmp_path / "access.log.1")
        (tmp_path / "access.log").write_bytes(lines(range(30, 35)))
        second = shell(line, tmp_path, server.url)
        sent = [query for posted in server.bulk for query in posted.queries]
    assert (first.code, second.code, first.err, second.err) == (0, 0, "", "")
    assert len(sent) == len(set(sent)) == 35


def test_logrotate_runs_an_import_after_each_rotation(tmp_path: Path) -> None:
    if shutil.which("logrotate", path="/usr/sbin:/usr/bin") is None:
        missing("logrotate")
    log, snippet = tmp_path / "access.log", tmp_path / "logrotate"
    with serve(asked) as server:
        text = placed((DEPLOY / "logrotate").read_text(), tmp_path, server.url)
        text = text.replace("www-data adm", "").replace("/run/nginx.pid", str(tmp_path / "no.pid"))
        snippet.write_text(text.replace("runuser -u log-importer -- ", ""))
        rotate = f"logrotate --force --state {tmp_path}/rotated {snippet}"
        for day in range(4):
            with log.open("ab") as file:
                file.write(lines(range(10 * day, 10 * day + 10)))
            done = shell(rotate, tmp_path, server.url)
            assert (done.code, done.err) == (0, "")
            assert len({query for posted in server.bulk for query in posted.queries}) == 10 * day + 10
        sent = [query for posted in server.bulk for query in posted.queries]
    assert {path.name for path in tmp_path.glob("access.log*")} == {
        "access.log", "access.log.1", "access.log.2.gz", "access.log.3.gz", "access.log.4.gz",
    }  # fmt: skip
    assert len(sent) == len(set(sent)) == 40


def test_the_crontab_names_a_time_and_a_user() -> None:
    (row,) = [row for row in (DEPLOY / "crontab").read_text().splitlines() if row and not row.startswith("#")]
    assert re.match(r"[0-9]+ [0-9]+ \* \* \* log-importer log-importer import ", row)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze")
    for name in ("log-importer.service", "log-importer.timer", "log-importer-follow.service"):
        text = (DEPLOY / name).read_text().replace("User=log-importer", "User=daemon")
        text = text.replace("ExecStart=log-importer", f"ExecStart={Path(sys.executable).with_name('log-importer')}")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.glob("log-importer*")))],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "log-importer" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def setting(name: str) -> str:
    """A setting of the unit that follows."""
    (found,) = re.findall(rf"^{name}=(.*)$", (DEPLOY / "log-importer-follow.service").read_text(), re.MULTILINE)
    return str(found)


@contextlib.contextmanager
def unit(folder: Path, url: str) -> Iterator["subprocess.Popen[str]"]:
    """The command of the unit that follows, as systemd starts it: without a shell."""
    line = shlex.split(placed(setting("ExecStart"), folder, url))
    line[0] = str(Path(sys.executable).with_name(line[0]))
    variables = environment(folder, {"LOG_IMPORTER_FLUSH_AFTER": "1"})
    process = subprocess.Popen(
        line, cwd="/", env=variables, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_unit_that_follows_is_ended_and_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    log, stored = tmp_path / "access.log", Oracle()
    with serve(stored) as server:
        for turn in range(2):
            with log.open("ab") as file:
                file.write(lines(range(20 * turn, 20 * turn + 10)))
            with unit(tmp_path, server.url) as process:
                wait_for(lambda turn=turn: len(stored.stored) == 20 * turn + 10)
                with log.open("ab") as file:
                    file.write(lines(range(20 * turn + 10, 20 * turn + 20)))
                wait_for(lambda turn=turn: len(stored.stored) == 20 * turn + 20)
                process.send_signal(signal.SIGTERM)
                code = process.wait(int(setting("TimeoutStopSec")))
            assert code == int(setting("SuccessExitStatus"))
    assert sorted(stored.stored) == list(range(40))
    assert stored.out_of_order() == []


def test_the_unit_that_follows_is_given_the_time_to_send_what_it_read() -> None:
    assert int(setting("TimeoutStopSec")) > Settings().grace
