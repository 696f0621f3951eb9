"""Whom Matomo calls a bot, we do."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from log_importer.tracking.rules.bots import Bot, alternatives, compile_bots, required_literals
from log_importer.translation.bot_rules import judges

_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
PEOPLE = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KHTML} Chrome/145.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KHTML} Chrome/145.0.0.0 Safari/537.36 Edg/145.0.0.0",
    f"Mozilla/5.0 (Linux; Android 16; Pixel 10) {_KHTML} Chrome/145.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) AppleWebKit/605.1.15 Version/19.2 Safari/604.1",
]


@pytest.mark.parametrize("agent", [*PEOPLE, "", "-", "curl/8.18.0", "\udcff" * 9])
def test_browsers_of_people_and_odd_strings_are_no_bots(agent: str) -> None:
    assert judges().is_bot(agent) is None


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
        (f"Mozilla/5.0 {_KHTML}; compatible; GPTBot/1.2; +https://openai.com/gptbot)", "GPTBot"),
        (f"Mozilla/5.0 {_KHTML}; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "ClaudeBot"),
        (f"Mozilla/5.0 {_KHTML}; compatible; ChatGPT-User/1.0; +https://openai.com/bot", "ChatGPT-User"),
    ],
)
def test_a_bot_has_its_name(agent: str, name: str) -> None:
    found = judges().is_bot(agent)
    assert isinstance(found, Bot)
    assert found.name == name


def test_the_verdicts_agree_with_matomos_own(shared_data: Callable[[str], Path]) -> None:
    with gzip.open(shared_data("user-agents.jsonl.gz"), "rt") as lines:
        rows = [json.loads(line) for line in lines]
    agreed = [row for row in rows if row["bot"] == row["bot_newer"]]
    wrong = [row["ua"] for row in agreed if bool(judges().is_bot(row["ua"])) != row["bot"]]
    assert len(agreed) > 4000
    assert len(wrong) / len(agreed) <= 0.005, wrong


def test_the_first_rule_names_the_bot_and_a_rule_begins_where_a_word_does() -> None:
    is_bot = compile_bots(
        [
            {"regex": "Ship(?!yard)", "name": "first", "category": "x"},
            {"regex": "ship|boat", "name": "second"},
            {"regex": "(?<!no )[0-9]{3}", "name": "no literal"},
        ]
    )
    found = [is_bot(agent) for agent in ("a SHIP", "shipyard", "lifeboat", "life boat", "no 123", "42")]
    assert [bot and bot.name for bot in found] == ["first", "second", None, "second", None, None]
    assert is_bot("x 123") == Bot("no literal", "")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("Googlebot", {"googlebot"}),
        ("foo(?:bar|bazzz)", {"fooba"}),
        ("(?:alpha|beta)x?", {"alpha", "beta"}),
        ("a|bot", {"a", "bot"}),
        ("[a-z]+", set()),
        ("(?:abc)?", set()),
        ("(?:abc)+z", {"abc"}),
        ("x(?!never)yes", {"yes"}),
    ],
)
def test_the_literals_that_a_pattern_needs(pattern: str, expected: set[str]) -> None:
    assert required_literals(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("Googlebot", ["Googlebot"]),
        ("a|b(?:c|(?=d|e))|f", ["a", "b(?:c|(?=d|e))", "f"]),
        (r"[|]a|[^]|(]b|\||\(c|d\)|e", ["[|]a", "[^]|(]b", r"\|", r"\(c", r"d\)", "e"]),
    ],
)
def test_the_alternatives_of_a_pattern(pattern: str, expected: list[str]) -> None:
    assert alternatives(pattern) == expected


def test_a_rule_is_tried_alternative_by_alternative_unless_its_name_refers_to_a_group_of_it() -> None:
    is_bot = compile_bots(
        [{"regex": "(cat)s|(do)gs", "name": r"\g<2>x"}, {"regex": "cow|(?:pig|hen)s", "name": "farm"}]
    )
    found = [is_bot(agent) for agent in ("dogs", "cats", "a cow", "hens", "hen", "scow")]
    assert [bot and bot.name for bot in found] == ["dox", "x", "farm", "farm", None, None]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("66.249.80.1", True), ("66.249.95.255", True), ("66.249.96.0", False), ("65.55.210.1", True),
        ("157.55.39.1", True), ("72.30.192.0", True), ("1.202.218.8", True), ("1.202.218.9", False),
        ("::ffff:65.55.210.1", False), ("2001:db8::1", False), ("192.0.2.1", False), ("", False), ("host", False),
    ],
)  # fmt: skip
def test_the_ranges_of_search_engines(address: str, expected: bool) -> None:
    assert judges().search_engine(address) is expected
