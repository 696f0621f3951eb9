"""The judge of user agents at its edges: names, letters, lengths, slow strings, and the package's own rules."""

import re
import time

import pytest

from log_importer.tracking.rules.bots import Bot, compile_bots, required_literals
from log_importer.translation.bot_rules import judges, read_rules


def test_a_name_that_refers_to_its_expression_is_filled_in() -> None:
    is_bot = compile_bots(
        [
            {"regex": "(Foo(?:Bar|Baz))Bot", "name": r"The \g<1>"},
            {"regex": "(Two)?Fish", "name": "Fish $1"},
        ]
    )
    found = [is_bot(agent) for agent in ("x FooBazBot/1", "TwoFish", "fish")]
    assert [bot and bot.name for bot in found] == ["The FooBaz", "Fish Two", "Fish"]
    assert judges().is_bot("Mozilla/5.0 (compatible; YandexMetrika/2.0)") == Bot("YandexMetrika", "Search bot")


def test_letters_outside_ascii_are_no_other_case_of_ascii_ones() -> None:
    is_bot = compile_bots([{"regex": "k6s", "name": "k"}])
    assert [is_bot(agent) for agent in ("K6S", "\u212a6s", "k6\u017f")] == [Bot("k", ""), None, None]


def test_a_bot_is_found_behind_much_else_and_behind_what_no_web_server_takes_is_not() -> None:
    found = [judges().is_bot("x" * length + " Googlebot/2.1") for length in (5_000, 70_000)]
    assert found == [Bot("Googlebot", "Search bot"), None]


@pytest.mark.parametrize(
    "agent",
    ["_" * 8000 + " analyzer", "electron " + "_" * 8000, " Java" * 1600, "outbrain " + " Java" * 1600,
     "NewsBlur " * 900, "sprd-" * 1600 + "script1", "_" * 60_000 + "script1", "-_" * 4000 + "check1", "Baidu " * 1300],
)  # fmt: skip
def test_a_user_agent_made_to_be_slow_costs_milliseconds(agent: str) -> None:
    is_bot = judges().is_bot
    is_bot(agent + "x")  # compiles the rules that it needs
    started = time.process_time()
    is_bot(agent)
    assert time.process_time() - started < 0.25


@pytest.mark.parametrize("opening", [".*", "[a-z0-9_-]*"])
def test_a_rule_with_an_idle_opening_matches_inside_words_and_only_the_branch_that_has_it_does(opening: str) -> None:
    whole = compile_bots([{"regex": f"{opening}spider", "name": "x"}])
    branch = compile_bots([{"regex": f"{opening}spider|crawl", "name": "x"}])
    agents = ("myspider", "my crawl", "mycrawl")
    assert [whole(agent) is not None for agent in agents] == [True, False, False]
    assert [branch(agent) is not None for agent in agents] == [True, True, False]


def test_the_literals_find_every_rule_that_trying_all_of_them_would_find() -> None:
    rules = [
        {"regex": text, "name": str(number)}
        for number, text in enumerate(
            [
                "a?bot",
                "(?:x|y)crawl(?=er)",
                "spi(?:der)+",
                "[Pp]robe|fetch",
                "(?<!no )check",
                "^\\d+$",
                "k6/|um-(?:A|B)",
            ]
        )
    ]
    agents = ["abot", "robot", "bot", "ycrawler", "xcrawl", "spiderder", "my probe", "fetch", "no check", "a check",
              "123", "K6/", "um-b", "um-c", ""]  # fmt: skip
    is_bot = compile_bots(rules)
    expected = [
        next(
            (
                rule["name"]
                for rule in rules
                if re.search(rf"(?:^|[^A-Z0-9_-]|[^A-Z0-9-]_|sprd-|MZ-)(?:{rule['regex']})", agent, re.IGNORECASE)
            ),
            None,
        )
        for agent in agents
    ]
    assert [bot and bot.name for bot in map(is_bot, agents)] == expected
    assert {None, "0", "1", "2", "3", "4", "5", "6"} == set(expected)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("compatible; GPTBot/1.2", True), ("compatible; ClaudeBot/1.0", True), ("compatible; ChatGPT-User/1.0", True),
        ("Bytespider", True), ("CCBot/2.0", True), ("meta-externalfetcher/1.1", True), ("meta-webindexer/1.1", True),
        ("Timpibot/0.8", True), ("img2dataset", True), ("Googlebot/2.1", False), ("SemrushBot/7", False),
    ],
)  # fmt: skip
def test_crawlers_and_assistants_of_ai_are_told_from_other_bots(agent: str, expected: bool) -> None:
    found = judges().is_bot(agent)
    assert isinstance(found, Bot)
    assert found.ai is expected


def test_every_rule_of_the_package_can_be_compiled_and_is_known_by_a_literal() -> None:
    rules = read_rules()
    assert len(rules) > 500
    assert [rule["regex"] for rule in rules if not required_literals(rule["regex"])] == []
    for rule in rules:  # each alone, with an agent that holds its literal, so that it is compiled
        compile_bots([rule])(" ".join(required_literals(rule["regex"])))
