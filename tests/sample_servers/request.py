"""One request of the made-up traffic: the value that every other file here hands on."""

from datetime import datetime
from typing import NamedTuple


class Request(NamedTuple):
    """What a client sends, and when. Text may hold lone surrogates: each stands for one byte that is not UTF-8."""

    at: datetime
    client: str
    agent: str | None = None
    target: str = "/"
    method: str = "GET"
    referrer: str = ""
    host: str = "example.org"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    protocol: str = "HTTP/1.1"
    raw: str | None = None  # sent instead of a request; the server cannot know the client's address then
    wait: bool = False  # the client goes silent after `raw`, until the server gives up
    held: float = 0.0  # seconds of the server's clock until the body follows; other requests go on meanwhile


def to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
