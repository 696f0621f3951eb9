"""Flags about what is tracked and what is changed -> `Selection` and `Changes`, checked; and as people know them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from datetime import UTC, tzinfo
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from log_importer.model import FIELDS
from log_importer.model.errors import UsageError
from log_importer.parsing.groups import GROUPS
from log_importer.parsing.times import compile_time
from log_importer.settings.file import SettingsFile
from log_importer.tracking.rules.changes import Changes
from log_importer.tracking.rules.files import DOWNLOAD_EXTENSIONS
from log_importer.tracking.rules.mapping import MappingRule, Setting
from log_importer.tracking.rules.selection import METHODS, Selection
from log_importer.tracking.rules.values import is_reference

_LISTS = ("hostname", "include_host", "exclude_host", "include_path", "exclude_path", "useragent_exclude", "exclude_ip")

_DECIDING = (
    "enable_static", "enable_bots", "enable_http_errors", "enable_http_redirects", "ai_bots", "replay_tracking",
    "replay_tracking_expected_tracker_file", "download_extensions", "add_download_extensions", "method", "status",
    "exclude_older_than", "exclude_newer_than", "skip", "enable_reverse_dns", "strip_query_string",
    "query_string_delimiter", "drop_query_parameters", "request_suffix", "force_lowercase_path",
    "title_category_delimiter", "add_to_date", "anonymize_ip", "dimensions", "track_http_method", "track_http_code",
    "regex_group_to_page_cvar", "regex_group_to_visit_cvar", "visitor_id", "no_user_id", "hash_user_id",
    "hash_key_file", "site", "idsite_fallback", "add_sites_new_hosts", "max_new_sites", "endpoint", "timezone",
    "log_hostname", "client_ip_from", "trusted_proxies", "accept_any_client", "encoding", "log_format_name",
    "format_files", "log_format", "log_format_regex", "log_date_format", "json_fields", "w3c_fields", "w3c_map_field",
    "w3c_field_regex", "ignore_groups", "max_line_bytes",
)  # fmt: skip
_NAMES = {
    "drop_query_parameters": "drop-query-parameter", "dimensions": "dimension", "endpoint": "tracker-endpoint-path",
    "format_files": "format-file", "json_fields": "json-field",
}  # fmt: skip
_LONGEST = 200
"""Characters of an option's value that are kept."""


def options_of(values: Mapping[str, Any], file: SettingsFile | None) -> tuple[tuple[str, str], ...]:
    """The options given that decide what becomes of a line, as people know them, with their values as text.

    A list from a file is part of the list that it adds to. No token and no password is among them.
    Raises `UsageError`.
    """
    found = {name.replace("_", "-"): _list(name, values) for name in _LISTS}
    found |= {_NAMES.get(name, name.replace("_", "-")): _texts(values.get(name)) for name in _DECIDING}
    if file is not None:
        found["site"] += tuple(f"{host}={idsite}" for host, idsite in file.sites)
        found["rule of the settings file"] = tuple(repr(rule[:3]) for rule in map(astuple, file.rules))
    return tuple((name, _short(texts)) for name, texts in found.items() if texts)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, tuple | list):
        return tuple(map(str, value))
    return () if value in (None, False) else ("given" if value is True else str(value),)


def _short(texts: tuple[str, ...]) -> str:
    text = ", ".join(texts)
    if len(text) <= _LONGEST:
        return text
    return f"{len(texts):,} values ({hashlib.sha256(repr(texts).encode()).hexdigest()[:8]})"


def selection_of(values: Mapping[str, Any], zone: tzinfo = UTC) -> Selection:
    """What is tracked; dates without an offset are in `zone`. Raises `UsageError`."""
    lists = {name: _list(name, values) for name in _LISTS}
    for network in lists["exclude_ip"]:
        check_network("--exclude-ip", network)
    return Selection(
        static=values.get("enable_static", False),
        bots=values.get("enable_bots", False),
        http_errors=values.get("enable_http_errors", False),
        http_redirects=values.get("enable_http_redirects", False),
        downloads=_downloads(values),
        not_before=_date("--exclude-older-than", values.get("exclude_older_than"), zone),
        not_after=_date("--exclude-newer-than", values.get("exclude_newer_than"), zone),
        hosts=tuple(host.lower() for host in (*lists["hostname"], *lists["include_host"])),
        exclude_hosts=tuple(host.lower() for host in lists["exclude_host"]),
        paths=lists["include_path"],
        exclude_paths=lists["exclude_path"],
        exclude_agents=lists["useragent_exclude"],
        exclude_addresses=lists["exclude_ip"],
        log_hostname=values.get("log_hostname", ""),
        methods=frozenset(one.upper() for one in _commas("method", values)) or METHODS,
        statuses=tuple(_checked_status(one) for one in _commas("status", values)),
        replay=values.get("replay_tracking", False),
        lines=values.get("skip", 0),
    )


def check_network(option: str, text: str) -> None:
    """Raises `UsageError` where `text` is no address or network."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise UsageError(f"{option}: {text!r} is no address or network.", "Write 192.0.2.1 or 192.0.2.0/24.") from None


def changes_of(values: Mapping[str, Any], hash_key: bytes) -> Changes:
    """What is changed in hits. Raises `UsageError`."""
    delimiter = values.get("query_string_delimiter", "?")
    if not delimiter:
        raise UsageError("--query-string-delimiter is empty.", "Write what stands between path and query, such as ;.")
    return Changes(
        add_to_date=values.get("add_to_date", 0.0),
        query_delimiter=delimiter,
        lowercase_path=values.get("force_lowercase_path", False),
        strip_query=values.get("strip_query_string", False),
        drop_parameters=frozenset(values.get("drop_query_parameters", ())),
        request_suffix=values.get("request_suffix", "").lstrip("?&"),
        mask_bytes=values.get("anonymize_ip", 0),
        no_user_id=values.get("no_user_id", False),
        hash_key=hash_key,
    )


def _list(name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    given: tuple[str, ...] = tuple(values.get(name, ()))
    file: Path | None = values.get(f"{name}_from")
    if file is None:
        return given
    option = f"--{name.replace('_', '-')}-from"
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{option}: {file} cannot be read: {(error.strerror or '').lower()}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{option}: {file} is no text in UTF-8.") from None
    # "#" begins a comment only at the beginning of a line: it may stand in a path.
    return (*given, *(line.strip() for line in lines if line.strip() and not line.startswith("#")))


def _date(option: str, text: str | None, zone: tzinfo) -> float | None:
    if text is None:
        return None
    moment = compile_time("any", zone)(text.strip())
    if moment is None:
        raise UsageError(f"{option}: {text!r} is no date.", "Write '2026-03-01 00:00:00 +0000'.")
    return moment


def _commas(name: str, values: Mapping[str, Any]) -> list[str]:
    return [one.strip() for text in values.get(name, ()) for one in text.split(",") if one.strip()]


def _checked_status(text: str) -> str:
    if not re.fullmatch(r"[1-5]([0-9]{2}|xx)", text, re.IGNORECASE):
        raise UsageError(f"--status: {text!r} is no status.", "Write 404 or 2xx.")
    return text


def rules_of(values: Mapping[str, Any]) -> Iterator[MappingRule]:
    """The mapping rules that options stand for. Raises `UsageError`."""
    page: list[tuple[str, str]] = []
    if values.get("track_http_method"):
        page.append(("HTTP-method", "{method}"))
    page += _variables("regex_group_to_page_cvar", values)
    if values.get("track_http_code"):
        page.append(("HTTP-code", "{status}"))
    sets: list[tuple[str, Setting]] = [_dimension(text) for text in values.get("dimensions", ())]
    if page:
        sets.append(("cvar", tuple(page)))
    if values.get("enable_bots"):
        for pattern, name in (("?*", "Bot"), ("", "Not-Bot")):
            yield MappingRule((("bot", (pattern,)),), (("_cvar", ((name, "{user_agent}"),)),))
    if visit := _variables("regex_group_to_visit_cvar", values):
        sets.append(("_cvar", tuple(visit)))
    if sets:
        yield MappingRule(set=tuple(sets))


def _dimension(text: str) -> tuple[str, str]:
    number, _, name = text.partition("=")
    if not re.fullmatch(r"[1-9][0-9]{0,2}", number) or not is_reference(name):
        raise UsageError(
            f"--dimension: {text!r} is no NUMBER=FIELD.",
            f"The fields are {', '.join(FIELDS)}, bot, query.NAME and extra.COLUMN.",
        )
    return f"dimension{number}", f"{{{name}}}"


def _variables(name: str, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Custom variables, each from a named group or a column."""
    found = []
    for text in values.get(name, ()):
        for pair in text.split(","):
            group, equals, variable = pair.partition("=")
            if not group.strip() or not equals or not variable.strip():
                raise UsageError(f"--{name.replace('_', '-')}: {pair!r} is no pair.", "Write GROUP=NAME.")
            field, _ = GROUPS.get(group.strip(), (f"extra.{group.strip()}", ""))
            found.append((variable.strip(), f"{{{field}}}"))
    return found


def _downloads(values: Mapping[str, Any]) -> frozenset[str]:
    named = _extensions(values.get("download_extensions", ""))
    return (named or DOWNLOAD_EXTENSIONS) | _extensions(values.get("add_download_extensions", ""))


def _extensions(text: str) -> frozenset[str]:
    return frozenset(filter(None, (one.strip().lstrip(".").lower() for one in text.split(","))))
