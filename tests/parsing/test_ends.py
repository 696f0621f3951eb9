"""The time at the end of a run of lines."""

import pytest

from log_importer.parsing.ends import Ends
from log_importer.parsing.parser import Reading
from log_importer.settings.format_files import load_formats

FORMATS = load_formats()
NOON = 1772366400.0  # 2026-03-01 12:00 UTC
HEADER = "#Fields: date time s-ip cs-method cs-uri-stem c-ip cs(User-Agent) sc-status sc-win32-status"


def line(second: int) -> bytes:
    clock = f"{12 + second // 3600}:{second // 60 % 60:02}:{second % 60:02}"
    return f'192.0.2.1 - - [01/Mar/2026:{clock} +0000] "GET /a HTTP/1.1" 200 10 "-" "Mozilla/5.0"\n'.encode()


def ends(name: str = "combined") -> Ends:
    others = [spec for spec in FORMATS.values() if spec.detect_automatically and spec.driver != "w3c"]
    return Ends(FORMATS.get(name), others, Reading(), "utf-8")


def test_it_is_the_middle_one_of_the_last_hits() -> None:
    assert ends().time(b"".join(map(line, range(100))), "", NOON + 3600) == NOON + 97
    assert ends().time(line(7), "", NOON + 3600) == NOON + 7


def test_one_odd_clock_says_nothing() -> None:
    data = b"".join(map(line, [1, 2, 3, 4, 3500]))
    assert ends().time(data, "", NOON + 3600) == NOON + 3
    assert ends().time(data + line(3500) * 4, "", NOON + 60) == NOON + 2


@pytest.mark.parametrize("behind", [b"\n\n# logrotate was here\n", b"garbage\n" * 20, line(9)[:30]])
def test_lines_that_are_no_hits_are_passed_over(behind: bytes) -> None:
    assert ends().time(line(5) + behind, "", NOON + 3600) == NOON + 5


def test_only_the_end_is_looked_at() -> None:
    assert ends().time(line(5) + b"garbage\n" * 1000, "", NOON + 3600) is None
    assert ends().time(b"x" * 100_000 + line(5), "", NOON + 3600) is None
    assert ends().time(b"x" * 100_000 + b"\n" + line(5), "", NOON + 3600) == NOON + 5


def test_a_w3c_log_is_read_with_the_columns_in_force() -> None:
    data = b"2026-03-01 12:00:09 192.0.2.1 GET /a 192.0.2.7 Mozilla/5.0 200 0\n"
    assert ends("iis").time(data, HEADER, NOON + 3600) == NOON + 9
    assert ends("iis").time(HEADER.encode() + b"\n" + data, HEADER, NOON + 3600) == NOON + 9
    assert ends("iis").time(data, "#Fields: date", NOON + 3600) is None


def test_a_log_that_turned_to_another_format_still_has_its_times() -> None:
    one = ends("caddy_json")
    assert one.time(b"".join(map(line, range(10))), "", NOON + 3600) == NOON + 7
    assert ends("").time(line(5), "", NOON + 3600) == NOON + 5
    assert ends().time(b"nothing\n" * 5, "", NOON + 3600) is None
