"""What people see: the bar on a terminal, and an import without a server that says where it went."""

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run, command, environment, missing


def on_a_terminal(folder: Path, *arguments: object, **variables: str) -> str:
    """What a command prints to a terminal of 150 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
    process = subprocess.Popen(
        command(*arguments), cwd=folder, env=environment(folder, {"TERM": "xterm"} | variables),
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = bytearray()
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # the last process has closed its end
            break
        if not block:
            break
        shown += block
    os.close(ours)
    assert process.wait(30) == 0
    return shown.decode()


def test_a_bar_shows_progress_and_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes((SAMPLES / "nginx-combined.log").read_bytes() * 100)
    shown = on_a_terminal(tmp_path, "import", "--state-dir", "s", "a.log")
    for word in ("%|", "lines/s", "tracked/s", "in flight", "B/s"):
        assert word in shown.partition("Import into")[0]
    assert "%|" not in shown.partition("Import into")[2]


def test_without_a_server_it_tracks_on_this_machine_and_says_so(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, "import", "--state-dir", "s", SAMPLES)
    assert "Import into site 1 of the embedded receiver, s/receiver.sqlite3" in shown
    look = f"log-importer receive --open --state-dir {tmp_path}/s, or sqlite3 {tmp_path}/s/receiver.sqlite3"
    assert f"To look at it: {look}" in " ".join(shown.split())


def test_no_bar_where_it_is_not_wanted(tmp_path: Path) -> None:
    assert "%|" not in on_a_terminal(tmp_path, "import", "--state-dir", "s", "--no-show-progress", SAMPLES)


def test_a_summary_has_colours_on_a_terminal_and_never_where_nobody_wants_them(tmp_path: Path, run: Run) -> None:
    line = ("import", "--local", "--state-dir", "s", "--no-show-progress", SAMPLES / "apache-common.log")
    assert "\x1b[1mImport into" in on_a_terminal(tmp_path, *line)
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[" not in on_a_terminal(tmp_path, *line, "--again", **variables)
    assert "\x1b[" not in run(*line).out


def test_explain_for_people_tells_each_lines_fate_and_what_would_be_sent(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.log").write_bytes(
        b'192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] "GET /a?b=\x1b[31m HTTP/1.1" 200 5 "-" "Mozilla/5.0 Firefox/140"\n'
        b'192.0.2.1 - - [01/Mar/2026:10:00:01 +0000] "GET /a.css HTTP/1.1" 200 5 "-" "Mozilla/5.0 Firefox/140"\n'
        b"no line of any log\n"
    )
    done = run("explain", "--pretty", "--log-format-name", "combined", "a.log")
    assert done.code == 0, done
    assert done.out.splitlines() == [
        "a.log:1: would be tracked  2026-03-01T10:00:00Z 192.0.2.1 GET /a?b=\\x1b[31m 200",
        "  idsite    1", "  rec       1", "  apiv      1", "  dp        1", "  url       http://localhost/a?b=\\x1b[31m",
        "  cip       192.0.2.1", "  ua        Mozilla/5.0 Firefox/140", "  cdt       2026-03-01 10:00:00",
        "  bw_bytes  5",
        "a.log:2: skipped: static  2026-03-01T10:00:01Z 192.0.2.1 GET /a.css 200",
        "  It asks for a part of a page, as an image or a script, or for robots.txt (--enable-static).",
        "a.log:3: rejected: unreadable", "  It cannot be read by the source's format.",
    ]  # fmt: skip
    assert "\x1b[32ma.log:1: would be tracked\x1b[0m" in on_a_terminal(tmp_path, "explain", "--pretty", "a.log")


def test_a_reason_that_the_settings_name_is_said_to_be_theirs(tmp_path: Path, run: Run) -> None:
    (tmp_path / "settings.toml").write_text('[[rule]]\nskip = "probe"\nmatch = { path = "/up" }\n')
    line = '192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] "GET /up HTTP/1.1" 200 5 "-" "Mozilla/5.0 Firefox/140"\n'
    (tmp_path / "a.log").write_text(line)
    done = run("explain", "--pretty", "--config", "settings.toml", "a.log")
    assert done.out.splitlines() == [
        "a.log:1: skipped: probe  2026-03-01T10:00:00Z 192.0.2.1 GET /up 200",
        "  It is left out by a rule of the settings.",
    ]


def test_options_stand_under_what_they_are_for(run: Run) -> None:
    shown = run("import", "--help").out
    titles = [line.rstrip(":") for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == [
        "The server", "Sites", "What is imported", "What is changed before it is sent", "How the logs are read",
        "What was done before", "How it is sent", "Live logs", "Several machines",
        "What is told", "Other options",
    ]  # fmt: skip
    assert shown.index("Sites:") < shown.index("  --idsite ID") < shown.index("What is imported:")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str, run: Run, tmp_path: Path) -> None:
    script = run("completion", shell).out
    assert "_LOG_IMPORTER_COMPLETE" in script
    if shutil.which(shell) is None:
        missing(shell)
    (tmp_path / "script").write_text(script)
    checked = subprocess.run([shell, "-n", "script"], cwd=tmp_path, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_bash_is_told_what_fits(run: Run) -> None:
    def told(*words: str) -> list[str]:
        variables = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return run(_LOG_IMPORTER_COMPLETE="bash_complete", **variables).out.split()

    assert told("log-importer", "exp") == ["plain,explain"]
    assert told("log-importer", "import", "--in-") == ["plain,--in-doubt"]
