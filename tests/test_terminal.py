"""What people see: the bar on a terminal, and an import without a server that says where it went."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

from tests.conftest import SAMPLES, command, environment


def on_a_terminal(folder: Path, *arguments: object) -> str:
    """What a command prints to a terminal of 150 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
    process = subprocess.Popen(
        command(*arguments), cwd=folder, env=environment(folder, {"TERM": "xterm"}),
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
    assert f"To look at it: sqlite3 {tmp_path}/s/receiver.sqlite3" in shown


def test_no_bar_where_it_is_not_wanted(tmp_path: Path) -> None:
    assert "%|" not in on_a_terminal(tmp_path, "import", "--state-dir", "s", "--no-show-progress", SAMPLES)
