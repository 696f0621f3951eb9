"""Options given -> one frozen `Settings`, checked before anything is sent."""

import codecs
import math
import re
import stat
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from log_importer.model import FIELDS
from log_importer.model.errors import UsageError
from log_importer.parsing.parser import named_zone
from log_importer.settings import PAYLOAD, Settings, is_pipe
from log_importer.settings.choices import changes_of, check_network, options_of, rules_of, selection_of
from log_importer.settings.file import SettingsFile
from log_importer.settings.hash_key import read_hash_key
from log_importer.sources.find import STDIN
from log_importer.sources.urls import scheme_of, shown
from log_importer.tracking.rules.hosts import host_name
from log_importer.translation.sharing import read_shard

_HOUR = 3600.0
"""Seconds between two lines of progress in the journal of a run without end."""
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
    options = options_of(values, file)
    _check_spark(values)
    local = values.pop("local", False) or values.get("preview", False)
    named = [name for name in SERVER_OPTIONS if name in values]
    if "url" in values and local:
        other = "--preview" if values.get("preview") else "--local"
        raise UsageError(f"Both --url and {other} are given.", "Leave one of them out.")
    if values.get("preview") and values.get("dry_run"):
        raise UsageError("--preview and --dry-run exclude each other.", "Leave one of them out.")
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
        most = values.get("recorder_max_payload_size", PAYLOAD)
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
    if values.get("in_doubt") == "ask" and values.get("server_without_transactions"):
        raise UsageError(
            "--in-doubt ask needs a server that stores a batch whole or not at all.",
            "Leave it out, or --server-without-transactions.",
        )
    _check_following(values)
    if "shard" in values:
        _read_shard(values)
    if values.get("follow") or any(map(is_pipe, values.get("sources", ()))):
        # What a pipe said cannot be read again; and who follows starts anew sooner or later, and the server may too.
        values.setdefault("give_up_after", math.inf)
    if values.get("follow") or values.get("spool"):
        values.setdefault("show_progress_delay", _HOUR)
    values["rules"] = (*rules_of(values), *(file.rules if file else ()))
    values["selection"] = selection_of(values, named_zone(values.get("timezone", "UTC"), "--timezone"))
    key = read_hash_key(values.get("hash_key_file"), values.get("state_dir")) if values.get("hash_user_id") else b""
    values["changes"] = changes_of(values, key)
    known = {one.name for one in fields(Settings)}
    return Settings(
        **{name: value for name, value in values.items() if name in known},
        options=options,
        token=token,
    )


def _check_following(values: Mapping[str, Any]) -> None:
    """Raises `UsageError` where options for reading live do not fit together."""
    sources = values.get("sources", ())
    pipes = [source for source in sources if is_pipe(source)]
    if values.get("follow"):
        if remote := next((shown(source) for source in sources if scheme_of(source)), None):
            raise UsageError(
                f"--follow is for files of this machine, not for {remote}.",
                "Leave it out and run the command again and again, as from cron: each run sends what is new.",
            )
        if pipes:
            raise UsageError("--follow is for files; a pipe is read as it comes anyway.", "Leave one of them out.")
        for other in ("again", "dry_run", "spool", "debug_request_limit"):
            if values.get(other):
                option = "--" + other.replace("_", "-")
                raise UsageError(f"{option} and --follow exclude each other.", "Leave one of them out.")
    elif values.get("from_now"):
        raise UsageError("--from-now is given, but no --follow.", "Without it a run reads what lies there and ends.")
    if values.get("spool") and tuple(sources) != (STDIN,):
        raise UsageError("--spool is for standard input alone.", "Name the source - and no other.")


_NOT_ON_SPARK = (
    "local", "preview", "dry_run", "follow", "spool", "shard", "debug_request_limit", "metrics_file", "workers",
)  # fmt: skip


def _check_spark(values: dict[str, Any]) -> None:
    """Checks that options for a cluster fit together. Raises `UsageError`."""
    if not values.get("spark"):
        if lost := [name for name in ("shared_dir", "max_senders") if name in values]:
            raise UsageError(f"--{lost[0].replace('_', '-')} is given, but no --spark.", "Name the cluster's master.")
        return
    for other in _NOT_ON_SPARK:
        if values.get(other):
            option = "--" + other.replace("_", "-")
            raise UsageError(f"{option} and --spark exclude each other.", "Leave one of them out.")
    if "url" not in values:
        raise UsageError("--spark needs a server that all machines of the cluster reach.", "Name it with --url.")
    if not values.get("shared_dir"):
        raise UsageError(
            "--spark needs a folder where all machines of the cluster keep the progress.",
            "Name one that all of them mount, or a URL such as s3://bucket/folder, with --shared-dir.",
        )
    if "://" not in values["shared_dir"]:
        values["shared_dir"] = str(Path(values["shared_dir"]).absolute())  # executors stand in folders of their own
    if any(map(is_pipe, values.get("sources", ()))):
        raise UsageError("--spark is for files that every machine can read.", "Leave it out for a pipe.")


def _read_shard(values: dict[str, Any]) -> None:
    """Puts the shard in the place of its text. Raises `UsageError` where it cannot be done."""
    shard = read_shard(values["shard"])
    if shard is None:
        raise UsageError(f"--shard: {values['shard']!r} is no share.", "Write 1/3, 2/3 and 3/3 on three machines.")
    if any(map(is_pipe, values.get("sources", ()))):
        raise UsageError("--shard is for files that every machine can read.", "Leave it out for a pipe.")
    if values.get("add_sites_new_hosts") and shard.shares > 1:
        raise UsageError(
            "--shard and --add-sites-new-hosts exclude each other: two machines would make two sites for a host.",
            "Make the sites first, or name one for all others with --idsite-fallback.",
        )
    values["shard"] = shard


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
