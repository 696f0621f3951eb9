"""The options of a settings file, checked as those of the command line are; and all settings shown."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from log_importer.model.errors import UsageError

if TYPE_CHECKING:
    from log_importer.settings.file import SettingsFile

_SECRET = ("token-auth", "auth-password", "password")
_NOT_HERE = ("config", "show-settings", "help", "php-binary", "enable-testmode")


def defaults_from(file: "SettingsFile", ctx: click.Context) -> dict[str, Any]:
    """Name of a parameter -> value, for those options of the file that the command has. Raises `UsageError`.

    Options of the main job that the command has not are checked all the same: one file serves all commands.
    """
    root = ctx.find_root()
    main_job = root.command.get_command(root, "import") if isinstance(root.command, click.Group) else None
    commands = [command for command in (main_job, ctx.command) if command is not None]
    named = {opt.removeprefix("--"): parameter for one in commands for opt, parameter in _named(one)}
    own = {parameter.name for parameter in ctx.command.params}
    found: dict[str, Any] = {}
    for key, value in file.options.items():
        if key not in named or key in _NOT_HERE:
            raise UsageError(f"{file.path}: {key}: there is no such setting.", "log-importer import --help lists them.")
        if key in _SECRET and file.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"{file.path}: group or others can read its {key}.", f"Run: chmod 600 {file.path}")
        parameter = named[key]
        checked = _checked(file, key, parameter, value)
        if parameter.name in own:
            found[parameter.name or key] = checked
    return found


def _named(command: click.Command) -> list[tuple[str, click.Option]]:
    return [(opt, one) for one in command.params if isinstance(one, click.Option) for opt in one.opts]


def _checked(file: "SettingsFile", key: str, option: click.Option, value: Any) -> Any:
    def wrong(what: str) -> UsageError:
        return UsageError(f"{file.path}: {key}: {what}.", f"{option.help or ''}")

    several = option.multiple
    values = value if isinstance(value, list) else [value]
    if (isinstance(value, list) and not several) or any(isinstance(one, dict | list) for one in values):
        raise wrong("must be a list of texts" if several else "must be one value")
    if any(isinstance(one, bool) != option.is_flag for one in values):
        raise wrong("must be true or false" if option.is_flag else "must not be true or false")
    if isinstance(option.type, click.Path):  # as a file's neighbours are named, not those of whoever runs it
        values = [file.path.parent / str(one) for one in values]
    values = [str(one) if isinstance(option.type, click.types.StringParamType) else one for one in values]
    try:
        converted = [option.type.convert(one, option, None) for one in values]
    except click.BadParameter as error:
        raise wrong(error.message.rstrip(".")) from None
    return converted if several else converted[0]


_RANKS = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP")


def settle(ctx: click.Context, given: dict[str, Any], one: str, other: str) -> None:
    """Of two options that exclude each other, takes the one away that comes from further below."""

    def rank(name: str) -> int:
        source = ctx.get_parameter_source(name)
        return _RANKS.index(source.name) if source and source.name in _RANKS else len(_RANKS)

    if rank(one) != rank(other) and max(rank(one), rank(other)) < len(_RANKS):
        given[one if rank(one) > rank(other) else other] = None


_SOURCES = {"COMMANDLINE": "flag", "ENVIRONMENT": "environment", "DEFAULT_MAP": "settings file"}


def shown(ctx: click.Context) -> Iterator[str]:
    """The settings of a command as a settings file would say them, each with where it comes from; no secret."""
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        where = _SOURCES.get(source.name if source else "")
        if where is None or not isinstance(parameter, click.Option) or parameter.name in ("config", "show_settings"):
            continue
        name = max(parameter.opts, key=len).removeprefix("--")
        value = "(hidden)" if name in _SECRET else _discreet(name, ctx.params[parameter.name or ""])
        yield f"{name} = {json.dumps(value, ensure_ascii=False)}  # {where}"
    file: SettingsFile | None = ctx.params.get("config")
    for rule in file.rules if file else ():
        does = f"skip {rule.skip}" if rule.skip else f"set {', '.join(name for name, _ in rule.set)}"
        yield f"# {rule.origin}: {does}"
    for host, idsite in file.sites if file else ():
        yield f"# {file.path if file else ''}: sites: {host} = {idsite}"


def _discreet(name: str, value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_discreet(name, one) for one in value]
    if isinstance(value, Path):
        return str(value)
    if name in ("url", "api-url") and "@" in value:
        from log_importer.delivery.server.address import read_address

        return read_address(value).base
    return value
