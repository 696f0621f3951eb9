"""Lines -> hits, in what real and hostile logs hold."""

import time

import pytest

from log_importer.model import Hit, Rejected
from log_importer.parsing.linear import ambiguity
from log_importer.parsing.lines import LineReader
from log_importer.parsing.parser import Reading
from log_importer.parsing.spec import FormatSpec, load
from log_importer.settings.format_files import load_formats

FORMATS = load_formats()
COMBINED = FORMATS["combined"]
LINE = '192.0.2.1 - - [10/Oct/2025:13:55:36 +0000] "{}" 200 1 "{}" "{}"'


def hit(line: str, spec: FormatSpec = COMBINED) -> Hit:
    outcome = LineReader(spec).read(line)
    assert isinstance(outcome, Hit), outcome
    return outcome


@pytest.mark.parametrize(
    ("request_line", "method", "path", "query"),
    [
        ("GET /a?b=c?d HTTP/1.1", "GET", "/a", "b=c?d"),
        ("GET /a? HTTP/1.1", "GET", "/a", ""),
        ("GET / HTTP/2", "GET", "/", None),
        ("GET /a b HTTP/1.1", "GET", "/a b", None),
        ("GET /HTTP/1.1 HTTP/1.1", "GET", "/HTTP/1.1", None),
        (r"GET /\"x\" HTTP/1.1", "GET", '/"x"', None),
        ("GET http://example.org/x?y HTTP/1.1", "GET", "/x", "y"),
        ("GET HTTP://docs.zip HTTP/1.1", "GET", "/", None),
        ("GET /http://x HTTP/1.1", "GET", "/http://x", None),
        ("-", None, "", None),
        ("", None, "", None),
        (r"\x16\x03\x01", None, "\x16\x03\x01", None),
        ("quit", None, "quit", None),
    ],
)
def test_a_request_line_is_taken_apart(request_line: str, method: str | None, path: str, query: str | None) -> None:
    found = hit(LINE.format(request_line, "-", "-"))
    assert (found.method, found.path, found.query) == (method, path, query)


def test_escaped_quotes_stay_inside_their_column() -> None:
    found = hit(LINE.format("GET / HTTP/1.1", r"http://a/?\"q\"", r"say \"hi\" \\"))
    assert (found.referrer, found.user_agent) == ('http://a/?"q"', 'say "hi" \\')


def test_a_byte_that_is_no_utf8_is_kept() -> None:
    line = LINE.format("GET / HTTP/1.1", "-", "caf\udce9")
    assert hit(line).user_agent == "caf\udce9"


@pytest.mark.parametrize("line", ["", "   ", "\t"])
def test_a_blank_line_is_no_hit_and_no_fault(line: str) -> None:
    assert LineReader(COMBINED).read(line) == "blank"


def test_a_comment_is_told_from_a_directive() -> None:
    reader = LineReader(FORMATS["iis"])
    assert [reader.read(line) for line in ("#Remark: x", "# words")] == ["directive", "comment"]
    assert LineReader(COMBINED).read("# logrotate was here") == "comment"


def test_a_second_header_takes_effect_from_there() -> None:
    reader = LineReader(FORMATS["iis"])
    lines = [
        "#Fields: date time c-ip cs-uri-stem sc-status sc-win32-status",
        "2026-03-01 00:00:01 192.0.2.1 /a 200 0",
        "#Fields: date time sc-status sc-win32-status c-ip cs-uri-stem",
        "2026-03-01 00:00:02 404 0 192.0.2.2 /b",
    ]
    outcomes = [reader.read(line) for line in lines]
    hits = [(one.client_ip, one.path, one.status) for one in outcomes if isinstance(one, Hit)]
    assert hits == [("192.0.2.1", "/a", 200), ("192.0.2.2", "/b", 404)]


def test_a_client_that_is_no_address_can_be_taken_as_nobody() -> None:
    line = LINE.format("GET / HTTP/1.1", "-", "-").replace("192.0.2.1", "host.example")
    assert LineReader(COMBINED).read(line) == Rejected("client-address")
    outcome = LineReader(COMBINED, Reading(accept_any_client=True)).read(line)
    assert isinstance(outcome, Hit)
    assert outcome.client_ip == "0.0.0.0"


def test_json_takes_numbers_lists_and_nested_keys() -> None:
    spec = load(
        """
        schema = 1
        name = "deep"
        title = "nested"
        driver = "json"
        [fields]
        time = { from = "ts", layout = "epoch" }
        client_ip = ["missing", "request/remote_ip"]
        path = "request/uri"
        user_agent = "request/headers/User-Agent/0"
        status = "status"
        duration = { from = "duration", unit = "ns" }
        """.replace(
            'client_ip = ["missing", "request/remote_ip"]', 'client_ip = { from = ["no", "request/remote_ip"] }'
        ),
        "deep.toml",
    )
    line = (
        '{"ts": 1772359201.5, "request": {"remote_ip": "192.0.2.1", "uri": "/a?b", "headers": {"User-Agent": ["x"]}},'
        ' "status": 200, "duration": 1500000}'
    )
    found = hit(line, spec)
    assert (found.time, found.client_ip, found.path, found.query) == (1772359201.5, "192.0.2.1", "/a", "b")
    assert (found.user_agent, found.status, found.duration) == ("x", 200, 0.0015)


def test_a_column_with_several_values_is_taken_apart() -> None:
    spec = load(
        r"""
        schema = 1
        name = "two"
        title = "a request column"
        driver = "w3c"
        [w3c]
        columns = ["time", "ip", "request"]
        delimiter = "|"
        [extract.request]
        pattern = '(?P<verb>[A-Z]++)\ (?P<target>[^\ ]++)'
        [fields]
        time = { from = "time", layout = "epoch" }
        client_ip = "ip"
        method = "verb"
        path = "target"
        """,
        "two.toml",
    )
    found = hit("12|192.0.2.1|GET /x HTTP/1.1", spec)
    assert (found.method, found.path) == ("GET", "/x")


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+b", ".*a.*b", "[^ ]+[^:]+:", "(?:a|ab)*c", r"(x*)*", "a*[ab]", "(?:a*b*)*+c", r"\S+\s*\S+"],
)
def test_a_pattern_that_can_backtrack_is_not_proved(pattern: str) -> None:
    assert ambiguity(pattern) is not None


@pytest.mark.parametrize(
    "pattern", ["[^ ]+\\ [^ ]+", '(?:[^"]++|\\.)*+', "a++a", "[0-9]+(?:\\.[0-9]+)?x", "(?:a|b)*+", "[^,]*,[^,]*"]
)
def test_a_pattern_with_one_way_only_is_proved(pattern: str) -> None:
    assert ambiguity(pattern) is None


def test_a_pattern_of_a_user_that_takes_for_ever_is_stopped() -> None:
    text = """
        schema = 1
        name = "slow"
        title = "catastrophic"
        driver = "regex"
        [regex]
        pattern = '(?P<a>(?:x+x+)+)y(?P<b>.)(?P<c>.)'
        [fields]
        time = { from = "a", layout = "epoch" }
        client_ip = "b"
        path = "c"
        """
    reader = LineReader(load(text, "slow.toml"))
    began = time.monotonic()
    assert reader.read("x" * 5000) == Rejected("pattern-time")
    assert time.monotonic() - began < 120  # without a limit it would be longer than anyone lives
