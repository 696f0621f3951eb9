"""What collectors put in front of a line is taken off, whatever format is behind."""

import json

import pytest

from log_importer.model import Hit, Rejected
from log_importer.parsing.detect import detect
from log_importer.parsing.lines import LineReader
from log_importer.settings.format_files import load_formats

FORMATS = load_formats()
BEHIND = {
    "combined": '192.0.2.17 - - [10/Oct/2025:13:55:36 +0200] "GET /a?b=1 HTTP/1.1" 200 12 "-" "Mozilla/5.0"',
    "haproxy": '192.0.2.17:33 [06/Feb/2025:12:14:17.2] f b/s 0/0/0/1/1 200 1 - - ---- 1/1/0/0/0 0/0 "GET /a HTTP/2.0"',
    "traefik_json": '{"ClientHost":"192.0.2.17","DownstreamStatus":200,"RequestPath":"/","time":"2025-10-10T11:55:36"}',
}
PREFIXES = [
    "Oct 10 13:55:36 web1 nginx: ",
    "Oct  1 13:55:36.123 web1 haproxy[14389]: ",
    "<190>Oct 10 13:55:36 web1 nginx[12]: ",
    "<190>Oct 10 13:55:36 nginx: ",
    "2025-10-10T13:55:36.123456+02:00 web1 nginx[77]: ",
    "2025-10-10T13:55:36+0200 web1 nginx[77]: ",
    "<134>1 2025-10-10T13:55:36.003Z web1 haproxy 12 - - ",
    '<165>1 2025-10-10T13:55:36.003Z web1 app - ID47 [a@1 b="c \\" ]"][d@1 e="f"] ',
    "<165>1 - - app - - - \ufeff",
    "2025-10-10T13:55:36.009669794Z stdout F ",
    "2025-10-10T13:55:36.009669794Z ",
    "web_1  | ",
    "[pod/web-7d4b/nginx] ",
]
WRAPPERS = [
    lambda line: json.dumps({"log": line + "\n", "stream": "stdout", "time": "2025-10-10T13:55:36.1Z"}),
    lambda line: json.dumps({"MESSAGE": line, "_PID": "12", "__REALTIME_TIMESTAMP": "1760104536000000"}),
    lambda line: json.dumps({"MESSAGE": list(line.encode()), "_PID": "12"}),
    lambda line: json.dumps({"log": f"{PREFIXES[0]}{line}\n", "stream": "stdout", "time": "2025-10-10T13:55:36.1Z"}),
    *((lambda line, prefix=prefix: prefix + line) for prefix in PREFIXES),
]


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("name", BEHIND)
def test_the_format_behind_a_prefix_is_detected_and_read(name: str, wrap) -> None:  # type: ignore[no-untyped-def]
    lines = [wrap(BEHIND[name]), "", wrap(BEHIND[name]), wrap("server started")]
    found = detect(lines, FORMATS.values())
    assert found.best is not None
    assert (found.best.spec.name, found.best.read, found.tied) == (name, 2, ())
    reader = LineReader(FORMATS[name])
    bare = LineReader(FORMATS[name]).read(BEHIND[name])
    assert isinstance(bare, Hit)
    assert [reader.read(line) for line in lines] == [bare, "blank", bare, Rejected("unreadable")]


def test_a_line_behind_a_prefix_is_rejected_for_what_is_wrong_with_it() -> None:
    reader = LineReader(FORMATS["combined"])
    for right, wrong, reason in (("192.0.2.17", "client.example", "client-address"), ("10/Oct", "31/Feb", "time")):
        assert reader.read(PREFIXES[0] + BEHIND["combined"].replace(right, wrong)) == Rejected(reason)


def test_lines_with_and_without_a_prefix_may_be_mixed() -> None:
    reader = LineReader(FORMATS["combined"])
    lines = [PREFIXES[0] + BEHIND["combined"], BEHIND["combined"], PREFIXES[9] + BEHIND["combined"], BEHIND["combined"]]
    assert len({reader.read(line) for line in lines}) == 1
