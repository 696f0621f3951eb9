"""Flags and environment -> one frozen `Settings`, checked before anything is sent."""

import codecs
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from log_importer.choices import CHOOSING, changes_of, check_network, rules_of, selection_of
from log_importer.errors import UsageError
from log_importer.hash_key import read_hash_key
from log_importer.model import FIELDS
from log_importer.parsing.parser import named_zone
from log_importer.rules.changes import Changes
from log_importer.rules.hosts import host_name
from log_importer.rules.mapping import MappingRule
from log_importer.rules.selection import Selection
from log_importer.server.address import read_address
from log_importer.settings_file import SettingsFile
from log_importer.state import default_state_dir
from log_importer.translator import MAX_LINE_BYTES

_PAYLOAD = 2000
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
    token_in_arguments: bool = False
    idsite: int = 0  # of all hits; 0: each host has its own site
    idsite_fallback: int = 0  # of hosts that have none; 0: they are skipped
    sites: tuple[tuple[str, int], ...] = ()  # host, which may begin with "*.", and its site
    add_sites_new_hosts: bool = False
    max_new_sites: int = 10
    job: str = ""
    state_dir: Path = Path()
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
    selection: Selection = field(default_factory=Selection)
    changes: Changes = field(default_factory=Changes)
    chosen_flags: tuple[str, ...] = ()  # those that made the selection
    title_category_delimiter: str = "/"
    rules: tuple[MappingRule, ...] = ()  # of the settings file, and those that options stand for
    visitor_id: str = ""
    replay_tracking: bool = False
    replay_tracking_expected_tracker_file: str = ""  # "": piwik.php or matomo.php
    ai_bots: bool = False
    enable_reverse_dns: bool = False
    accept_any_client: bool = False
    max_line_bytes: int = MAX_LINE_BYTES
    again: bool = False  # send what earlier runs did once more
    in_doubt: str = "resend"  # or "hold": what becomes of lines that were in flight when a run died
    server_without_transactions: bool = False
    recorders: int | None = None  # None: as many as the server does best with
    recorder_max_payload_size: int = _PAYLOAD
    request_timeout: float = 300.0
    give_up_after: float = 900.0
    retry_max_attempts: int = 0
    retry_delay: float = 1.0  # seconds before a post is repeated for the first time
    grace: float = 30.0
    max_rate: float = 0.0  # hits a second; 0: as many as the server takes
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
    def local(self) -> bool:
        """Whether the run tracks into the embedded receiver."""
        return not self.url

    @property
    def job_key(self) -> str:
        """What progress is kept for: server, site and selection together, or the name that the user gave."""
        if self.job:
            return f"job {self.job}"
        parts: list[object] = [self.url.rstrip("/"), self.idsite, self.timezone]
        usual = Selection()
        for one in fields(usual):
            value = getattr(self.selection, one.name)
            if value != getattr(usual, one.name):
                parts.append((one.name, sorted(value) if isinstance(value, frozenset) else value))
        return repr(parts)

    @property
    def job_title(self) -> str:
        """The job, for people."""
        if self.job:
            return self.job
        flags = "".join(f", {flag}" for flag in self.chosen_flags)
        return f"{self.address or 'the embedded receiver'}, {self.site_title}{flags}"

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


SERVER_OPTIONS = (
    "url", "endpoint", "api_url", "token_auth", "token_auth_file", "auth_user", "auth_password", "ca_file",
    "accept_invalid_ssl_certificate", "idsite", "idsite_fallback", "add_sites_new_hosts", "site",
)  # fmt: skip
"""With one of these a server is meant, so that a lost --url is noticed."""


def make_settings(given: Mapping[str, Any], *, terminal: bool) -> Settings:
    """Settings from the options `given` (those not given are `None`); `terminal` says whether a person watches.

    Raises `UsageError`.
    """
    values = {name: value for name, value in given.items() if value not in (None, ())}
    file: SettingsFile | None = values.pop("config", None)
    local = values.pop("local", False)
    named = [name for name in SERVER_OPTIONS if name in values]
    if "url" in values and local:
        raise UsageError("Both --url and --local are given.", "Leave one of them out.")
    if "url" not in values and not local:
        if named:
            option = "--" + named[0].replace("_", "-")
            raise UsageError(f"{option} is given, but no --url.", "Name the server with --url, or use --local.")
        if not terminal:
            raise UsageError(
                "No server is named, and nobody is at a terminal to look at a local import.",
                "Name the server with --url, or ask for the embedded receiver with --local.",
            )
    token = _token(values)
    if bool(values.get("login")) != bool(values.get("password")):
        raise UsageError("--login and --password belong together.", "Give both or none; a token is better.")
    dry = values.get("dry_run")
    if "url" in values and not token and not values.get("login") and not dry:
        raise UsageError("There is no token.", "Set LOG_IMPORTER_TOKEN_AUTH, or name a file: --token-auth-file.")
    if bool(values.get("auth_user")) != bool(values.get("auth_password")):
        raise UsageError("--auth-user and --auth-password belong together.", "Give both or none.")
    pause = values.pop("debug_force_one_hit_every_ns", 0.0)
    if pause:
        values["max_rate"] = 1 / pause
    if values.pop("disable_bulk_tracking", False) or pause:
        values["recorder_max_payload_size"] = 1
    if rate := values.get("max_rate"):  # small posts, or the server has all of many seconds at once
        most = values.get("recorder_max_payload_size", _PAYLOAD)
        values["recorder_max_payload_size"] = max(1, min(most, int(rate)))
    if "ignore_groups" in values:
        values["ignore_groups"] = tuple(name.strip() for text in values["ignore_groups"] for name in text.split(","))
    if "ca_file" in values:
        values["ca_file"] = str(values["ca_file"])
    values["sites"] = (*(file.sites if file else ()), *(_host_and_site(text) for text in values.get("site", ())))
    if "idsite" in values and values.get("site"):
        raise UsageError(
            "--idsite and --site both say the site.", "Use --idsite-fallback for the site of all other hosts."
        )
    by_host = values["sites"] or values.get("idsite_fallback") or values.get("add_sites_new_hosts")
    by_host = by_host or values.get("replay_tracking")
    if "idsite" not in values and "url" not in values and not by_host:
        values["idsite"] = 1
    in_arguments = bool(values.pop("token_auth_argument", None))
    state_dir = Path(values.pop("state_dir", None) or default_state_dir())
    _check_host(values.get("log_hostname", ""))
    for name in ("json_fields", "w3c_map_field", "w3c_field_regex"):
        if name in values:
            texts = [one for text in values[name] for one in (text.split(",") if name == "w3c_map_field" else [text])]
            values[name] = tuple(_pair(name, text) for text in texts)
    if unknown := [name for name, _ in values.get("json_fields", ()) if name not in FIELDS]:
        raise UsageError(f"--json-field: there is no field {unknown[0]!r}.", f"There are: {', '.join(FIELDS)}.")
    if "encoding" in values:
        values["encoding"] = text_encoding(values["encoding"])
    for network in values.get("trusted_proxies", ()):
        check_network("--trusted-proxies", network)
    if values.get("trusted_proxies") and not values.get("client_ip_from"):
        raise UsageError(
            "--trusted-proxies is given, but no --client-ip-from.", "Name the field that they write, as forwarded_for."
        )
    values["rules"] = (*rules_of(values), *(file.rules if file else ()))
    values["selection"] = selection_of(values, named_zone(values.get("timezone", "UTC"), "--timezone"))
    key = read_hash_key(values.get("hash_key_file"), state_dir) if values.get("hash_user_id") else b""
    values["changes"] = changes_of(values, key)
    values["chosen_flags"] = tuple(
        f"--{name.replace('_', '-')}" for name, value in values.items() if name in CHOOSING and value not in (False, 0)
    )
    known = {one.name for one in fields(Settings)}
    return Settings(
        **{name: value for name, value in values.items() if name in known},
        token=token,
        token_in_arguments=in_arguments,
        state_dir=state_dir,
    )


def _pair(name: str, text: str) -> tuple[str, str]:
    left, equals, right = text.partition("=")
    if not left.strip() or not equals or not right.strip():
        option = "--" + name.replace("_", "-").removesuffix("s")
        raise UsageError(f"{option}: {text!r} is no pair.", "Write NAME=VALUE.")
    return left.strip(), right.strip()


def _host_and_site(text: str) -> tuple[str, int]:
    host, _, number = text.rpartition("=")
    if not host_name(host.removeprefix("*.")) or not re.fullmatch("[1-9][0-9]{0,8}", number):
        raise UsageError(f"--site: {text!r} is no HOST=ID.", "Write www.example.org=3 or *.example.org=3.")
    return host.lower(), int(number)


def text_encoding(name: str) -> str:
    """The codec called `name`. Raises `UsageError` where there is none for text."""
    try:
        found = codecs.lookup(name).name
        "".encode(found)
    except (LookupError, ValueError, TypeError):
        raise UsageError(f"--encoding: {name!r} is no encoding.", "Write utf-8, latin-1, cp1252 or big5.") from None
    return found


def _check_host(text: str) -> None:
    if not re.fullmatch(r"(https?://)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", text) and text:
        raise UsageError("--log-hostname is not a host's name.", "Write www.example.org or https://www.example.org.")


def _token(values: dict[str, Any]) -> str:
    file: Path | None = values.pop("token_auth_file", None)
    token: str = values.pop("token_auth", "")
    if file is not None and not token:
        token = _read_token(file)
    if any(not 0x21 <= ord(character) <= 0x7E for character in token):
        raise UsageError("The token holds blanks or characters that no token has.", "Copy it again from Matomo.")
    return token


def _read_token(file: Path) -> str:
    try:
        status = file.stat()
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"{file}: group or others can read the token.", f"Run: chmod 600 {file}")
        token = file.read_text("utf-8", "replace").strip()
    except OSError as error:
        raise UsageError(f"{file}: the token cannot be read: {(error.strerror or '').lower()}.") from None
    if not token:
        raise UsageError(f"{file}: the token file is empty.")
    return token


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
