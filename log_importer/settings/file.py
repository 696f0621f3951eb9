"""The settings file: options by their long names, `[[rule]]` tables and the `[sites]` table.

Every complaint begins with the file and the key.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from log_importer.model import FIELDS
from log_importer.model.errors import FormatError, UsageError
from log_importer.tracking.parameters import ALWAYS, PARAMETERS, TABLES, kind_of
from log_importer.tracking.rules.mapping import PATTERN, MappingRule, Setting, compile_rules
from log_importer.tracking.rules.reasons import REASONS
from log_importer.tracking.rules.values import is_reference, references

_RULE_KEYS = ("path", "match", "set", "skip")
_REASON = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a settings file says."""

    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)  # name of an option, with dashes -> value
    rules: tuple[MappingRule, ...] = ()
    sites: tuple[tuple[str, int], ...] = ()  # host, which may begin with "*.", and its site


def read_settings_file(path: Path) -> SettingsFile:
    """Reads the file. Raises `UsageError`."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: the settings cannot be read: {(error.strerror or '').lower()}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: this is no text in UTF-8.", "Save the settings file as UTF-8.") from None
    if path.name.endswith(".ini.php") or text.lstrip().startswith("; <?php"):
        raise UsageError(
            f"{path} is Matomo's own configuration, which log-importer does not need.",
            "Leave --config out, or name a TOML file of settings; give the token as LOG_IMPORTER_TOKEN_AUTH.",
        )
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: this is not TOML: {error}.", "Mend the file at that place.") from None
    rules = document.pop("rule", [])
    sites = document.pop("sites", {})
    return SettingsFile(
        path,
        {name.replace("_", "-"): value for name, value in document.items()},
        tuple(_rules(path, rules)),
        tuple(_sites(path, sites)),
    )


def _sites(path: Path, table: Any) -> Iterator[tuple[str, int]]:
    if not isinstance(table, dict):
        raise _error(path, "sites", "must be a table of hosts and the numbers of their sites")
    for host, idsite in table.items():
        if not isinstance(idsite, int) or isinstance(idsite, bool) or idsite < 1:
            raise _error(path, f"sites.{host}", "must be the number of a site")
        yield host, idsite


def _rules(path: Path, tables: Any) -> Iterator[MappingRule]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _error(path, "rule", "must be written as [[rule]]")
    for number, table in enumerate(tables, 1):
        yield _rule(path, f"rule {number}", table)


def _rule(path: Path, where: str, table: dict[str, Any]) -> MappingRule:
    if unknown := [key for key in table if key not in _RULE_KEYS]:
        raise _error(path, f"{where}: {unknown[0]}", f"is no key of a rule; there are {', '.join(_RULE_KEYS)}")
    match = table.get("match", {})
    if not isinstance(match, dict):
        raise _error(path, f"{where}: match", 'must be a table, as { status = "404" }')
    if "path" in table:
        match = {"path": table["path"], **match}
    skip = table.get("skip", "")
    if not isinstance(skip, str) or ("skip" in table and not _REASON.fullmatch(skip)):
        raise _error(path, f"{where}: skip", "must be a reason of small letters, digits and dashes")
    if skip in REASONS:
        raise _error(path, f"{where}: skip", f"{skip!r} is a reason of log-importer's own; take another name")
    if bool(skip) == ("set" in table):
        raise _error(path, where, "needs either set or skip")
    setting = table.get("set", {})
    if not isinstance(setting, dict):
        raise _error(path, f"{where}: set", 'must be a table, as { search = "{query.q}" }')
    rule = MappingRule(
        tuple((name, tuple(_texts(path, where, name, value))) for name, value in match.items()),
        tuple((name, _setting(path, where, name, value)) for name, value in setting.items()),
        skip,
        f"{path}: {where}",
    )
    try:
        compile_rules([rule], lambda _: None)
    except FormatError as error:
        raise UsageError(error.what, "Mend the pattern behind '~ '.") from None
    return rule


def _texts(path: Path, where: str, name: str, value: Any) -> Iterator[str]:
    key = f"{where}: match.{name}"
    if not is_reference(name):
        raise _error(path, key, _NO_FIELD)
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise _error(path, key, f"must be a text, a number or a list of them; a pattern begins with '{PATTERN}'")
        yield str(one)


def _setting(path: Path, where: str, name: str, value: Any) -> Setting:
    key = f"{where}: set.{name}"
    if name in ALWAYS:
        raise _error(path, key, "is sent with every request, and no rule can change it")
    kind = kind_of(name)
    if kind is None:
        raise _error(path, key, f"there is no such parameter; there are {', '.join(PARAMETERS)} and dimensionN")
    if isinstance(value, dict) and name in TABLES:
        return tuple((variable, _template(path, f"{key}.{variable}", one)) for variable, one in value.items())
    template = _template(path, key, value)
    if not references(template):
        constant = template.replace("{{", "{").replace("}}", "}")
        if kind.check(constant) is None:
            raise _error(path, key, f"{kind.says}, not {constant!r}")
    elif name == "idsite":
        raise _error(path, key, "must be a site's number; for a site by host there is [sites]")
    return template


def _template(path: Path, key: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        return f"{value:.15g}"
    if not isinstance(value, str):
        raise _error(path, key, "must be a text or a number")
    try:
        names = references(value)
    except ValueError as error:
        raise _error(path, key, str(error)) from None
    if unknown := [name for name in names if not is_reference(name)]:
        raise _error(path, key, f"{{{unknown[0]}}}: {_NO_FIELD}")
    return value


_NO_FIELD = f"there is no such field; there are {', '.join(FIELDS)}, bot, query.NAME and extra.COLUMN"


def _error(path: Path, key: str, what: str) -> UsageError:
    return UsageError(f"{path}: {key}: {what}.")
