"""Every reason that log-importer itself gives for a line that is not tracked: its bucket and its sentence."""

from collections.abc import Mapping
from typing import NamedTuple


class Reason(NamedTuple):
    """Why a line is not tracked."""

    bucket: str  # one of `model.BUCKETS`
    sentence: str  # without its subject, the line


REASONS: Mapping[str, Reason] = {
    "skip": Reason("skipped", "is one of the first --skip lines of its source"),
    "blank": Reason("skipped", "is empty"),
    "comment": Reason("skipped", "is a comment"),
    "directive": Reason("skipped", "is a W3C directive"),
    "date": Reason("skipped", "is left out by its date (--exclude-older-than, --exclude-newer-than)"),
    "host": Reason("skipped", "is left out by its host (--include-host, --exclude-host)"),
    "path": Reason("skipped", "is left out by its path (--include-path, --exclude-path)"),
    "time-future": Reason("skipped", "is dated over a minute ahead; Matomo would store it as now"),
    "time-too-old": Reason("skipped", "is dated over 7,300 days back; Matomo would store it as now"),
    "method": Reason("skipped", "is neither GET nor POST (--method), or has no request line (TLS bytes, a time-out)"),
    "status-error": Reason("skipped", "has status 4xx or 5xx (--enable-http-errors)"),
    "status-redirect": Reason("skipped", "has status 3xx but 304, which is a view (--enable-http-redirects)"),
    "static": Reason(
        "skipped", "asks for a part of a page, as an image or a script, or for robots.txt (--enable-static)"
    ),
    "download": Reason("skipped", "asks for a file of an extension that is not wanted"),
    "partial": Reason("skipped", "is a further range of a download already counted"),
    "bot": Reason(
        "skipped", "is a bot by Matomo's own rules, or comes from a search engine's addresses (--enable-bots)"
    ),
    "status": Reason("skipped", "is left out by its status (--status)"),
    "user-agent": Reason("skipped", "is left out by its user agent (--useragent-exclude)"),
    "ip": Reason("skipped", "is left out by its address (--exclude-ip)"),
    "no-site": Reason("skipped", "is on a host that has no site (--site, --idsite-fallback, --add-sites-new-hosts)"),
    "other-shard": Reason("skipped", "is another machine's to send, or to account for (--shard)"),
    "replay": Reason("skipped", "is no hit on a tracker, or one whose parameters were not logged (--replay-tracking)"),
    "unreadable": Reason("rejected", "cannot be read by the source's format"),
    "oversize": Reason("rejected", "is longer than --max-line-bytes"),
    "client-address": Reason("rejected", "names a client that is no IP address (--accept-any-client)"),
    "pattern-time": Reason(
        "rejected", "takes a pattern of yours over 0.1 s; after 100 such lines reading the source stops"
    ),
    "time": Reason("rejected", "has no date, or one that there is not"),
    "invalid": Reason("refused", "was called invalid by the server"),
    "load": Reason("refused", "was dropped by the server without a word, as it was overloaded"),
    "poison": Reason("set_aside", "makes the server fail, also when it is sent alone, while others are stored"),
    "too-large": Reason("set_aside", "is larger than the server takes in one post"),
    "twice": Reason("in_doubt", "was sent twice, and neither post was answered"),
    "interrupted": Reason("in_doubt", "was in flight when a run died, and --in-doubt hold says to keep it"),
}
BY_A_RULE = "is left out by a rule of the settings"
"""What any other reason says of a line: the settings file names it."""


def sentence_of(reason: str) -> str:
    """What a reason says of a line, without its subject."""
    return REASONS[reason].sentence if reason in REASONS else BY_A_RULE
