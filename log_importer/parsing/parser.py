"""A format compiled: one function from a line to a hit, or to why there is none."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import NamedTuple

from log_importer.model import Hit, Rejected
from log_importer.model.errors import FormatError
from log_importer.parsing.addresses import are_ipv4, client_address, compile_client, is_ipv4
from log_importer.parsing.columns import Columns
from log_importer.parsing.cuts import Cells, Clock, Cuts
from log_importer.parsing.extract import Extracting
from log_importer.parsing.fields import Maker, Row, compile_field
from log_importer.parsing.json_driver import JsonDriver
from log_importer.parsing.regex_driver import RegexDriver
from log_importer.parsing.spec import FieldSpec, FormatSpec
from log_importer.parsing.times import clock_parts, compile_begin, compile_time, second_slot
from log_importer.parsing.w3c_driver import W3cDriver

_ABSOLUTE = frozenset({"http", "HTTP", "Http"})
_ORIGIN = re.compile(r"^https?://[^/?#]*", re.IGNORECASE)
_FIELDS = {name: index for index, name in enumerate(Hit._fields)}
_TIME, _CLIENT, _PATH, _QUERY, _EXTRA = (_FIELDS[name] for name in ("time", "client_ip", "path", "query", "extra"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user says about how to read any format."""

    zone: tzinfo = UTC  # of times that are logged without one
    accept_any_client: bool = False  # a client that is no address becomes 0.0.0.0
    extra: tuple[str, ...] = ()  # columns that are no fields and wanted nevertheless
    client_from: str = ""  # the field or column with the addresses that proxies saw; "": nobody stands between
    trusted: tuple[str, ...] = ()  # networks of proxies that are believed; (): the one that wrote the log is


@dataclass(frozen=True, slots=True)
class Parser:
    """A compiled format, for the columns in force."""

    name: str
    columns: tuple[str, ...]
    parse: Callable[[str], Hit | Rejected]
    stopped_at: Callable[[str], int]
    """Where on a rejected line reading stopped, as a character index; slow, for messages."""
    read_all: Callable[[Sequence[str]], Columns]
    """Many lines at once, those that can be; all others are for `parse`."""
    part: Callable[[frozenset[str]], "Part"]
    """What reads some fields of a hit and no others."""
    required: frozenset[str]
    """The fields without which a line is no hit."""
    times: Callable[[Columns], Sequence[float | None]]
    """When each line of columns was logged, in seconds since 1970 UTC."""
    cuts: Callable[[], Mapping[int, Cuts]]
    """How lines can be cut, by their quotes, where they are cut at those."""
    clock: Clock
    renew: Callable[[], None] | None = None
    """What begins anew with each chunk: the patience with a pattern of a user's."""


class Part(NamedTuple):
    """Reads some fields of a hit."""

    places: Sequence[int]  # of the columns that it needs
    read: Callable[[Sequence[str | None]], Hit | None]
    """The values of these columns -> a hit with these fields, others empty; `None` where only `parse` can say."""
    certain: Callable[[Sequence[str | None]], bool] | None = None
    """Whether all of several values of its only column surely give one."""


def compile_parser(spec: FormatSpec, header: str = "", reading: Reading | None = None) -> Parser:
    """Compiles `spec`; `header` is the `#Fields:` line in force, for the w3c driver.

    Raises `FormatError` where a field names a column that the format does not have.
    """
    reading = reading or Reading()
    driver = _driver(spec, header, reading.extra)
    places = {column: index for index, column in enumerate(driver.columns)}
    if spec.driver == "regex":
        _check_columns(spec, places)
    makers = [(_FIELDS[name], _maker(name, field, places, spec, reading)) for name, field in spec.fields.items()]
    required = tuple(
        _FIELDS[name]
        for name, field in spec.fields.items()
        if field.required and name not in ("time", "client_ip", "path")
    )
    extra = [(name, places[name]) for name in reading.extra if name in places]
    absent = spec.absent
    read = driver.read
    blank: list[object] = [None] * len(_FIELDS)
    unreadable, bad_client, bad_time = Rejected("unreadable"), Rejected("client-address"), Rejected("time")
    too_slow = Rejected("pattern-time")
    behind = compile_client(reading.trusted) if reading.client_from else None
    as_field, as_column = _FIELDS.get(reading.client_from), places.get(reading.client_from)
    anyone = "0.0.0.0" if reading.accept_any_client else None  # noqa: S104 - an address to send, none to bind

    def settle_client(values: list[object], row: Row) -> bool:
        client = values[_CLIENT]
        if behind is not None:
            listed = row[as_column] if as_column is not None else None
            client = behind(values[as_field] if as_field is not None else listed, client)
        values[_CLIENT] = (client_address(client) if isinstance(client, str) else None) or anyone
        return values[_CLIENT] is not None

    def parse(line: str) -> Hit | Rejected:
        try:
            row = read(line)
        except TimeoutError:
            return too_slow
        if row is None:
            return unreadable
        values = blank.copy()
        for index, make in makers:
            values[index] = make(row)
        if not isinstance(values[_PATH], str):
            return unreadable
        if values[_TIME] is None:
            return bad_time
        if not settle_client(values, row):
            return bad_client
        for index in required:
            if values[index] is None:
                return unreadable
        _settle_path(values)
        if extra:
            found = {name: row[place] for name, place in extra}
            values[_EXTRA] = {name: text for name, text in found.items() if text is not None and text not in absent}
        return Hit(*values)  # type: ignore[arg-type]

    def part(fields: frozenset[str]) -> Part:
        columns = {column for name, field in spec.fields.items() if name in fields for column in field.all_columns}
        client = "client_ip" in fields
        if client and reading.client_from:
            behind_field = spec.fields.get(reading.client_from)
            columns |= set(behind_field.all_columns) if behind_field else {reading.client_from}
        wanted = [place for column, place in places.items() if column in columns]
        used = fields | ({reading.client_from} if client else set())
        mine = [(index, make) for index, make in makers if Hit._fields[index] in used]
        needed = [index for index in required if Hit._fields[index] in fields]

        path = "path" in fields
        no_row: list[str | None] = [None] * len(driver.columns)
        others: list[object] = [*Hit(0.0, "", "")]

        def read_part(cells: Sequence[str | None]) -> Hit | None:
            row, values = no_row.copy(), others.copy()
            for place, cell in zip(wanted, cells, strict=True):
                row[place] = cell
            for index, make in mine:
                values[index] = make(row)
            if client and not settle_client(values, row):
                return None
            for index in needed:
                if values[index] is None:
                    return None
            if path:
                if not isinstance(values[_PATH], str):
                    return None
                _settle_path(values)
            return Hit._make(values)

        def read_client(cells: Sequence[str | None]) -> Hit | None:
            cell = cells[0]
            return Hit(0.0, cell, "") if cell is not None and is_ipv4(cell) else read_part(cells)

        plain = fields == {"client_ip"} and not reading.client_from and not spec.fields["client_ip"].decode
        first = [places.get(column) for column in spec.fields["client_ip"].columns[:1]] if plain else []
        return Part(wanted, read_client, are_ipv4) if wanted and first == wanted else Part(wanted, read_part)

    times, clock = _compile_times(spec, places, reading, part(frozenset({"time"})))
    return Parser(
        spec.name, driver.columns, parse, driver.stopped_at, driver.read_all, part,
        frozenset(name for name, field in spec.fields.items() if field.required), times, driver.cuts, clock,
        getattr(driver, "renew", None),
    )  # fmt: skip


def _settle_path(values: list[object]) -> None:
    path = values[_PATH]
    assert isinstance(path, str)
    if path[:4] in _ABSOLUTE:
        # A request in absolute form, as proxies get it: the host in it is the client's choice, not ours.
        values[_PATH] = path = _ORIGIN.sub("", path)
        if not path.startswith("/"):
            values[_PATH] = path = f"/{path}"
    if "?" in path and values[_QUERY] is None:
        values[_PATH], _, values[_QUERY] = path.partition("?")


def _compile_times(
    spec: FormatSpec, places: dict[str, int], reading: Reading, part: Part
) -> tuple[Callable[[Columns], Sequence[float | None]], Clock]:
    field = spec.fields["time"]
    other = field.otherwise
    alone = other is None or not (other.value or other.default or places.keys() & set(other.all_columns))
    plain = alone and not field.decode and field.value is None and field.default is None
    if plain and (len(field.columns) == 1 or field.join):
        zone = reading.zone if field.zone is None else named_zone(field.zone, spec.origin)
        layout = field.layout or "iso8601"
        one = compile_time(layout, zone, field.unit)
        wanted = [places[column] for column in field.columns if column in places]

        def of_columns(columns: Columns) -> Sequence[float | None]:
            if len(wanted) < len(field.columns):
                return [None] * len(columns.places)
            cells = [columns.values[place] for place in wanted]
            if len(cells) == 1:
                return [None if text is None else one(text) for text in cells[0]]
            return [None if None in row else one(" ".join(row)) for row in zip(*cells, strict=True)]

        slot = second_slot(layout)
        in_last = slot if len(wanted) < 2 else _slot_in_last(layout, slot)
        parts = max(1, min(clock_parts(layout, zone), in_last // 3 + 1))
        of_begin = one if slot < 0 else compile_begin(layout, zone, parts)

        def whole(cells: Cells) -> str | None:
            present = [cell for cell in cells if cell is not None]
            return " ".join(present) if len(present) == len(cells) == len(field.columns) else None

        def tell(cells: Cells) -> float | None:
            text = whole(cells)
            return None if text is None else one(text)

        def begin(cells: Cells) -> float | None:
            text = whole(cells)
            return None if text is None else of_begin(text)

        return of_columns, Clock(wanted, in_last, tell, begin, parts)

    def of_rows(columns: Columns) -> Sequence[float | None]:
        found = map(part.read, zip(*(columns.values[place] for place in part.places), strict=True))
        return [None if hit is None else hit.time for hit in found]

    def tell_row(cells: Cells) -> float | None:
        hit = part.read(cells)
        return None if hit is None else hit.time

    return of_rows, Clock(part.places, -1, tell_row, tell_row)


def _slot_in_last(layout: str, slot: int) -> int:
    """Where in the last of several cells, which a blank joins, that place of their text is; -1 where in another."""
    before = _JOINED_ISO if layout == "iso8601" else slot - second_slot(layout.rpartition(" ")[2])
    return slot - before if slot >= before and (layout == "iso8601" or "%S" in layout.rpartition(" ")[2]) else -1


_JOINED_ISO = len("2000-01-01 ")


def _driver(spec: FormatSpec, header: str, extra: tuple[str, ...]) -> RegexDriver | W3cDriver | JsonDriver | Extracting:
    driver: RegexDriver | W3cDriver | JsonDriver
    if spec.driver == "regex":
        driver = RegexDriver(spec)
    elif spec.driver == "w3c":
        driver = W3cDriver(spec, header)
    else:
        wanted = dict.fromkeys(column for field in spec.fields.values() for column in field.all_columns)
        driver = JsonDriver(spec, tuple(dict.fromkeys([*wanted, *spec.extract, *extra])))
    return Extracting(driver, spec) if spec.extract else driver


def _check_columns(spec: FormatSpec, places: dict[str, int]) -> None:
    for name, field in spec.fields.items():
        for column in field.all_columns:
            if column not in places:
                raise FormatError(f"{spec.origin}: fields.{name} names the column {column!r}, which no pattern has.")


def _maker(name: str, field: FieldSpec, places: dict[str, int], spec: FormatSpec, reading: Reading) -> Maker:
    zone = reading.zone if field.zone is None else named_zone(field.zone, spec.origin)
    make = compile_field(name, field, places, spec.absent, zone)
    if field.otherwise is None:
        return make
    other = _maker(name, field.otherwise, places, spec, reading)

    def first(row: Row) -> object:
        value = make(row)
        return other(row) if value is None else value

    return first


@lru_cache(maxsize=64)
def named_zone(name: str, origin: str) -> tzinfo:
    """The time zone `name` (IANA); raises `FormatError` where there is none."""
    from zoneinfo import ZoneInfo  # reads the zone's file once, when a format or the user names it

    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise FormatError(f"{origin}: {name!r} is not a time zone.", "Name one such as Europe/Paris.") from None
