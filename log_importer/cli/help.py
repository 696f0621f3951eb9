"""Options in --help, grouped by what they are for."""

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_OTHERS = "Other options"


def together(*decorators: Decorator) -> Decorator:
    """One decorator from several options, in their order in --help."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def section(title: str, *decorators: Decorator) -> Decorator:
    """The same, under a title. Whatever has stood behind it already keeps its own."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        before = len(getattr(function, "__click_params__", ()))
        function = together(*decorators)(function)
        for parameter in getattr(function, "__click_params__", ())[before:]:
            parameter.section = title
        return function

    return decorate


class Sectioned(click.Command):
    """A command with many options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options under their titles."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", _OTHERS), []).append(record)
        sections[_OTHERS] = sections.pop(_OTHERS)  # there is always --help
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
