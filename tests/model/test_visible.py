"""What a log or a server says is shown, never acted on."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.model.visible import visible, visible_json

SHOWN = [
    ("plain", "plain"),
    ("Grüße, 東京 🎉", "Grüße, 東京 🎉"),
    ("a\tb\nc\rd\0e", "a\\tb\\nc\\rd\\x00e"),
    ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
    ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    ("\x9b2J\x85", "\\x9b2J\\x85"),
    ("\x7f", "\\x7f"),
    ("\u202egnp.exe\u202c\u2066\u200f\u061c", "\\u202egnp.exe\\u202c\\u2066\\u200f\\u061c"),
    ("\u200b\ufeff\u2028\u2029", "\\u200b\\ufeff\\u2028\\u2029"),
    ("\U000e0041", "\\U000e0041"),
    ("\ud800", "\\ud800"),
    ("\udcff", "\\xff"),
    (b"\xff\x1b\xc3\xa9", "\\xff\\x1bé"),
    ("", ""),
    (b"", ""),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_a_terminal_would_act_on_is_written_out(text: str | bytes, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(("text", "shown"), [("abcd", "abcd"), ("abcde", "abcd..."), (b"abcde", "abcd...")])
def test_what_is_long_is_cut_and_says_so(text: str | bytes, shown: str) -> None:
    assert visible(text, 4) == shown


@pytest.mark.parametrize("character", ["a", "é", "東", "🎉"])
def test_bytes_are_cut_by_characters(character: str) -> None:
    assert visible((character * 4).encode(), 4) == character * 4
    assert visible((character * 5).encode(), 4) == character * 4 + "..."


@given(st.one_of(st.text(), st.text(st.characters()), st.binary()), st.integers(0, 50))
def test_nothing_but_letters_marks_and_blanks_comes_out(text: str | bytes, limit: int) -> None:
    shown = visible(text, limit)
    assert {unicodedata.category(character)[0] for character in shown} <= set("LMNPSZ")
    assert not {"\u2028", "\u2029"} & set(shown)
    shown.encode()  # no surrogates


def test_a_large_text_costs_no_more_than_its_beginning() -> None:
    assert len(visible("\x1b" * 10_000_000, 10)) == len("\\x1b") * 10 + 3
    assert len(visible(b"\x1b" * 10_000_000, 10)) == len("\\x1b") * 10 + 3


@given(st.text())
def test_json_says_the_same_and_nothing_that_a_terminal_would_act_on(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    shown = visible_json({text: [text]})
    assert json.loads(shown) == {text: [text]}
    assert {unicodedata.category(c)[0] for c in shown.decode()} & {"C"} == set()


def test_json_keeps_the_letters_of_all_languages() -> None:
    assert visible_json({"a": "Grüße, 東京 \u202e🎉\x7f"}).decode() == '{"a":"Grüße, 東京 \\u202e🎉\\u007f"}'
