"""Starts log-importer in processes forked from one that has loaded it already, for tests that start it very often.

Each is a process of its own, with its own files and sockets, and dies of real signals.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Ended(NamedTuple):
    """A process that has ended."""

    code: int  # negative: the signal that killed it
    out: str
    err: str


class ForkServer:
    """One parent process; use it as a context manager. One child at a time."""

    def __init__(self, folder: Path, code: Path) -> None:
        """Output goes through files in `folder`; `code` is where the package lies."""
        self._folder = folder
        environment = {**os.environ, "PYTHONPATH": f"{code}:{Path(__file__).parents[1]}"}
        self._parent = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )  # fmt: skip

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(30)

    def start(self, arguments: list[str], cwd: Path, environment: Mapping[str, str]) -> int:
        """Starts `log-importer` with `arguments`; its process id."""
        out, err = str(self._folder / "out"), str(self._folder / "err")
        for name in (out, err):
            Path(name).write_bytes(b"")  # it may be killed before it has opened them
        self._say({"arguments": arguments, "cwd": str(cwd), "environment": dict(environment), "out": out, "err": err})
        return int(self._answer())

    def wait(self) -> Ended:
        """Waits for the child to end."""
        code = int(self._answer())
        return Ended(code, (self._folder / "out").read_text(), (self._folder / "err").read_text())

    def _say(self, request: dict[str, object]) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(request) + "\n")
        self._parent.stdin.flush()

    def _answer(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline()


def _serve() -> None:
    from log_importer import cli  # noqa: F401 - loaded once, for all children
    from log_importer.settings.format_files import load_formats
    from log_importer.translation.bot_rules import judges

    judges()
    load_formats(())
    answers = os.fdopen(os.dup(1), "w")
    for text in sys.stdin:
        request = json.loads(text)
        child = os.fork()
        if not child:
            _become(request)
        answers.write(f"{child}\n")
        answers.flush()
        _, status_word = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status_word)}\n")
        answers.flush()


def _become(request: dict[str, object]) -> None:
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(str(request[name]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.chdir(str(request["cwd"]))
        os.environ.clear()
        environment = request["environment"]
        assert isinstance(environment, dict)
        os.environ.update(environment)
        arguments = request["arguments"]
        assert isinstance(arguments, list)
        sys.argv = ["log-importer", *arguments]
        from log_importer.cli import _run

        code = _run()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
