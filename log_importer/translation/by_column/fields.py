"""Which fields of a hit tell what: its page, its visitor, and so on."""

PAGE = frozenset({"method", "scheme", "host", "path", "query", "status"})
VISITOR = frozenset({"client_ip", "user_agent", "accept_language", "user_id", "visitor_cookie"})
AGENT = frozenset({"user_agent"})
ADDRESS = frozenset({"client_ip"})
BESIDE = VISITOR - AGENT - ADDRESS
REFERRER = frozenset({"referrer"})
MEASURES = frozenset({"duration", "bytes_sent", "event_category", "event_action", "event_name"})
TIME = frozenset({"time"})

JUDGED = PAGE | VISITOR | TIME
"""Fields that rules may look at, and that a format may require."""
