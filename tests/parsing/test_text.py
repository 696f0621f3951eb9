"""The bytes of lines become text in one way, alone or many at once."""

import pytest

from log_importer.parsing.text import text_of, texts_of


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"GET /", "GET /"),
        (b"GET /\r", "GET /"),
        (b"\0\0GET /", "GET /"),
        (b"\xef\xbb\xbfGET /", "GET /"),
        (b"\0\xef\xbb\xbfGET /\r", "GET /"),
        (b"caf\xe9", "caf\udce9"),
        (b"\r", ""),
        (b"", ""),
    ],
)
def test_what_is_no_part_of_a_line_is_taken_off(raw: bytes, text: str) -> None:
    assert text_of(raw) == text
    assert texts_of(raw + b"\n" + raw, "utf-8", 20)[0] == text


def test_an_encoding_is_that_of_the_log() -> None:
    assert text_of(b"caf\xe9", "latin-1") == "café"


def test_a_line_that_is_too_long_is_empty() -> None:
    assert texts_of(b"12345\n123456\n1234", "utf-8", 5) == ["12345", "", "1234"]
