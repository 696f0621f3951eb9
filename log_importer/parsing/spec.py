"""A format file's text -> `FormatSpec`, every key checked.

What is not in the closed sets below is an error that names file and key, so a misspelt key never goes unnoticed.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from log_importer.model import FIELDS
from log_importer.model.errors import FormatError
from log_importer.parsing.pieces import expand

SCHEMA = 1
DRIVERS = ("regex", "w3c", "json")
DECODERS = ("percent", "plus", "quoted", "hex-escapes")
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
REQUIRED_FIELDS = ("time", "client_ip", "path")
"""Without these a line is no hit."""

_TOP_KEYS = {
    "schema", "name", "aliases", "title", "reference", "driver", "absent", "detect_automatically",
    "detect", "fields", "sample", "extract", *DRIVERS,
}  # fmt: skip
_DRIVER_KEYS = {"regex": {"pattern", "verbose"}, "w3c": {"delimiter", "columns"}, "json": {"repair"}}
_DETECT_KEYS = {"regex": {"fields"}, "w3c": {"fields", "columns"}, "json": {"fields", "keys"}}
_FIELD_KEYS = {"from", "join", "value", "default", "required", "decode", "unit", "layout", "zone"}
_SAMPLE_KEYS = {"note", "log", "hit", "rejected"}


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """How one field is made from the columns of a line."""

    columns: tuple[str, ...]  # first present wins; with `join`, all, joined by a space
    join: bool = False
    value: str | None = None  # a constant
    default: str | None = None  # where no column has a value
    required: bool = False
    decode: tuple[str, ...] = ()
    unit: str | None = None  # of a duration
    layout: str | None = None  # of a time: strptime layout, "iso8601", "epoch" or "any"
    zone: str | None = None  # of a time without an offset; None: the user's --timezone
    otherwise: "FieldSpec | None" = None  # where this has no value

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Those of `otherwise` too."""
        return self.columns + (self.otherwise.all_columns if self.otherwise else ())


@dataclass(frozen=True, slots=True)
class Sample:
    """Lines of log and exactly what they become."""

    log: str
    hits: tuple[Mapping[str, Any], ...] = ()
    rejected: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """A whole format file."""

    origin: str  # the file, for messages
    name: str
    title: str
    driver: str
    fields: Mapping[str, FieldSpec]
    aliases: tuple[str, ...] = ()
    reference: str = ""
    absent: frozenset[str] = frozenset({"-", ""})
    detect_automatically: bool = True
    detect: tuple[str, ...] = ()  # w3c: columns, json: keys that must be there
    telling: tuple[str, ...] = ()  # fields of which each must have a value on some line
    options: Mapping[str, Any] = field(default_factory=dict)  # the driver's own table
    renamed: Mapping[str, str] = field(default_factory=dict)  # w3c: a column's name in the log -> the usual one
    extract: Mapping[str, str] = field(default_factory=dict)  # column -> pattern whose groups are columns
    samples: tuple[Sample, ...] = ()
    proved: bool = False  # it is a packaged one, whose patterns are known to be linear


def load(text: str, origin: str) -> FormatSpec:
    """Reads a format file's `text`; `origin` names it in messages.

    Raises `FormatError`.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"{origin}: this is not TOML: {error}.", "Mend the file at that place.") from None
    return _Reader(origin).format(document)


class _Reader:
    """Reads checked values out of a TOML document; every complaint begins with file and key."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def format(self, document: dict[str, Any]) -> FormatSpec:
        self.known(document, _TOP_KEYS, "")
        if document.get("schema") != SCHEMA:
            raise self.error("schema", f"must be {SCHEMA}, the only schema there is")
        driver = self.text(document, "driver", required=True)
        if driver not in DRIVERS:
            raise self.error("driver", f"must be one of {', '.join(DRIVERS)}, not {driver!r}")
        for other in DRIVERS:
            if other != driver and other in document:
                raise self.error(other, f"belongs to another driver than this file's, {driver}")
        options = self.table(document, driver)
        self.known(options, _DRIVER_KEYS[driver], f"{driver}.")
        if driver == "regex":
            pattern = self.text(options, "pattern", required=True, prefix="regex.")
            self.flag(options, "verbose", default=True)
            options = options | {"pattern": expand(pattern, self.origin)}
        detect = self.table(document, "detect")
        self.known(detect, _DETECT_KEYS[driver], "detect.")
        return FormatSpec(
            origin=self.origin,
            name=self.text(document, "name", required=True),
            title=self.text(document, "title", required=True),
            reference=self.text(document, "reference"),
            aliases=self.texts(document, "aliases"),
            driver=driver,
            absent=frozenset(self.texts(document, "absent", default=("-", ""))),
            detect_automatically=self.flag(document, "detect_automatically", default=True),
            detect=self.texts(detect, "columns" if driver == "w3c" else "keys", prefix="detect."),
            telling=self.telling(detect, document),
            options=options,
            extract=self.extracts(document),
            fields=self.fields(document),
            samples=self.samples(document),
        )

    def extracts(self, document: dict[str, Any]) -> dict[str, str]:
        tables = self.table(document, "extract")
        for column, table in tables.items():
            self.known(table if isinstance(table, dict) else {}, {"pattern"}, f"extract.{column}.")
        return {
            column: self.text(table, "pattern", required=True, prefix=f"extract.{column}.")
            for column, table in tables.items()
        }

    def fields(self, document: dict[str, Any]) -> dict[str, FieldSpec]:
        table = self.table(document, "fields")
        self.known(table, set(FIELDS), "fields.", what="field")
        missing = [name for name in REQUIRED_FIELDS if name not in table]
        if missing:
            raise self.error(f"fields.{missing[0]}", "is missing; every format maps time, client_ip and path")
        return {name: self.field(name, value) for name, value in table.items()}

    def telling(self, detect: dict[str, Any], document: dict[str, Any]) -> tuple[str, ...]:
        names = self.texts(detect, "fields", prefix="detect.")
        if unknown := [name for name in names if name not in self.table(document, "fields")]:
            raise self.error("detect.fields", f"names {unknown[0]!r}, which [fields] does not map")
        return names

    def field(self, name: str, value: Any) -> FieldSpec:
        key = f"fields.{name}"
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            first = self.field(name, value[0])
            return replace(first, otherwise=self.field(name, value[1:])) if value[1:] else first
        if isinstance(value, str):
            value = {"from": value}
        if not isinstance(value, dict):
            raise self.error(key, "must be a column's name, a table, or a list of tables")
        self.known(value, _FIELD_KEYS, f"{key}.")
        if sum(k in value for k in ("from", "join", "value")) != 1:
            raise self.error(key, "needs exactly one of from, join and value")
        source = value.get("from", value.get("join", []))
        columns = (source,) if isinstance(source, str) else self.texts({key: source}, key)
        spec = FieldSpec(
            columns=columns,
            join="join" in value,
            value=self.text(value, "value", prefix=f"{key}.") if "value" in value else None,
            default=self.text(value, "default", prefix=f"{key}.") if "default" in value else None,
            required=self.flag(value, "required", default=name in REQUIRED_FIELDS),
            decode=self.texts(value, "decode", prefix=f"{key}."),
            unit=self.text(value, "unit", prefix=f"{key}.") or None,
            layout=self.text(value, "layout", prefix=f"{key}.") or None,
            zone=self.text(value, "zone", prefix=f"{key}.") or None,
        )
        if unknown := [d for d in spec.decode if d not in DECODERS]:
            raise self.error(f"{key}.decode", f"knows {', '.join(DECODERS)}, not {unknown[0]!r}")
        if name == "time" and spec.layout is None:
            raise self.error(f"{key}.layout", "is missing; give a strptime layout, iso8601, epoch or any")
        if name != "time" and (spec.layout or spec.zone):
            raise self.error(key, "takes no layout or zone; only time does")
        if name == "duration" and spec.unit is None:
            raise self.error(f"{key}.unit", f"is missing; it must be one of {', '.join(UNITS)}")
        if spec.unit is not None and (spec.unit not in UNITS or name not in ("duration", "time")):
            raise self.error(f"{key}.unit", f"must be one of {', '.join(UNITS)}; only a duration or an epoch has one")
        return spec

    def samples(self, document: dict[str, Any]) -> tuple[Sample, ...]:
        samples = []
        for number, table in enumerate(self.tables(document, "sample"), 1):
            prefix = f"sample {number}: "
            self.known(table, _SAMPLE_KEYS, prefix)
            hits = self.tables(table, "hit")
            for hit in hits:
                self.known(hit, set(FIELDS), f"{prefix}hit.", what="field")
                if not isinstance(hit.get("time"), datetime) or hit["time"].tzinfo is None:
                    raise self.error(f"{prefix}hit.time", "must be a TOML date-time with an offset or Z")
            rejected = table.get("rejected", 0)
            if not isinstance(rejected, int):
                raise self.error(f"{prefix}rejected", "must be a number of lines")
            log = self.text(table, "log", required=True, prefix=prefix)
            samples.append(Sample(log, tuple(hits), rejected, self.text(table, "note", prefix=prefix)))
        return tuple(samples)

    def error(self, key: str, message: str) -> FormatError:
        return FormatError(f"{self.origin}: {key} {message}.")

    def known(self, table: Mapping[str, Any], keys: set[str], prefix: str, what: str = "key") -> None:
        unknown = sorted(set(table) - keys)
        if unknown:
            raise self.error(f"{prefix}{unknown[0]}", f"is not a {what}; there are {', '.join(sorted(keys)) or 'none'}")

    def checked(
        self, table: Mapping[str, Any], key: str, prefix: str, fits: Callable[[Any], bool], must: str, default: Any
    ) -> Any:
        value = table.get(key, default)
        if not fits(value):
            raise self.error(prefix + key, must)
        return value

    def text(self, table: Mapping[str, Any], key: str, *, required: bool = False, prefix: str = "") -> str:
        if required and key not in table:
            raise self.error(prefix + key, "is missing")
        value: str = self.checked(table, key, prefix, lambda v: isinstance(v, str), "must be a string", "")
        return value

    def flag(self, table: Mapping[str, Any], key: str, *, default: bool) -> bool:
        value: bool = self.checked(table, key, "", lambda v: isinstance(v, bool), "must be true or false", default)
        return value

    def texts(
        self, table: Mapping[str, Any], key: str, *, prefix: str = "", default: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        def fits(value: Any) -> bool:
            return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)

        return tuple(self.checked(table, key, prefix, fits, "must be a list of strings", default))

    def table(self, document: Mapping[str, Any], key: str) -> dict[str, Any]:
        value: dict[str, Any] = self.checked(document, key, "", lambda v: isinstance(v, dict), "must be a table", {})
        return value

    def tables(self, document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        def fits(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(item, dict) for item in value)

        value: list[dict[str, Any]] = self.checked(document, key, "", fits, "must be a list of tables", [])
        return value
