"""Colours for people: on a terminal only, and never where NO_COLOR says so (https://no-color.org)."""

import os
from collections.abc import Callable
from typing import IO

Paint = Callable[[str, str], str]
"""A text and what it is (`title`, `good`, `bad`, `aside`) -> the text, in colour or not."""
_CODES = {"title": "1", "good": "32", "bad": "1;31", "aside": "2"}


def plain(text: str, _kind: str) -> str:
    """The text as it is."""
    return text


def painter(stream: IO[str]) -> Paint:
    """What paints for `stream`."""
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return (lambda text, kind: f"\x1b[{_CODES[kind]}m{text}\x1b[0m") if wanted else plain
