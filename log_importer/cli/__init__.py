"""The command line: which commands there are, and the one place where every error becomes a sentence and a code."""

import codecs
import contextlib
import errno
import importlib
import io
import os
import re
import sys
from collections.abc import Callable
from typing import Any, TextIO, cast

import click

from log_importer import __version__
from log_importer.model.errors import LogImporterError
from log_importer.parsing.engine import check_engine

COMMANDS = {
    "import": "Import access logs: the main job.",
    "explain": "Say what becomes of each log line and why; sends nothing.",
    "status": "Say what has been imported, what is pending, in doubt, set aside, and where the state lies.",
    "retry": "Send again what was set aside or held in doubt.",
    "verify": "Compare what was tracked, by site and day, with what the server holds.",
    "undo": "Say how to take out of the server what was sent, and have the ledger forget it.",
    "doctor": "Prove everything that an answer rests on: what a report of a fault begins with.",
    "formats": "List, show, check and detect log formats.",
    "receive": "Run the embedded receiver: the Tracking API and its report, on this machine.",
    "report": "Write the report of the embedded receiver's data as one HTML file.",
    "completion": "Print what a shell needs to complete commands and options.",
}
"""Command -> its line in --help. Their modules are imported when they run, so that --help is quick."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"log_importer.cli.{cmd_name.replace('import', 'import_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="log-importer")
def group() -> None:
    """Replay web server access logs into a Matomo server as bulk tracking requests.

    Look first: log-importer explain access.log

    Then import: log-importer import --url https://matomo.example.org --idsite 1 access.log
    """


def main() -> None:
    """Runs the command line and exits with the README's code; never with a traceback."""
    sys.exit(_run())


def _run() -> int:
    _open_standard_streams()
    if sys.platform == "win32":
        return _fail("log-importer runs on Linux and macOS; on Windows, run it inside WSL.", 2)
    try:
        check_engine()
        code = group.main(prog_name="log-importer", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        return _fail(" ".join(error.format_message().split()), 2)
    except LogImporterError as error:
        return _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        return getattr(error.__cause__ or error, "exit_code", 130)  # click has made an Abort of it
    except BrokenPipeError:
        # Whoever read our output has left; nothing more can be said, and nothing was lost.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _fail(_NO_MEMORY, 1)
    except Exception as error:  # the one place: a fault of ours is a sentence too
        if sentence := _of_the_machine(error):
            return _fail(sentence, 1)
        if os.environ.get("LOG_IMPORTER_TRACEBACK"):
            raise
        what = f"This is a fault in log-importer: {type(error).__name__}: {error}."
        return _fail(f"{what} Please report it, with what LOG_IMPORTER_TRACEBACK=1 shows.", 1)
    return code if isinstance(code, int) else 0


_NO_MEMORY = "There is not enough memory for this: give it more, or raise the limits that ulimit -a shows."
_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})


def _of_the_machine(error: BaseException) -> str:
    """What a machine's state has to do with an error that nobody foresaw; "" where that is nothing."""
    if isinstance(error, ImportError | RuntimeError) and re.search(_LACK, str(error)):
        return _NO_MEMORY  # neither has a number of the system's in it
    if not isinstance(error, OSError):
        return ""
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return _NO_MEMORY
    if error.errno not in _MACHINE:
        return ""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}the system says: {(error.strerror or '').lower()}. Look at the disk and the limits of this user."


_LACK = "can't start new thread|failed to map segment|[Cc]annot allocate memory"


class _Tolerant:
    """A standard stream whose reader may leave, and whose disk may be full: what cannot be written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError:
            # What is left in its buffer would fail again at the end of the process.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _open_standard_streams() -> None:
    """A stream that was closed before we began is taken, or the next file we open would become it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY)  # also for input: reading it is an error then, and no empty log
        if number and getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - for the life of the process
        if number:
            _show_all(getattr(sys, name))
    sys.stderr = cast("TextIO", _Tolerant(sys.stderr))


def _show_all(stream: TextIO) -> None:
    """Has a stream write what its encoding has no bytes for as escapes, rather than fail."""

    def escape(error: UnicodeError) -> tuple[str, int]:
        from log_importer.model.visible import escape_all  # only who needs it pays for it

        return escape_all(error)

    codecs.register_error("visible", escape)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="visible")


def _fail(sentence: str, code: int) -> int:
    from log_importer.model.visible import visible

    print(f"log-importer: {visible(sentence, 2000)}", file=sys.stderr)  # noqa: T201
    if "--json" in sys.argv:
        with contextlib.suppress(OSError):
            print(_json_of(sentence, code), flush=True)  # noqa: T201
    return code


def _json_of(sentence: str, code: int) -> str:
    """The object that `--json` prints where there was no run: nothing was read, and why."""
    from log_importer.model.errors import LogImporterError
    from log_importer.model.visible import visible_json
    from log_importer.runs.output.run_report import Report
    from log_importer.runs.output.summary import as_json
    from log_importer.runs.tally import Tally

    whole = as_json(Report(Tally(), [LogImporterError(sentence)]), "") if {"import", "retry"} & set(sys.argv) else {}
    return visible_json(whole | {"exit_code": code, "errors": [sentence]}, indent=True).decode()
