"""How an option is made. Each can also be set as an environment variable, LOG_IMPORTER_ and its name."""

from pathlib import Path
from typing import Any

import click

from log_importer.cli.help import Decorator, together

FILE = click.Path(path_type=Path)
"""The type of an option that names a file or a folder."""


def option(name: str, *names: str, **attributes: Any) -> Decorator:
    """A click option that is `None` where it is not given, so that settings know what was said."""
    variable = "LOG_IMPORTER_" + name.split("/")[0].lstrip("-").replace("-", "_").upper()
    return click.option(name, *names, default=None, envvar=variable, show_envvar=False, **attributes)


def flag(name: str, text: str) -> Decorator:
    """An option that is on where it is given."""
    return option(name, is_flag=True, flag_value=True, type=bool, help=text)


def several(name: str, metavar: str, text: str) -> Decorator:
    """An option that may be given again, and one for a file with a value a line."""
    variable = name.lstrip("-").replace("-", "_")
    return together(
        option(name, variable, multiple=True, metavar=metavar, help=text),
        option(
            f"{name}-from", f"{variable}_from", type=FILE, metavar="FILE", help="The same, a line each in this file."
        ),
    )
