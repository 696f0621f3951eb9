"""Browser, system and device are named as Matomo names them, whatever the text."""

import time

import pytest

from log_importer.receiver.agents import Agent, describe

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/17.2 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("user_agent", "agent"),
    [
        (CHROME, Agent("CH", "120.0", "WIN", "10", "desktop")),
        (IPHONE, Agent("MF", "17.2", "IOS", "17.2", "smartphone")),
        ("curl/7.88.1", Agent("curl", "7.88")),
        ("exchange-replay/1", Agent()),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Agent(os="BOT")),
        ("", Agent()),
    ],
)
def test_a_user_agent_is_described_in_matomos_codes(user_agent: str, agent: Agent) -> None:
    assert agent == describe(user_agent)


@pytest.mark.parametrize("odd", ["\ud800", "\0", "😀" * 3000, "(" * 100_000, "Mozilla/5.0 (" * 2000])
def test_odd_text_is_no_browser_and_no_error(odd: str) -> None:
    describe(CHROME)  # what it costs to load the rules is not the odd text's
    start = time.perf_counter()
    assert Agent() == describe(odd)
    assert time.perf_counter() - start < 5
