"""The format that a user chooses: keys of JSON, a pattern, the columns of a W3C log, and how times are written."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run

LINE = '192.0.2.17 - - [10/Oct/2025:13:55:36 +0200] "GET /a?b=1 HTTP/1.1" 200 12 "-" "Mozilla/5.0" 1500\n'
INCUMBENT = (
    r"(?P<ip>[\w*.:-]+) \S+ (?P<userid>\S+) \[(?P<date>.*?) (?P<timezone>.*?)\] \"(?P<method>\S+) (?P<path>.*?)"
    r"(?:\?(?P<query_string>\S+))? \S+\" (?P<status>\d+) (?P<length>\S+) \"(?P<referrer>.*?)\" \"(?P<user_agent>.*?)\""
    r" (?P<generation_time_micro>\d+)"
)
LOGGED = {
    "ip": "192.0.2.17", "path": "/a", "status": "200", "generation_time_milli": 0.1, "date": "2025-10-10T13:55:36Z",
}  # fmt: skip
OBJECT = {
    "when": 1760104536586, "remote": ["192.0.2.17", "10.0.0.1"], "took": "12", "dotted.key": "GET", "code": 200.0,
    "req": {"uri": "/a?b=1", "h": {"User-Agent": ["Mozilla/5.0"]}},
}  # fmt: skip


def hits(run: Run, folder: Path, content: str, *arguments: str) -> list[dict[str, Any]]:
    (folder / "a.log").write_text(content)
    done = run("explain", *arguments, "a.log")
    assert done.code == 0, done
    return [json.loads(row).get("hit", {}) for row in done.out.splitlines()]


def test_the_keys_of_any_json_can_be_named(run: Run, tmp_path: Path) -> None:
    fields = [
        "time=when", "client_ip=nothing,remote", "path=req.uri", "user_agent=req.h.User-Agent.0", "duration=took:ms",
        "method=dotted.key", "status=code",
    ]  # fmt: skip
    options = [text for field in fields for text in ("--json-field", field)]
    content = json.dumps(OBJECT) + "\n" + json.dumps({**OBJECT, "took": None, "code": "-"}) + '\n{"level":"info"}\n'
    first, second, third = hits(run, tmp_path, content, *options)
    assert first == {
        "time": "2025-10-10T13:55:36.586000Z", "client_ip": "192.0.2.17", "path": "/a", "query": "b=1", "method": "GET",
        "status": 200, "duration": 0.012, "user_agent": "Mozilla/5.0",
    }  # fmt: skip
    assert second == {key: value for key, value in first.items() if key not in ("duration", "status")}
    assert third == {}


def test_a_key_can_be_changed_in_a_format_that_is_named(run: Run, tmp_path: Path) -> None:
    line = json.dumps({**LOGGED, "v": "x.example"}) + "\n"
    found = hits(run, tmp_path, line, "--log-format-name", "nginx_json", "--json-field", "host=v")
    assert (found[0]["host"], found[0]["duration"]) == ("x.example", 0.1)


def test_a_pattern_with_the_names_that_import_logs_has_is_read(run: Run, tmp_path: Path) -> None:
    found = hits(run, tmp_path, LINE, "--log-format-regex", INCUMBENT)
    assert found == [{
        "time": "2025-10-10T11:55:36Z", "client_ip": "192.0.2.17", "path": "/a", "query": "b=1", "method": "GET",
        "status": 200, "bytes_sent": 12, "duration": 0.0015, "user_agent": "Mozilla/5.0",
    }]  # fmt: skip


@pytest.mark.parametrize(
    ("time", "layout", "expected"),
    [
        ("10.10.2025 13:55:36", "%d.%m.%Y %H:%M:%S", "2025-10-10T11:55:36Z"),
        ("2025-10-10T13:55:36.5+04:00", "iso8601", "2025-10-10T09:55:36.500000Z"),
        ("1760104536", "epoch", "2025-10-10T13:55:36Z"),
        ("Fri, 10 Oct 2025 13:55:36 GMT", "any", "2025-10-10T13:55:36Z"),
        ("Fri Oct 10 13:55:36 2025", None, "2025-10-10T11:55:36Z"),
        ("10/Oct/2025:13:55:36", None, "2025-10-10T11:55:36Z"),
        ("1760104536586123", None, "2025-10-10T13:55:36.586123Z"),
        # The clock jumps from 02:00 to 03:00 there; what is read is the moment that an hour earlier would be.
        ("2025-03-30 02:30:00", None, "2025-03-30T01:30:00Z"),
        ("2025-10-26 02:30:00", None, "2025-10-26T00:30:00Z"),  # it is there twice: the first
    ],
)  # fmt: skip
def test_a_time_is_read_as_it_is_written(
    time: str, layout: str | None, expected: str, run: Run, tmp_path: Path
) -> None:  # fmt: skip
    options = ["--log-date-format", layout] if layout else []
    pattern = r"(?P<ip>\S+)\|(?P<date>[^|]+)\|(?P<path>.*)"
    line = f"192.0.2.17|{time}|/a\n"
    found = hits(run, tmp_path, line, "--timezone", "Europe/Berlin", "--log-format-regex", pattern, *options)
    assert found[0]["time"] == expected


@pytest.mark.parametrize("time", ["13:55:36", "Oct 10", "10 Oct 2025 13:55 CET", "yesterday"])
def test_a_time_that_may_mean_several_is_rejected(time: str, run: Run, tmp_path: Path) -> None:
    pattern = r"(?P<ip>\S+)\|(?P<date>[^|]+)\|(?P<path>.*)"
    (tmp_path / "a.log").write_text(f"192.0.2.17|{time}|/a\n")
    done = run("explain", "--log-format-regex", pattern, "a.log")
    assert json.loads(done.out)["reason"] == "time"


W3C = (
    "#Fields: date time ip cs-method cs-uri-stem sc-status time-taken info\n"
    "2025-10-10 11:55:36 192.0.2.17 GET /a 200 42 u=anna;h=x.example\n"
)


def test_columns_of_other_names_and_units_are_told(run: Run, tmp_path: Path) -> None:
    found = hits(
        run, tmp_path, W3C, "--w3c-map-field", "ip=c-ip", "--w3c-time-taken-millisecs",
        "--w3c-field-regex", r"info=u=(?P<userid>[^;]+);h=(?P<host>.+)",
    )  # fmt: skip
    assert found[1] == {
        "time": "2025-10-10T11:55:36Z", "client_ip": "192.0.2.17", "method": "GET", "path": "/a", "status": 200,
        "duration": 0.042, "user_id": "anna", "host": "x.example",
    }  # fmt: skip
    again = hits(run, tmp_path, W3C, "--w3c-map-field", "ip=c-ip", "--w3c-time-taken-secs")
    assert again[1]["duration"] == 42.0


ODD = {
    "--json-field foo=x": "there is no field 'foo'. There are: time,",
    "--json-field path": "'path' is no pair. Write NAME=VALUE.",
    "--json-field path=x": "does not name the key of time. Add --json-field time=KEY.",
    "--json-field path=, --json-field time=x": "names no key",
    "--json-field duration=x": "a duration has a unit, s, ms, us, ns",
    "--json-field path=x:ms": "a duration has a unit",
    "--json-field path=x --log-format-name combined": "--json-field is for JSON, and combined is regex",
    "--log-format-regex (x": "this is no pattern: missing )",
    "--log-format-regex (?P<path>x)": "has no group for the time. Name one, such as (?P<date>...)",
    "--log-format %h --log-format-name common": "--log-format-name and --log-format each choose the format",
    "--log-date-format %d": "--log-date-format is for one format, and none is chosen",
    "--encoding foo": "'foo' is no encoding",
    "--encoding rot13": "'rot13' is no encoding",
    "--w3c-fields x": "no column holds the time",
    "--w3c-map-field x": "is no pair",
}


@pytest.mark.parametrize("arguments", ODD)
def test_what_cannot_be_is_a_sentence(arguments: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LINE)
    done = run("explain", *arguments.split(" "), "a.log")
    assert (done.code, done.out) == (2, "")
    assert ODD[arguments] in done.err
    assert done.err.count("\n") == 1


def test_a_pattern_that_takes_for_ever_stops_its_source_and_the_next_is_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "slow.log").write_text(f"/{'x' * 60}!y1|192.0.2.17\n" * 3000)
    (tmp_path / "good.log").write_text("/xxy1760104537|192.0.2.17\n")
    pattern = r"(?P<path>/(?:x|xx)+)[yz](?P<date>[0-9]+)\|(?P<ip>.+)"
    options = ("--local", "--state-dir", "state", "--json", "--log-format-regex", pattern)
    done = run("import", *options, "slow.log", "good.log", timeout=600)  # some hundred times the time limit
    assert done.code == 3
    assert "slow.log: the pattern took too long on" in done.err
    assert done.summary["tracked"] == 1
    assert done.summary["reasons"]["rejected"] == {"pattern-time": 3000}


def test_a_log_that_turns_to_another_format_is_read_on(run: Run, tmp_path: Path) -> None:
    common = '192.0.2.17 - - [10/Oct/2025:13:55:{:02} +0200] "GET /a{} HTTP/1.1" 200 12\n'
    rows = "".join(common.format(number % 60, number) for number in range(200))
    later = "".join(
        json.dumps({**LOGGED, "path": f"/b{number}"}) + "\nnginx: reloaded\n"
        for number in range(100)
    )  # fmt: skip
    found = hits(run, tmp_path, rows + later)
    assert [hit.get("path") for hit in found if hit] == [
        *(f"/a{number}" for number in range(200)), *(f"/b{number}" for number in range(100)),
    ]  # fmt: skip
    done = run("import", "--local", "--state-dir", "state", "--json", "a.log")
    assert (done.summary["tracked"], done.summary["rejected"]) == (300, 100)


def test_a_line_cut_short_is_not_read_in_a_poorer_format(run: Run, tmp_path: Path) -> None:
    whole = '192.0.2.17 - - [10/Oct/2025:13:55:36 +0200] "GET /a HTTP/1.1" 200 1234 "-" "Mozilla/5.0"\n'
    cut = whole[: whole.index("1234") + 2] + "\n"
    found = hits(run, tmp_path, whole * 50 + cut * 3 + whole * 50)
    assert sum(bool(hit) for hit in found) == 100
