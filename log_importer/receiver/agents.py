"""Browser, system and kind of device of a user agent, in the short codes that Matomo writes.

The device detector takes milliseconds for each user agent that it has not seen, and a second to start: it is loaded
by the first question, and answers are remembered.
"""

from functools import lru_cache
from typing import NamedTuple

UNKNOWN = "UNK"
_REMEMBERED = 20_000
_LONGEST = 2048
"""Characters that are looked at: a longer text is no browser's, and rules take longer the longer it is."""
_NO_CLIENT = {"", "generic"}
"""Kinds of client that are no more than the first word of the text."""


class Agent(NamedTuple):
    """What is known of who sent a hit; codes are `UNK` where nothing is."""

    browser: str = UNKNOWN
    browser_version: str = ""
    os: str = UNKNOWN
    os_version: str = UNKNOWN
    device_type: str = ""


@lru_cache(_REMEMBERED)
def describe(user_agent: str) -> Agent:
    """What `user_agent` says of browser, system and device."""
    if not user_agent.strip():
        return Agent()
    from device_detector import DeviceDetector  # type: ignore[import-untyped]

    text = user_agent[:_LONGEST].encode("utf-8", "replace").decode()
    found = DeviceDetector(text).parse()
    if found.is_bot():
        return Agent(os="BOT")
    details = found.all_details
    client, system, device = (details.get(part) or {} for part in ("client", "os", "device"))
    browser, version = UNKNOWN, ""
    if str(client.get("type", "")).rpartition(".")[2].lower() not in _NO_CLIENT and client.get("name"):
        browser = str(client.get("short_name") or client["name"])
        version = _two_parts(str(client.get("version") or ""))
    if not system.get("short_name"):
        return Agent(browser, version, device_type=_text(device.get("type")))
    return Agent(
        browser, version, str(system["short_name"]), _two_parts(str(system.get("version") or "")),
        _text(device.get("type")),
    )  # fmt: skip


def _two_parts(version: str) -> str:
    """Matomo keeps major and minor: browsers change the rest every week."""
    return ".".join(version.split(".")[:2])


def _text(value: object) -> str:
    return str(getattr(value, "value", value) or "")
