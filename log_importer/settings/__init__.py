"""All that a run is told, as one frozen value."""

from dataclasses import dataclass, field
from pathlib import Path

from log_importer.delivery.server.address import read_address
from log_importer.sources.find import STDIN
from log_importer.sources.windows import WINDOW
from log_importer.tracking.rules.changes import Changes
from log_importer.tracking.rules.mapping import MappingRule
from log_importer.tracking.rules.selection import Selection
from log_importer.translation.plan import MAX_LINE_BYTES
from log_importer.translation.sharing import ALL, Shard

PAYLOAD = 2000
"""Tracking requests in one post."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a run is told, checked."""

    sources: tuple[str, ...] = ()
    url: str = ""  # "" is the embedded receiver
    endpoint: str = ""  # path of the tracker under the URL; "" is the usual one
    api_url: str = ""  # where it is not the server's own
    auth_user: str = ""  # of the web server, not of Matomo
    auth_password: str = ""
    ca_file: str = ""
    accept_invalid_ssl_certificate: bool = False
    token: str = ""
    idsite: int = 0  # of all hits; 0: each host has its own site
    idsite_fallback: int = 0  # of hosts that have none; 0: they are skipped
    sites: tuple[tuple[str, int], ...] = ()  # host, which may begin with "*.", and its site
    add_sites_new_hosts: bool = False
    max_new_sites: int = 10
    job: str = ""
    state_dir: Path | None = None  # None: the platform's
    log_format_name: str = ""  # "" is detection
    format_files: tuple[Path, ...] = ()
    log_format: str = ""  # the server's own definition
    log_format_regex: str = ""
    log_date_format: str = ""
    json_fields: tuple[tuple[str, str], ...] = ()  # field, its keys
    w3c_fields: str = ""
    w3c_map_field: tuple[tuple[str, str], ...] = ()  # a column's name in the log, the usual one
    w3c_field_regex: tuple[tuple[str, str], ...] = ()
    w3c_time_taken_millisecs: bool = False
    w3c_time_taken_secs: bool = False
    encoding: str = "utf-8"
    log_hostname: str = ""
    client_ip_from: str = ""  # a field or column with the addresses that proxies saw
    trusted_proxies: tuple[str, ...] = ()  # addresses and networks
    timezone: str = "UTC"
    disorder: float = 60.0  # seconds by which a source's lines may be out of order
    selection: Selection = field(default_factory=Selection)
    changes: Changes = field(default_factory=Changes)
    options: tuple[tuple[str, str], ...] = ()  # those that decide what becomes of a line, and their values as text
    title_category_delimiter: str = "/"
    rules: tuple[MappingRule, ...] = ()  # of the settings file, and those that options stand for
    visitor_id: str = ""
    replay_tracking: bool = False
    replay_tracking_expected_tracker_file: str = ""  # "": piwik.php or matomo.php
    ai_bots: bool = False
    enable_reverse_dns: bool = False
    accept_any_client: bool = False
    max_line_bytes: int = MAX_LINE_BYTES
    max_decompress_memory: int = WINDOW  # bytes that decompressing one source may hold at once
    shard: Shard = ALL  # what of the logs this machine posts
    spark: str = ""  # the master of the cluster to import on; "": on this machine
    shared_dir: str = ""  # where a run on a cluster keeps its progress, a folder or a URL
    max_senders: int = 16  # lanes that post at once, on a cluster
    again: bool = False  # send what earlier runs did once more
    follow: bool = False  # read on as the files grow, until a signal comes
    from_now: bool = False  # what lies there when the job begins is left out
    flush_after: float = 5.0  # seconds after which a hit is posted that was followed, or came through a pipe
    spool: Path | None = None  # a folder that standard input is written to first
    spool_size: int = 1 << 30  # bytes of it, at most
    in_doubt: str = "ask"  # or "resend", "hold": what becomes of what was posted and never answered
    server_without_transactions: bool = False
    recorders: int | None = None  # None: as many as the server does best with
    recorder_max_payload_size: int = PAYLOAD
    request_timeout: float = 300.0
    give_up_after: float = 900.0
    retry_max_attempts: int = 0
    retry_delay: float = 1.0  # seconds before a post is repeated for the first time
    grace: float = 30.0
    max_rate: float = 0.0  # hits a second; 0: as many as the server takes
    preview: bool = False  # the embedded receiver shows its report, until a signal comes
    dry_run: bool = False
    debug: int = 0  # 1: every post is told; 2: every line too that is skipped or rejected
    debug_tracker: bool = False
    debug_request_limit: int = 0
    login: str = ""  # of Matomo, to make a token with
    password: str = field(default="", repr=False)
    ignore_groups: tuple[str, ...] = ()
    show_progress_delay: float = 30.0  # seconds between two lines, where there is no bar
    workers: int | None = None  # None: as many as there are processors, none for small inputs
    rejects: Path | None = None
    metrics_file: Path | None = None
    json: bool = False
    progress: bool | None = None  # None: on a terminal

    @property
    def follows(self) -> bool:
        """Whether files are read as they grow, those of the user or those of the spool."""
        return self.follow or self.spool is not None

    @property
    def live(self) -> bool:
        """Whether lines are read as they are written, and nobody should wait for more of them."""
        return self.follows or any(map(is_pipe, self.sources))

    @property
    def local(self) -> bool:
        """Whether the run tracks into the embedded receiver."""
        return not self.url

    @property
    def job_key(self) -> str:
        """What progress is kept for: server and sites, or the user's name for it; never what is chosen or changed."""
        shard = str(self.shard) if self.shard != ALL else ""
        if self.job:
            return named_key(self.job, shard)
        return repr(["destination", self.address, self.idsite, shard])

    @property
    def job_title(self) -> str:
        """The job, for people."""
        name = self.job or f"{self.address or 'the embedded receiver'}, {self.site_title}"
        return name if self.shard == ALL else f"{name}, shard {self.shard}"

    @property
    def site_title(self) -> str:
        """The site, for people."""
        return f"site {self.idsite}" if self.idsite else "sites by host"

    @property
    def rule_sites(self) -> set[int]:
        """The sites that mapping rules name."""
        return {int(str(value)) for rule in self.rules for name, value in rule.set if name == "idsite"}

    @property
    def address(self) -> str:
        """The server's address without user and password; "" is the embedded receiver."""
        return read_address(self.url).base if self.url else ""


def named_key(name: str, shard: str) -> str:
    """What the progress of `--job NAME` is kept for; `shard` is "" on a machine that imports alone."""
    return " ".join(["job", name, *(["shard", shard] if shard else [])])


def is_pipe(source: str) -> bool:
    """Whether the argument names standard input or a named pipe."""
    try:
        return source == STDIN or Path(source).is_fifo()
    except OSError:
        return False  # whoever reads it says why
