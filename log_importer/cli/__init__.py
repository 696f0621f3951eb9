"""The command line: which commands there are, and the one place where every error becomes a sentence and a code."""

import importlib
import os
import sys

import click

from log_importer import __version__
from log_importer.errors import LogImporterError
from log_importer.parsing.engine import check_engine

COMMANDS = {
    "import": "Import access logs: the main job.",
    "explain": "Say what becomes of each log line and why; sends nothing.",
    "status": "Say what has been imported, what is pending, in doubt, set aside, and where the state lies.",
    "retry": "Send again what was set aside or held in doubt.",
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
    except Exception as error:  # the one place: a fault of ours is a sentence too
        if os.environ.get("LOG_IMPORTER_TRACEBACK"):
            raise
        what = f"This is a fault in log-importer: {type(error).__name__}: {error}."
        return _fail(f"{what} Please report it, with what LOG_IMPORTER_TRACEBACK=1 shows.", 1)
    return code if isinstance(code, int) else 0


def _open_standard_streams() -> None:
    """A stream that was closed before we began is taken, or the next file we open would become it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY)  # also for input: reading it is an error then, and no empty log
        if number and getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - for the life of the process


def _fail(sentence: str, code: int) -> int:
    from log_importer.visible import visible

    print(f"log-importer: {visible(sentence, 2000)}", file=sys.stderr)  # noqa: T201
    return code
