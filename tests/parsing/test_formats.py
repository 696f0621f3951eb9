"""Every format file proves itself, and adding one touches `formats/` alone."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from log_importer.model import FIELDS
from log_importer.model.errors import FormatError
from log_importer.parsing.check import check
from log_importer.parsing.detect import Detector, detect
from log_importer.parsing.spec import DECODERS, DRIVERS, UNITS, load
from log_importer.parsing.text import split_lines
from log_importer.settings.format_files import load_file, load_formats, packaged_formats
from log_importer.sources.urls import SCHEMES
from tests.conftest import ROOT, SAMPLES
from tests.parsing.test_format_strings import assert_linear

FILES = sorted(packaged_formats().glob("*.toml"))
FORMATS = load_formats()
DETECTOR = Detector(FORMATS.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_format_file_passes_all_checks(path: Path) -> None:
    assert check(load_file(path), DETECTOR) == []


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("nginx-combined.log", "combined"),
        ("nginx.json.log", "nginx_json"),
        ("nginx-documented.json.log", "nginx_json"),
        ("apache-common.log", "common"),
        ("apache-combined.log", "combined"),
        ("apache-vhost_combined.log", "combined_vhost"),
        ("iis-w3c.log", "iis"),
        ("lighttpd.log", "lighttpd"),
        ("haproxy.log", "haproxy"),
        ("caddy.json.log", "caddy_json"),
        ("varnishncsa.log", "varnish"),
        ("squid.log", "squid"),
        ("icecast.log", "icecast2"),
        ("tomcat.log", "common"),
    ],
)
def test_a_log_that_a_server_wrote_is_detected_and_read_to_the_last_line(log: str, expected: str) -> None:
    lines = split_lines((SAMPLES / log).read_text("utf-8", "surrogateescape"))
    found = detect(lines, FORMATS.values())
    assert found.best is not None
    assert (found.best.spec.name, found.tied) == (expected, ())
    assert found.best.lines == found.best.read


def test_detection_does_not_depend_on_the_sources_that_came_before() -> None:
    """Each line is a source of its own, as in a folder of many small files."""
    lines = [
        line
        for path in sorted(SAMPLES.glob("*.log"))
        for line in split_lines(path.read_text("utf-8", "surrogateescape"))[:25]
    ]
    forwards, backwards = Detector(FORMATS.values()), Detector(FORMATS.values())
    first = [forwards.detect([line]) for line in lines]
    second = [backwards.detect([line]) for line in reversed(lines)]
    assert [found.best and found.best.spec.name for found in first] == [
        found.best and found.best.spec.name for found in reversed(second)
    ]


def test_detection_does_not_depend_on_the_order_of_formats() -> None:
    lines = split_lines((SAMPLES / "apache-vhost_combined.log").read_text("utf-8", "surrogateescape"))
    names = {
        found.best.spec.name
        for specs in (list(FORMATS.values()), list(FORMATS.values())[::-1])
        if (found := detect(lines, specs)).best
    }
    assert names == {"combined_vhost"}


def test_one_source_does_not_change_how_the_next_is_detected() -> None:
    """A detector keeps its compiled formats, and nothing of what it read: neither columns nor what stood in front."""
    samples = [split_lines(sample.log) for spec in FORMATS.values() for sample in spec.samples]
    prefixed = [[f"<134>1 2026-03-01T10:00:00Z host app - - - {line}" for line in lines] for lines in samples]
    sources = [*samples, *prefixed, *(lines[::-1] for lines in samples)]  # a header behind its lines
    assert [DETECTOR.detect(lines) for lines in sources] == [detect(lines, FORMATS.values()) for lines in sources]


def test_no_name_or_alias_of_a_format_stands_in_the_code() -> None:
    names = {name for spec in FORMATS.values() for name in (spec.name, *spec.aliases)}
    names -= SCHEMES.keys()  # s3 is a log of that store, and what its URLs begin with
    found = [
        (path.name, node.value)
        for path in (ROOT / "log_importer").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    ]
    assert found == []


def test_packaged_formats_are_read_without_their_samples_and_proofs() -> None:
    """So an import does, which needs neither; that they could be proved is seen here, not at each start."""
    quickly = load_formats(samples=False)
    assert quickly == {name: replace(spec, samples=()) for name, spec in FORMATS.items()}
    for spec in FORMATS.values():
        assert spec.proved
        assert spec.samples
        assert_linear(spec)


GOOD = (packaged_formats() / "common.toml").read_text()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("driver    =", "drivr ="), "drivr is not a key"),
        (('driver    = "regex"', 'driver = "perl"'), "driver must be one of regex, w3c, json"),
        (("schema    = 1", "schema = 2"), "schema must be 1"),
        (('status     = "status"', 'statu = "status"'), "fields.statu is not a field"),
        (('path       = "/apache_pb.gif"', 'path = "/other"'), "path is '/apache_pb.gif', expected '/other'"),
        (("rejected = 1", "rejected = 2"), "1 lines are rejected, and 2 should be"),
        (('"bytes_sent"', '"bytes"'), "names the column 'bytes', which no pattern has"),
        (("{{word client_ip}}", "(?P<client_ip>.*)"), "longer than linear time"),
        (("{{word client_ip}}", "{{words client_ip}}"), "uses the piece {{words client_ip}}; there are request,"),
        (
            ("[fields]", "[detect]\nfields = ['host']\n[fields]"),
            "detect.fields names 'host', which [fields] does not map",
        ),
        (('layout = "%d/%b/%Y:%H:%M:%S %z"', 'layout = ""'), "layout is missing"),
        (("[fields]", "[fields]\nduration = 'bytes_sent'"), "duration.unit is missing"),
    ],
)
def test_a_faulty_format_file_is_told_with_file_and_key(change: tuple[str, str], expected: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD, "the change must apply"
    try:
        spec = load(text, "mine.toml")
        problems = check(spec, Detector([spec]))
    except FormatError as error:
        problems = [str(error)]
    assert any(expected in problem and problem.startswith("mine.toml") for problem in problems), problems


def test_a_format_that_fits_as_well_as_another_is_told() -> None:
    twin = load(GOOD.replace('name      = "common"', 'name = "twin"'), "twin.toml")
    assert any("fit its lines equally well" in problem for problem in check(twin, Detector([*FORMATS.values(), twin])))


def test_a_field_without_a_sample_is_told() -> None:
    text = GOOD.replace("[fields]", '[fields]\nevent_name = { from = "protocol", decode = ["plus"] }').replace(
        'protocol   = "HTTP/1.0"\n', ""
    )
    spec = load(text.replace("HTTP/1.0", "").replace("HTTP/1.1", ""), "mine.toml")
    assert any("fields.event_name has a value in no sample" in problem for problem in check(spec, Detector([spec])))


def test_every_field_and_key_is_in_the_formats_readme() -> None:
    text = (ROOT / "formats" / "README.md").read_text()
    words = {
        *FIELDS,
        *DECODERS,
        *UNITS,
        *DRIVERS,
        "from",
        "join",
        "value",
        "default",
        "required",
        "zone",
        "layout",
    }
    assert [word for word in sorted(words) if f"`{word}`" not in text] == []
