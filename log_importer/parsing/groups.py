"""The named groups of a user's pattern, the incumbent's names among them, and the fields that they are."""

from collections.abc import Mapping

GROUPS: Mapping[str, tuple[str, str]] = {
    "ip": ("client_ip", ""), "query_string": ("query", ""), "length": ("bytes_sent", ""), "userid": ("user_id", ""),
    "generation_time_milli": ("duration", "ms"), "generation_time_micro": ("duration", "us"),
    "generation_time_secs": ("duration", "s"), "duration": ("duration", "s"),
    **{name: (name, "") for name in (
        "client_ip", "forwarded_for", "user_id", "method", "scheme", "host", "path", "query", "protocol", "status",
        "bytes_sent", "referrer", "user_agent", "accept_language", "visitor_cookie", "event_category", "event_action",
        "event_name",
    )},
}  # fmt: skip
"""Group -> field and unit."""
