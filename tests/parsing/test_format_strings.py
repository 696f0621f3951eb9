"""A server's own definition of its log becomes a format that reads it, in linear time, or is told what is wrong."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from log_importer.model import Hit
from log_importer.model.errors import FormatError
from log_importer.parsing.check import check
from log_importer.parsing.detect import Detector
from log_importer.parsing.format_strings import document_of, spec_of
from log_importer.parsing.linear import ambiguity
from log_importer.parsing.lines import LineReader
from log_importer.parsing.parser import compile_parser
from log_importer.parsing.spec import FormatSpec, load
from tests.conftest import Run

COMBINED = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
LINE = '192.0.2.17 - anna [10/Oct/2025:13:55:36 +0200] "GET /start?page=2 HTTP/1.1" 200 2326 "-" "Mozilla/5.0 \\"x\\""'
READ: dict[str, tuple[str, str, dict[str, Any]]] = {
    "apache": (COMBINED, LINE, {"path": "/start", "query": "page=2", "user_agent": 'Mozilla/5.0 "x"', "status": 200}),
    "apache statement": (
        'LogFormat "' + COMBINED.replace('"', '\\"') + ' %{ms}T" mine',
        LINE + " 42",
        {"duration": 0.042, "user_id": "anna"},
    ),
    "several ways to say how long": (COMBINED + " %T %D", LINE + " 0 4200", {"duration": 0.0042}),
    "only a list of addresses": (
        "%{X-Forwarded-For}i %{%Y-%m-%d %H:%M:%S}t %m %U%q %>s",
        "192.0.2.17, 10.0.0.1 2025-10-10 13:55:36 GET /a?b=1 200",
        {"client_ip": "192.0.2.17", "forwarded_for": "192.0.2.17, 10.0.0.1", "query": "b=1", "path": "/a"},
    ),
    "conditions and per cent": (
        '%a [%t] %!200,304{Referer}i "%r" 100%% %400X',
        '192.0.2.17 [[10/Oct/2025:13:55:36 +0200]] - "-" 100% +',
        {"path": ""},
    ),
    "nginx with several upstreams": (
        '$remote_addr [$time_local] "$request" $status $upstream_response_time $upstream_status $request_time',
        '192.0.2.17 [10/Oct/2025:13:55:36 +0200] "GET / HTTP/2.0" 200 0.1, 0.2 : 0.3 502, 502 : 200 0.7',
        {"duration": 0.7, "status": 200, "protocol": "HTTP/2.0"},
    ),
    "nginx in several strings": (
        "log_format main '$remote_addr - $remote_user [$time_local] '\n  '\"$request\" $status';",
        '2001:db8::7 - a b [10/Oct/2025:13:55:36 +0200] "GET / HTTP/1.1" 304',
        {"client_ip": "2001:db8::7", "user_id": "a b"},
    ),
    "nginx, braces and milliseconds": (
        "${msec};${remote_addr};${request_method};${scheme}://${host}${request_uri};${http_user_agent}",
        "1760104536.586;192.0.2.17;GET;https://shop.example.org:8443/a?b=1;Mozilla/5.0 (X11, Linux)",
        {"time": 1760104536.586, "host": "shop.example.org", "scheme": "https", "path": "/a", "query": "b=1"},
    ),
    "the request without quotes": (
        "$remote_addr $time_iso8601 $request $status",
        "192.0.2.17 2025-10-10T13:55:36+02:00 GET /a HTTP/1.1 200",
        {"path": "/a", "method": "GET", "status": 200},
    ),
    "nginx JSON": (
        """log_format j escape=json '{"t":"$time_iso8601","c":{"ip":"$remote_addr"},"r":"$request","s":$status}';""",
        '{"t":"2025-10-10T13:55:36+02:00","c":{"ip":"192.0.2.17"},"r":"GET /two words HTTP/1.1","s":200}',
        {"path": "/two words", "client_ip": "192.0.2.17", "status": 200},
    ),
    "haproxy": (
        '%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r',
        '2001:db8::7:33 [06/Feb/2025:12:14:14.655] f b/s 1/0/3/6/109 200 2750 - - ---- 1/1/1/1/0 0/0 {"b"} {} "GET /a"',
        {"client_ip": "2001:db8::7", "duration": 0.109, "bytes_sent": 2750, "path": "/a"},
    ),
    "haproxy, nothing captured": (
        "log-format %ci:%cp\\ [%tr]\\ %ST\\ %hr\\ %hs\\ %{+Q}r",
        '192.0.2.17:3333 [06/Feb/2025:12:14:14.655] 200 "GET /a HTTP/1.1"',
        {"client_ip": "192.0.2.17", "status": 200},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_line_is_read_by_the_definition_that_wrote_it(name: str) -> None:
    text, line, wanted = READ[name]
    hit = LineReader(spec_of(text)).read(line)
    assert isinstance(hit, Hit), hit
    assert {key: getattr(hit, key) for key in wanted} == wanted


@pytest.mark.parametrize("name", READ)
def test_a_definition_passes_the_checks_of_a_format_file(name: str) -> None:
    text, line, _ = READ[name]
    sample = f"\n[[sample]]\nlog = '''\n{line}\n'''\n"
    spec = load(document_of(text) + sample, "mine.toml")
    problems = check(spec, Detector([spec]))
    assert [problem for problem in problems if "linear" in problem or "pattern" in problem] == []


WRONG = {
    '%h %t "%r" %{User-Agent}i %s': "user-agent may hold blanks, and nothing but a blank tells where it ends",
    "$remote_addr $time_local $http_cookie $request": "cookie may hold blanks",
    "%h%l %t %r": "nothing tells where remote host ends and logname begins",
    "$request $status": "no column holds the time",
    '%h "%r"': "no column holds the time",
    "%t %r": "no column holds the client's address",
    "%h %t %s": "no column holds the path",
    "combined": "no format string of Apache, nginx or HAProxy",
    "%h %t %r %~": "'%~' is no column of Apache's",
    "%h %{%c}t %r": "times with %c cannot be read",
    '{"ip":"$remote_addr", "t": $msec': "begins as JSON, but is none",
    '{"a":"$request x","b":"$request y","t":"$msec","ip":"$remote_addr"}': "stands in several keys",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(FormatError, match=re.escape(WRONG[text])) as raised:
        spec_of(text)
    assert str(raised.value).startswith("--log-format: ")


VARIABLES = [
    "$remote_addr", "$time_local", "$time_iso8601", "$msec", "$request", "$request_uri", "$uri", "$args", "$is_args",
    "$host", "$http_host", "$scheme", "$status", "$body_bytes_sent", "$request_time", "$upstream_addr", "$remote_user",
    "$upstream_response_time", "$http_user_agent", "$http_referer", "$http_x_forwarded_for", "$http_cookie", "$foo",
    "$connection", "$http_x_1",
]  # fmt: skip
LITERALS = [
    " ",
    "  ",
    '"',
    '" "',
    "|",
    ",",
    ", ",
    ";",
    "[",
    "]",
    "] [",
    "\t",
    "://",
    "/",
    ":",
    "-",
    " - ",
    "",
    "x",
    "\\",
    "{",
    "}",
]


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.sampled_from(VARIABLES), st.sampled_from(LITERALS)), min_size=1, max_size=12),
    st.sampled_from(["", '"', "[", "{", " "]),
)
def test_any_definition_is_refused_or_becomes_patterns_in_linear_time(parts: Any, first: str) -> None:
    base = '$remote_addr [$time_local] "$request" '
    try:
        spec = spec_of(base + first + "".join(variable + literal for variable, literal in parts))
    except FormatError:
        return
    assert_linear(spec)
    parser = compile_parser(spec)
    for line in ("", LINE, '"' * 50, " " * 50):
        parser.parse(line)


def assert_linear(spec: FormatSpec) -> None:
    patterns = [*spec.extract.values(), *([spec.options["pattern"]] if spec.driver == "regex" else [])]
    assert [problem for pattern in patterns if (problem := ambiguity(pattern))] == []


def test_the_format_file_of_a_definition_can_be_kept_and_used(run: Run, tmp_path: Path) -> None:
    text = COMBINED + " %D"
    shown = run("formats", "show", "--log-format", text)
    (tmp_path / "mine.toml").write_text(shown.out.replace('"log-format"', '"mine"'))
    (tmp_path / "a.log").write_text(f"{LINE} 1500\n" * 3)
    by_file = run("explain", "--format-file", "mine.toml", "--log-format-name", "mine", "a.log")
    by_text = run("explain", "--log-format", text, "a.log")
    assert by_file.out.replace('"mine"', '"log-format"') == by_text.out
    assert by_text.out.count('"duration":0.0015') == 3


def test_the_columns_of_a_headerless_w3c_log_choose_the_format_that_knows_them(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("2025-10-10 11:55:36 192.0.2.17 /start 200 0 42\n")
    fields = "#Fields: date time c-ip cs-uri-stem sc-status sc-win32-status time-taken"
    for option in ("--log-format", "--w3c-fields"):
        done = run("explain", option, fields, "a.log")
        assert '"format":"iis"' in done.out
        assert '"duration":0.042' in done.out
    shown = run("formats", "show", "--log-format", fields)
    assert load(shown.out, "iis.toml").options["columns"] == fields.split()[1:]
