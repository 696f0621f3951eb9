"""Browsers, systems and devices for people: the names behind the short codes that the store keeps."""

import runpy
from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

NOT_YET = "not named yet"
"""Who was not asked about yet: naming a user agent takes milliseconds, so it is done apart from taking hits."""
_UNKNOWN = "unknown"


@cache
def _known() -> tuple[dict[str, str], dict[str, str]]:
    """Code -> name of browsers and of systems, as the device detector has them."""
    # The file alone, which imports nothing: the whole package takes a quarter of a second.
    found = find_spec("device_detector")
    path = Path(found.origin).parent / "parser" / "settings.py" if found and found.origin else None
    tables = runpy.run_path(str(path)) if path is not None and path.is_file() else {}
    return tables.get("AVAILABLE_BROWSERS", {}), tables.get("OPERATING_SYSTEMS", {})


def named(
    agents: Iterable[tuple[str | None, str | None, str | None, int]],
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Codes of browser and system, kind of device, visits -> the visits of each browser, system and device by name."""
    browsers, systems, devices = Counter[str](), Counter[str](), Counter[str]()
    names_of_browsers, names_of_systems = _known()
    for browser, system, device, visits in agents:
        if browser is None:
            for names in (browsers, systems, devices):
                names[NOT_YET] += visits
            continue
        browsers[_UNKNOWN if browser == "UNK" else names_of_browsers.get(browser, browser)] += visits
        systems[_UNKNOWN if system in (None, "UNK") else names_of_systems.get(system, system or "")] += visits
        devices[device or _UNKNOWN] += visits
    return browsers, systems, devices
