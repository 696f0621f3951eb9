"""The values that travel: line -> hit -> tracking request -> batch -> receipt.

All are immutable. What exists once a line is a `NamedTuple`, what exists once a chunk, batch or post a frozen
dataclass.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Hit(NamedTuple):
    """One parsed access-log request; `None` is "the log does not say".

    The names are the fields of a format file (formats/README.md); a format cannot invent one.
    """

    time: float  # seconds since 1970-01-01 UTC, with the fraction that the log has
    client_ip: str
    path: str  # as logged, without the query; "" where the request line held none
    query: str | None = None  # without its "?"
    method: str | None = None
    scheme: str | None = None
    host: str | None = None
    protocol: str | None = None
    status: int | None = None
    bytes_sent: int | None = None
    duration: float | None = None  # seconds
    referrer: str | None = None
    user_agent: str | None = None
    accept_language: str | None = None
    user_id: str | None = None
    forwarded_for: str | None = None
    visitor_cookie: str | None = None
    event_category: str | None = None
    event_action: str | None = None
    event_name: str | None = None
    extra: Mapping[str, str] | None = None  # columns that are no fields, by their names in the log: those asked for


FIELDS = tuple(name for name in Hit._fields if name != "extra")
"""What a format file maps columns to."""


class Rejected(NamedTuple):
    """Why a line gave no hit: `unreadable`, `oversize`, `client-address`, `time` or `pattern-time`."""

    reason: str
    at: int = 0  # the character of the line where reading stopped


class RejectedLine(NamedTuple):
    """A rejected line with its place, as `--rejects` keeps it."""

    number: int
    offset: int
    reason: str
    text: bytes


class Boundary(NamedTuple):
    """A place between two lines of a source, from which reading can go on."""

    offset: int = 0  # in the decompressed source
    line: int = 1  # number of the line that begins there
    header: str = ""  # the `#Fields:` line in force, "" when none
    tail: bytes = b""  # hash of up to 256 bytes before it; b"" at the beginning


BEGINNING = Boundary()
"""Of every source."""


class Disk(NamedTuple):
    """A file as it lies on disk; who finds all of it unchanged need not read on."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    beginning: bytes  # hash of its first 4 KiB


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of whole lines of one source, with what the bytes themselves cannot tell."""

    source: int  # index among the run's sources
    data: bytes
    context: "Context"
    after: Boundary  # behind its last byte
    floor: float | None = None
    """Seconds since 1970 UTC before which no hit of any later chunk is to come; `None`: its hits wait for no others."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a chunk cannot know by itself."""

    format: str  # name of the format in force; "" when none was found
    columns: str  # the `#Fields:` line in force before the chunk, "" when none
    first_line: int  # number of its first line, from 1
    offset: int  # of its first byte in the decompressed source
    now: float  # seconds since 1970-01-01 UTC
    wanted: "array[int] | None" = None  # offsets of the lines that are not done yet; `None`: all
    sites: "Mapping[str, Site | None] | None" = None  # of the hosts known so far; `None`: all hits belong to one


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What became of a chunk, as columns: entry i of every array belongs to request i, in line order."""

    lines: int  # how many lines it held, of those wanted
    blob: bytes  # the encoded requests, one after the other
    lengths: "array[int]"  # bytes of each request in the blob
    numbers: "array[int]"  # line number, from 1
    offsets: "array[int]"  # byte offset of the line in the decompressed source
    times: "array[float]"  # seconds since 1970-01-01 UTC
    visitors: "array[int]"  # 64-bit key: address and user agent, or the visitor id sent
    agents: "array[int]"  # 32-bit key of the user agent
    lanes: "array[int]"  # 16-bit key; the lane is this modulo the number of lanes
    sites: "array[int]"
    downloads: "array[int]"  # 64-bit key of visitor and file, 0 where the request is no download
    ranges: "array[int]"  # 1 where the download is only a part of its file (status 206)
    skipped: Mapping[str, int]  # reason -> lines
    rejected: Mapping[str, int]  # reason -> lines
    rejected_lines: Sequence[RejectedLine]
    skipped_lines: Sequence[tuple[int, str]]  # number and reason of each, where that was asked for
    cut_urls: int  # how many `url` were over 1,024 characters and cut
    left_out: Mapping[str, int]  # parameter -> how often a rule set it to what a server cannot take
    ais: Mapping[str, int]  # name of an AI -> lines, among those that would be tracked were they a person's
    details: Mapping[tuple[str, str], int]  # reason and name of the bot, or status of the error -> lines skipped
    without_site: Mapping[str, int]  # host -> lines that are skipped as `no-site`
    unknown_hosts: Sequence[str]  # whose sites have to be found, and then the chunk is to be translated again


class Request(NamedTuple):
    """One encoded tracking request and the hit it stands for: source and offset of its line."""

    source: int
    number: int
    offset: int
    time: float
    visitor: int
    agent: int
    site: int
    query: bytes  # with its leading "?", percent-encoded, no token
    doubts: int = 0  # how often it was posted without a receipt
    lane: int = 0  # 16-bit key; the lane is this modulo the number of lanes


@dataclass(frozen=True, slots=True)
class Batch:
    """Tracking requests that are posted together: of one lane, or of several with few."""

    lanes: Sequence[int]
    requests: Sequence[Request]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one HTTP request; `status` is `None` where nothing did."""

    status: int | None
    content_type: str = ""
    body: bytes = b""  # at most the cap; `cut` says whether there was more
    cut: bool = False
    location: str = ""  # where a redirect points
    retry_after: float | None = None  # seconds, capped
    error: str = ""  # one sentence, where no full answer came
    body_sent: bool = True  # False when the server cannot have seen the whole request
    tls: bool = False  # the failure was the server's certificate or the handshake
    seconds: float = 0.0


class Verdict(Enum):
    """What an answer means for the batch that it answers (the README has the table)."""

    STORED = "stored"
    ALL_REFUSED = "all refused"
    PARTIAL = "partial"
    NOTHING = "nothing"
    NOT_STORED = "not stored"
    IN_DOUBT = "in doubt"


class Remedy(Enum):
    """What to do about a batch that is not stored."""

    NONE = "none"
    RETRY = "retry"  # later, whole
    SPLIT = "split"  # one of the requests may be the fault
    STOP = "stop"  # the run ends, exit code 4


@dataclass(frozen=True, slots=True)
class Receipt:
    """An answer, judged."""

    verdict: Verdict
    remedy: Remedy = Remedy.NONE
    tracked: int = 0
    invalid: int = 0
    invalid_indices: Sequence[int] | None = None  # None: the server did not say which
    reason: str = ""  # one sentence for people, where the verdict is not STORED
    retry_after: float | None = None
    final: bool = False  # the same post would be answered so again, as by a firewall


BUCKETS = ("tracked", "skipped", "rejected", "refused", "set_aside", "in_doubt", "pending")
"""Every line that is read is in exactly one of these."""


class Outcome(NamedTuple):
    """What became of requests that were posted."""

    requests: Sequence[Request]
    bucket: str  # tracked, refused, in_doubt, set_aside
    reason: str = ""
    answer: str = ""  # the server's, in a sentence, for those that are kept
    posted: bool = True  # just now; else what is known of earlier posts
    exact: bool = True  # else only their number is right, and these stand for some of their batch
    batch: int = 0  # in which they are in doubt, where more is in doubt in it than they

    def maybe_twice(self, request: Request) -> bool:
        """Whether the server may have stored a request of these more than once."""
        stored = self.posted and self.bucket in ("tracked", "in_doubt")
        return request.doubts + stored > 1


class Unanswered(NamedTuple):
    """A batch that an earlier run posted, and never heard of again."""

    began: float  # when it was posted, in seconds since 1970 UTC
    witnesses: tuple[bytes, ...]  # queries of its hits that tell of it: their lines were in no later one


@dataclass(frozen=True, slots=True)
class Site:
    """A site on the server."""

    idsite: int
    main_url: str  # scheme and host, without a trailing slash
    timezone: str = "UTC"  # as Matomo writes it: Europe/Paris, UTC+5.5
