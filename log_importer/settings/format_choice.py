"""The formats of a run, and the one that the user chose: by name, definition, pattern or the keys of its JSON."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from log_importer.model.errors import FormatError, UsageError
from log_importer.parsing.format_strings import document_of, spec_of
from log_importer.parsing.groups import GROUPS
from log_importer.parsing.parser import compile_parser
from log_importer.parsing.spec import REQUIRED_FIELDS, UNITS, FieldSpec, FormatSpec, load
from log_importer.parsing.w3c_driver import FIELDS, columns_of, is_header
from log_importer.settings import Settings
from log_importer.settings.format_files import find_format, load_formats

_CLOCK = ("date", "time", "timezone")


class Formats(NamedTuple):
    """What sources can be in."""

    known: Mapping[str, FormatSpec]
    chosen: FormatSpec | None  # None: it is detected


def formats_of(settings: Settings) -> Formats:
    """The formats for `settings`. Raises `UsageError`."""
    known = load_formats(settings.format_files, samples=False)
    known = {name: _w3c(spec, settings) for name, spec in known.items()}
    chosen = _chosen(settings, known)
    ignored_fields(settings.ignore_groups)  # what is wrong with them is said now
    if settings.w3c_fields:
        chosen = with_columns(settings.w3c_fields, known.values() if chosen is None else [chosen])
    if settings.log_date_format:
        if chosen is None:
            raise UsageError(
                "--log-date-format is for one format, and none is chosen.",
                "Name it with --log-format-name, or give --log-format, --log-format-regex or --json-field.",
            )
        chosen = _dated(chosen, settings.log_date_format)
    if chosen is not None:
        compile_parser(chosen)  # what is wrong with it is said now, and not by a worker process
        known = {**known, chosen.name: chosen}
    return Formats(known, chosen)


def without_fields(spec: FormatSpec, groups: Iterable[str]) -> FormatSpec:
    """`spec` without the fields of those names, or that groups of those names are."""
    gone = ignored_fields(groups)
    return replace(spec, fields={name: field for name, field in spec.fields.items() if name not in gone})


def ignored_fields(groups: Iterable[str]) -> set[str]:
    """The fields that --ignore-groups names. Raises `UsageError`."""
    gone = {GROUPS.get(group, (group, ""))[0] for group in groups}
    if needed := gone.intersection(REQUIRED_FIELDS):
        raise UsageError(f"--ignore-groups: no hit can do without its {min(needed)}.", "Leave it out of the list.")
    return gone


def _chosen(settings: Settings, known: Mapping[str, FormatSpec]) -> FormatSpec | None:
    ways = {
        "--log-format-name": settings.log_format_name, "--log-format": settings.log_format,
        "--log-format-regex": settings.log_format_regex,
    }  # fmt: skip
    given = [name for name, value in ways.items() if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} each choose the format.", "Leave all but one of them out.")
    spec = None
    if settings.log_format_name:
        spec = find_format(settings.log_format_name, dict(known))
    elif settings.log_format:
        spec = format_of_string(settings.log_format, known)
    elif settings.log_format_regex:
        spec = load(_regex_document(settings.log_format_regex), "--log-format-regex")
    if settings.json_fields:
        spec = _json(settings.json_fields, spec)
    return spec


def format_of_string(text: str, known: Mapping[str, FormatSpec]) -> FormatSpec:
    """The format that a server's own definition stands for. Raises `FormatError`."""
    if is_header(text.strip()):
        return with_columns(text.strip(), known.values())
    return spec_of(text)


def with_columns(header: str, known: Iterable[FormatSpec]) -> FormatSpec:
    """The format with the columns of a `#Fields:` line that makes the most of them. Raises `FormatError`."""
    columns = columns_of(header if is_header(header) else f"{FIELDS} {header}")
    fitting = [spec for spec in known if spec.driver == "w3c" and set(spec.detect) <= set(columns)]

    def use(spec: FormatSpec) -> tuple[int, int, str]:
        mapped = sum(bool(set(field.all_columns) & set(columns)) for field in spec.fields.values())
        return mapped, len(spec.detect), spec.name

    if not fitting:
        raise FormatError("The columns are those of no W3C format.", "Name the format with --log-format-name.")
    best = max(fitting, key=use)
    named = {best.renamed.get(name, name) for name in columns}
    for name in REQUIRED_FIELDS:
        if not named & {*best.fields[name].all_columns, *_extracted(best, best.fields[name])}:
            raise FormatError(
                f"#Fields: no column holds the {name}, which no hit can do without.",
                f"Name all columns; {best.name} has it in {' or '.join(best.fields[name].all_columns)}.",
            )
    return replace(best, options={**best.options, "columns": columns})


def _extracted(spec: FormatSpec, field: FieldSpec) -> list[str]:
    """Columns out of which the field's are taken."""
    return [column for column, pattern in spec.extract.items() if any(f"<{name}>" in pattern for name in field.columns)]


def document_for(text: str, known: Mapping[str, FormatSpec]) -> str:
    """The format file that a server's own definition stands for. Raises `FormatError`."""
    if not is_header(text.strip()):
        return document_of(text)
    spec = with_columns(text.strip(), known.values())
    columns = f"columns = {json.dumps(spec.options['columns'])}\n"
    document = Path(spec.origin).read_text("utf-8")
    if "\n[w3c]\n" in document:
        return document.replace("\n[w3c]\n", f"\n[w3c]\n{columns}", 1)
    return document.replace("\n[fields]\n", f"\n[w3c]\n{columns}\n[fields]\n", 1)


def _w3c(spec: FormatSpec, settings: Settings) -> FormatSpec:
    """`spec` with what the --w3c options say of every W3C log."""
    if spec.driver != "w3c":
        return spec
    fields, extract = dict(spec.fields), dict(spec.extract)
    unit = "ms" if settings.w3c_time_taken_millisecs else "s" if settings.w3c_time_taken_secs else ""
    if unit and "duration" in fields:
        fields["duration"] = _with_unit(fields["duration"], unit)
    for column, pattern in settings.w3c_field_regex:
        extract[column] = pattern
        for name, tables in _fields_of(_groups(pattern, "--w3c-field-regex"), "any").items():
            fields[name] = _field(name, tables)
    return replace(spec, fields=fields, extract=extract, renamed=dict(settings.w3c_map_field))


def _with_unit(field: FieldSpec, unit: str) -> FieldSpec:
    return replace(field, unit=unit, otherwise=_with_unit(field.otherwise, unit) if field.otherwise else None)


def _dated(spec: FormatSpec, layout: str) -> FormatSpec:
    def with_layout(field: FieldSpec) -> FieldSpec:
        zoned = layout
        if field.join and len(field.columns) > 1 and field.columns[-1] == _CLOCK[2]:
            zoned = f"{layout} %z"
        other = with_layout(field.otherwise) if field.otherwise else None
        return replace(field, layout=zoned, otherwise=other)

    return replace(spec, fields={**spec.fields, "time": with_layout(spec.fields["time"])})


def _groups(pattern: str, option: str) -> list[str]:
    import regex

    try:
        return list(regex.compile(pattern).groupindex)
    except regex.error as error:
        raise UsageError(f"{option}: this is no pattern: {error}.", "Mend it.") from None


def _regex_document(pattern: str) -> str:
    groups = _groups(pattern, "--log-format-regex")
    fields = _fields_of(groups, "any")
    missing = next((name for name in REQUIRED_FIELDS if name not in fields), None)
    if missing:
        names = {"time": "date", "client_ip": "ip"}.get(missing, missing)
        raise UsageError(f"--log-format-regex has no group for the {missing}.", f"Name one, such as (?P<{names}>...).")
    rows = [f"{name} = {_toml(tables)}" for name, tables in fields.items()]
    beginning = json.dumps(f"(?:{pattern}).*+", ensure_ascii=False)  # what comes behind it on a line does not matter
    return "\n".join([
        "schema = 1", 'name = "log-format-regex"', 'title = "From a pattern"', 'driver = "regex"',
        "[regex]", "verbose = false", f"pattern = {beginning}", "[fields]", *rows,
    ])  # fmt: skip


def _fields_of(groups: Iterable[str], layout: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    clock = [name for name in _CLOCK if name in groups]
    if clock and clock != [_CLOCK[2]]:
        table = {"from": clock[0]} if len(clock) == 1 else {"join": clock}
        found["time"] = [{**table, "layout": layout}]
    for group in groups:
        if group in GROUPS:
            name, unit = GROUPS[group]
            found.setdefault(name, []).append({"from": group, **({"unit": unit} if unit else {})})
    return found


def _field(name: str, tables: list[dict[str, Any]]) -> FieldSpec:
    other = _field(name, tables[1:]) if tables[1:] else None
    table = tables[0]
    columns = (table["from"],) if "from" in table else tuple(table["join"])
    return FieldSpec(
        columns, "join" in table, unit=table.get("unit"), layout=table.get("layout"), otherwise=other,
        required=name in REQUIRED_FIELDS,
    )  # fmt: skip


def _toml(tables: list[dict[str, Any]]) -> str:
    rows = ["{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + " }" for table in tables]
    return f"[{', '.join(rows)}]"


def _json(given: tuple[tuple[str, str], ...], base: FormatSpec | None) -> FormatSpec:
    """The format of JSON objects with the keys that --json-field names, over those of `base`."""
    fields = dict(base.fields) if base else {}
    if base is not None and base.driver != "json":
        raise UsageError(f"--json-field is for JSON, and {base.name} is {base.driver}.", "Leave one of them out.")
    for name, keys in given:
        fields[name] = _json_field(name, keys)
    missing = next((name for name in REQUIRED_FIELDS if name not in fields), None)
    if missing:
        raise UsageError(f"--json-field does not name the key of {missing}.", f"Add --json-field {missing}=KEY.")
    if base is not None:
        return replace(base, fields=fields)
    return FormatSpec(
        "--json-field", "json-field", "JSON with keys of one's own", "json", fields,
        absent=frozenset({"-", "", "(null)"}), options={"repair": True},
    )  # fmt: skip


def _json_field(name: str, text: str) -> FieldSpec:
    keys, _, unit = text.rpartition(":") if re.search(r":[a-z]+$", text) else (text, "", "")
    if (unit and unit not in UNITS) or bool(unit) != (name == "duration"):
        raise UsageError(
            f"--json-field {name}={text}: a duration has a unit, {', '.join(UNITS)}, and nothing else has.",
            "Write duration=KEY:ms.",
        )
    columns: list[str] = []
    for key in filter(None, keys.split(",")):
        # A dot leads into an object, or stands in the key itself.
        columns += dict.fromkeys((key.replace(".", "/"), key)) if "." in key else (key,)
    if not columns:
        raise UsageError(f"--json-field {name}= names no key.", f"Write {name}=KEY.")
    layout = "any" if name == "time" else None
    required = name in REQUIRED_FIELDS
    return FieldSpec(tuple(columns), unit=unit or None, layout=layout, required=required)
