"""Columns -> fields: each field of a format compiled to one function of a line's row."""

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from log_importer.parsing.decoders import Decoder, compile_decoders
from log_importer.parsing.spec import UNITS, FieldSpec
from log_importer.parsing.times import compile_time

Row = Sequence[str | None]
Maker = Callable[[Row], Any]
"""A row -> the field's value, `None` where it has none."""


def compile_field(name: str, spec: FieldSpec, places: Mapping[str, int], absent: frozenset[str], zone: tzinfo) -> Maker:
    """The maker of field `name`; `places` says where in a row each column stands."""
    text = _compile_text(spec, places, absent)
    convert = _converter(name, spec, zone)
    if convert is None:
        return text

    def make(row: Row) -> Any:
        value = text(row)
        return None if value is None else convert(value)

    return make


def _compile_text(spec: FieldSpec, places: Mapping[str, int], absent: frozenset[str]) -> Maker:
    if spec.value is not None:
        constant = spec.value
        return lambda _: constant
    indices = [places[column] for column in spec.columns if column in places]
    decode = compile_decoders(spec.decode)
    default = spec.default
    if spec.join:
        if len(indices) < len(spec.columns):
            return lambda _: default
        return _joined(indices, absent, decode, default)
    if len(indices) == 1 and decode is None and default is None:
        only = indices[0]

        def one(row: Row) -> str | None:
            value = row[only]
            return None if value in absent else value

        return one

    def first_present(row: Row) -> str | None:
        for index in indices:
            value = row[index]
            if value is not None and value not in absent:
                return decode(value) if decode else value
        return default

    return first_present


def _joined(indices: Sequence[int], absent: frozenset[str], decode: Decoder | None, default: str | None) -> Maker:
    def joined(row: Row) -> str | None:
        values = [row[index] for index in indices]
        if any(value is None or value in absent for value in values):
            return default
        text = " ".join(value for value in values if value is not None)
        return decode(text) if decode else text

    return joined


def _converter(name: str, spec: FieldSpec, zone: tzinfo) -> Callable[[str], Any] | None:
    if name == "time":
        return compile_time(spec.layout or "iso8601", zone, spec.unit)
    if name == "duration":
        return _duration(UNITS[spec.unit or "s"])
    if name in ("status", "bytes_sent"):
        return _integer
    return None


def _integer(text: str) -> int | None:
    # A log line can hold digits without end, and int() refuses more than 4,300 of them.
    return int(text) if len(text) < 20 and text.isascii() and text.isdigit() else None


def _duration(scale: float) -> Callable[[str], float | None]:
    def duration(text: str) -> float | None:
        try:
            value = float(text)
        except ValueError:
            return None
        return round(value * scale, 9) if 0 <= value < 1e15 else None

    return duration
