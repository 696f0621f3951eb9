"""The recorded calls of `Live.getLastVisitsDetails`, and the hits that were there when they were recorded."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

CALLS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "matomo-live" / "calls.jsonl").read_text("utf-8").splitlines()
]
SITE = 6
ZONE = "America/Los_Angeles"
RECORDED = datetime(2026, 11, 30, 12, tzinfo=UTC)


def _hit(time: str, cip: str, path: str, **more: str) -> bytes:
    url = f"http://live.example{path}"
    parameters = {"idsite": f"{SITE}", "rec": "1", "url": url, "cip": cip, "cdt": f"2026-10-05 {time}"}
    return f"?{urlencode(parameters | more)}".encode()


HITS = [
    _hit("06:59:58", "203.0.113.1", "/a"),
    _hit("07:00:02", "203.0.113.1", "/b?x=1"),
    _hit("07:00:02", "203.0.113.1", "/b?x=1"),
    _hit("08:00:00", "203.0.113.2", "/f.pdf", download="http://live.example/f.pdf"),
    _hit("09:00:00", "2001:db8::7", "/c%C3%A9"),
    _hit("09:10:00", "203.0.113.3", "/s", search="two words"),
    _hit("09:20:00", "203.0.113.4", "/t", action_name="404/URL = x"),
    _hit("09:30:00", "203.0.113.5", "/u", cid="0123456789abcdef"),
    _hit("09:40:00", "203.0.113.6", "/v", uid="anna"),
    _hit("09:50:00", "203.0.113.7", "/e", e_c="cat", e_a="act", e_n="name"),
]
