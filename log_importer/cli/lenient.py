"""A command that takes what Matomo's own script takes."""

import click

from log_importer.cli.help import Sectioned

_ON, _OFF = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class Lenient(Sectioned):
    """Takes a value behind a flag that needs none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        name, kept = "--track-http-method", list[str]()
        for word in args:
            option, equals, value = word.partition("=")
            after = bool(kept) and kept[-1] == name
            if (option == name and equals) or (after and word.lower() in (*_ON, *_OFF)):
                off = (value if option == name else word).lower() in _OFF
                kept = [*(kept[:-1] if after else kept), *([] if off else [name])]
            else:
                kept.append(word)
        return super().parse_args(ctx, kept)
