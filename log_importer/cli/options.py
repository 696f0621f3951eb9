"""The options that several commands share."""

import sys
from pathlib import Path
from typing import Any

import click

from log_importer.cli.help import section, together
from log_importer.cli.option import FILE, flag, option, several


def _read_config(ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> Any:
    """The settings file, read; its options come after flags and environment, before defaults."""
    if value is None:
        return None
    from log_importer.cli.config import defaults_from
    from log_importer.settings.file import read_settings_file

    file = read_settings_file(value)
    ctx.default_map = {**(ctx.default_map or {}), **defaults_from(file, ctx)}
    return file


CONFIG = option(
    "--config",
    type=FILE,
    metavar="FILE",
    is_eager=True,
    callback=_read_config,
    help="A TOML file of settings: options by their names, and mapping rules.",
)

READING = section(
    "How the logs are read",
    option("--log-format-name", metavar="NAME", help="The format of all sources, instead of detecting it."),
    option(
        "--format-file", "format_files", multiple=True, type=FILE, metavar="FILE",
        help="A format file of your own, beside the others; may be given again.",
    ),
    option("--log-format", metavar="STRING", help="The server's own LogFormat, log_format or log-format."),
    option("--log-format-regex", metavar="RE", help="A pattern whose named groups are the fields (path, date, ip)."),
    option("--log-date-format", metavar="LAYOUT", help="How times are written: %d/%m/%Y %H:%M:%S, iso8601, epoch."),
    option(
        "--json-field", "json_fields", multiple=True, metavar="FIELD=KEY",
        help="The key of a field in JSON logs: path=request.uri; may be given again.",
    ),
    option("--w3c-fields", metavar="'#Fields: ...'", help="The columns of W3C logs that do not name them."),
    option("--w3c-map-field", multiple=True, metavar="NEW=OLD", help="A W3C column's name in the log, the usual one."),
    option("--w3c-field-regex", multiple=True, metavar="COLUMN=RE", help="Fields out of a W3C column."),
    flag("--w3c-time-taken-millisecs", "time-taken is in milliseconds in W3C logs."),
    option(
        "--w3c-time-taken-secs", "--iis-time-taken-secs", is_flag=True, flag_value=True, type=bool,
        help="time-taken is in seconds in W3C logs.",
    ),
    option(
        "--ignore-groups", multiple=True, metavar="GROUP,...", help="Fields, or groups of the pattern, to leave unread."
    ),
    option("--encoding", metavar="NAME", help="Of the logs' text. [utf-8; UTF-16 tells itself]"),
    option("--log-hostname", metavar="HOST", help="The host of hits whose log names none."),
    option(
        "--client-ip-from", metavar="FIELD",
        help="The field or column with the addresses that proxies saw: forwarded_for.",
    ),
    option(
        "--trusted-proxies", multiple=True, metavar="ADDRESS",
        help="Only these proxies are believed (192.0.2.0/24); may be given again. [the one that wrote the log]",
    ),
    option("--timezone", metavar="ZONE", help="Of logs that write local time without an offset: Europe/Paris. [UTC]"),
    option(
        "--disorder", type=click.FloatRange(0), metavar="S",
        help="Seconds by which lines may be out of order; sources that overlap are merged by time. [60]",
    ),
    option("--max-line-bytes", type=click.IntRange(1024), metavar="N", help="Longer lines are rejected. [65536]"),
    option(
        "--max-decompress-memory", type=click.IntRange(1 << 20), metavar="BYTES",
        help="The window that decompressing a source may take, at most. [536870912]",
    ),
    flag("--accept-any-client", "Track clients that are no IP address as 0.0.0.0 instead of rejecting them."),
)  # fmt: skip

SITES = section(
    "Sites",
    option("--idsite", type=click.IntRange(1), metavar="ID", help="The site to import into. [each host's own]"),
    option("--site", multiple=True, metavar="HOST=ID", help="The site of a host, or of all below *.example.org."),
    option("--idsite-fallback", type=click.IntRange(1), metavar="ID", help="The site of hosts that have none."),
    flag("--add-sites-new-hosts", "Make a site for each host that has none."),
    option("--max-new-sites", type=click.IntRange(0, 1000), metavar="N", help="So many at most. [10]"),
)

CHOOSING = section(
    "What is imported",
    several("--hostname", "HOST", "Only hits on hosts like this (*.example.org)."),
    several("--include-host", "HOST", "Only hits on this host."),
    several("--exclude-host", "HOST", "No hits on this host."),
    several("--include-path", "PATH", "Only hits on paths like this (/docs/*)."),
    several("--exclude-path", "PATH", "No hits on paths like this."),
    several("--useragent-exclude", "TEXT", "No user agents with this text in them."),
    several("--exclude-ip", "ADDRESS", "No clients of this address or network (192.0.2.0/24)."),
    option("--method", multiple=True, metavar="METHOD,...", help="Only requests of these methods. [GET,POST]"),
    option("--status", multiple=True, metavar="STATUS,...", help="Only answers of these statuses (404, 2xx)."),
    option("--exclude-older-than", metavar="DATE", help="No hits before this date ('2026-03-01 00:00:00 +0000')."),
    option("--exclude-newer-than", metavar="DATE", help="No hits after this date."),
    option("--skip", type=click.IntRange(0), metavar="N", help="Leave out the first N lines of each source."),
    flag("--enable-static", "Track static files too (images, scripts, fonts), as downloads."),
    flag("--enable-bots", "Track bots too."),
    flag("--enable-http-errors", "Track errors (status 4xx and 5xx), with a title that says so."),
    flag("--enable-http-redirects", "Track redirects (status 3xx, but 304, which is a view anyway)."),
    flag("--ai-bots", "Send hits of people's AI assistants for Matomo's own reports of them (5.7 or later)."),
    flag("--replay-tracking", "The log is a tracker's own: send its hits on piwik.php or matomo.php again."),
    option("--replay-tracking-expected-tracker-file", metavar="FILE", help="The tracker's file, if it is another."),
    option("--download-extensions", metavar="EXT,...", help="What counts as a download, instead of the usual list."),
    option("--add-download-extensions", metavar="EXT,...", help="What counts as a download too."),
    flag("--enable-reverse-dns", "Let the server look up the visitors' host names."),
)

SELECTING = together(SITES, CHOOSING)

CHANGING = section(
    "What is changed before it is sent",
    flag("--strip-query-string", "Send URLs without their query."),
    option("--query-string-delimiter", metavar="C", help="What stands between path and query. [?]"),
    option(
        "--drop-query-parameter", "drop_query_parameters", multiple=True, metavar="NAME",
        help="Send URLs without this parameter; may be given again.",
    ),
    option("--request-suffix", metavar="QUERY", help="Put this behind the query of every URL."),
    flag("--force-lowercase-path", "Send paths and queries in lower case."),
    option("--title-category-delimiter", metavar="C", help="Between the parts of an error's title. [/]"),
    option("--add-to-date", type=float, metavar="S", help="Add so many seconds to every date; may be negative."),
    option("--anonymize-ip", type=click.IntRange(0, 4), metavar="N", help="Mask so many bytes of addresses. [0]"),
    option(
        "--dimension", "dimensions", multiple=True, metavar="N=FIELD",
        help="Send a field as the custom dimension N; may be given again.",
    ),
    flag("--track-http-method", "Send the method as a custom variable of the page."),
    flag("--track-http-code", "Send the status as a custom variable of the page."),
    option(
        "--regex-group-to-page-cvar", multiple=True, metavar="GROUP=NAME",
        help="Send a group of the pattern, a field or a column as a custom variable of the page; may be given again.",
    ),
    option(
        "--regex-group-to-visit-cvar", multiple=True, metavar="GROUP=NAME",
        help="The same, as a custom variable of the visit.",
    ),
    option(
        "--visitor-id", type=click.Choice(["ip+ua"]),
        help="Make visitor ids of address and user agent, where no cookie of Matomo's was logged.",
    ),
    flag("--no-user-id", "Do not send the names of users that are logged in."),
    flag("--hash-user-id", "Send them hashed, the same in every run."),
    option("--hash-key-file", type=FILE, metavar="FILE", help="The key for that. [one made in the state folder]"),
)  # fmt: skip

SERVER = section(
    "The server",
    option("--url", metavar="URL", help="The Matomo server, such as https://matomo.example.org/."),
    option("--tracker-endpoint-path", "endpoint", metavar="PATH", help="The tracker's path under the URL."),
    option("--api-url", metavar="URL", help="Where the server's API is, if it is not under --url."),
    option("--auth-user", metavar="USER", help="For a web server that wants a login of its own."),
    option("--auth-password", metavar="PASSWORD", help="LOG_IMPORTER_AUTH_PASSWORD hides it from ps."),
    option("--ca-file", type=FILE, metavar="FILE", help="The authorities whose certificates count. [the system's]"),
    flag("--accept-invalid-ssl-certificate", "Talk to whoever answers, without knowing who it is."),
    option("--token-auth", metavar="TOKEN", help="The token; LOG_IMPORTER_TOKEN_AUTH hides it from ps."),
    option("--token-auth-file", type=FILE, metavar="FILE", help="A file that holds the token and only you can read."),
    option("--login", metavar="USER", help="Of Matomo, to make a token with, where there is none."),
    option("--password", metavar="PASSWORD", help="LOG_IMPORTER_PASSWORD hides it from ps."),
    flag("--local", "Track into the embedded receiver's database on this machine."),
)  # fmt: skip

_SECONDS = click.FloatRange(0, min_open=True)

POSTING = section(
    "How it is sent",
    option(
        "--recorders", type=click.IntRange(1, 16), metavar="N",
        help="Posts at the same time. [as many as the server does best with]",
    ),
    option(
        "--recorder-max-payload-size", type=click.IntRange(1, 10000), metavar="N",
        help="Tracking requests in one post, at most. [2000]",
    ),
    flag("--disable-bulk-tracking", "One tracking request in each post."),
    option("--request-timeout", type=_SECONDS, metavar="S", help="Seconds to wait for the server's answer. [300]"),
    option("--retry-delay", type=_SECONDS, metavar="S", help="Seconds before a post is repeated; then doubled. [1]"),
    option(
        "--retry-max-attempts", type=click.IntRange(0), metavar="N",
        help="How often a batch is tried that is not stored. [0: until --give-up-after]",
    ),
    option("--max-rate", type=_SECONDS, metavar="N", help="Hits a second, at most. [as many as the server takes]"),
    option("--debug-force-one-hit-every-Ns", type=_SECONDS, metavar="S", help="A post of one hit, each S seconds."),
    option(
        "--give-up-after", type=_SECONDS, metavar="S",
        help="Seconds without an answer after which to stop. [900; for ever on a pipe]",
    ),
    option("--grace", type=_SECONDS, metavar="S", help="Seconds to send what was read, after a signal. [30]"),
    flag("--server-without-transactions", "The server stores parts of a batch (bulk_requests_use_transaction=0)."),
)  # fmt: skip

FOLLOWING = section(
    "Live logs",
    flag("--follow", "Read on as the files grow, through every rotation, until a signal comes."),
    flag("--from-now", "With --follow: leave out what lies there when the job begins."),
    option(
        "--flush-after", type=_SECONDS, metavar="S",
        help="Seconds after which a hit is sent that was followed or came through a pipe. [5]",
    ),
    option("--spool", type=FILE, metavar="DIR", help="Write standard input to this folder first: nothing is lost."),
    option(
        "--spool-size", type=click.IntRange(1 << 20), metavar="BYTES",
        help="So much of it, at most; then its writer waits. [1073741824]",
    ),
)  # fmt: skip

STATE = section(
    "What was done before",
    option("--state-dir", type=FILE, metavar="DIR", help="Where state lies."),
    option("--job", metavar="NAME", help="The name of the job, of which one run goes at a time. [server and sites]"),
)

AGAIN = section(
    "What was done before",
    flag("--again", "Send all again on purpose, also what earlier runs did; no word for cron: each run would."),
    option(
        "--in-doubt", type=click.Choice(["ask", "resend", "hold"]),
        help="What was posted and never answered: ask the server, send it once more, or keep it for retry. [ask]",
    ),
)  # fmt: skip

MACHINES = section(
    "Several machines",
    option(
        "--shard", metavar="I/N", help="Send share I of N of all visitors, where N machines read the same logs (1/3)."
    ),
    option("--spark", metavar="MASTER", help="Import on this Spark cluster: spark://host:7077, or submitted."),
    option("--shared-dir", metavar="DIR", help="With --spark: a folder or URL where all machines keep the progress."),
    option(
        "--max-senders", type=click.IntRange(1, 1024), metavar="N", help="With --spark: tasks that post at once. [16]"
    ),
)  # fmt: skip

TELLING = section(
    "What is told",
    flag("--preview", "Track into the embedded receiver, and serve its report, during the import and until Ctrl-C."),
    flag("--dry-run", "Count what would be tracked, and send nothing."),
    option("-d", "--debug", count=True, help="Tell every post; twice, also every line that is left out."),
    flag("--debug-tracker", "Ask the tracker to explain itself, for each site, and tell what it says."),
    option("--debug-request-limit", type=click.IntRange(1), metavar="N", help="Send the first N hits, and end."),
    flag("--dump-log-regex", "Print the patterns of the sources' formats, and end."),
    option("--rejects", type=FILE, metavar="FILE", help="Keep every rejected line in this file."),
    option("--metrics-file", type=FILE, metavar="FILE", help="Write the counts for Prometheus there."),
    option("--show-progress/--no-show-progress", "progress", help="The progress bar. [on a terminal]"),
    option(
        "--show-progress-delay", type=click.FloatRange(0), metavar="S",
        help="Without a bar, a line each S seconds. [30]",
    ),
    option("--output", type=FILE, metavar="FILE", help="Put all that is printed at the end of FILE."),
    flag("--show-settings", "Print the settings and where each comes from, and end."),
    flag("--json", "Print the summary as one JSON object."),
)  # fmt: skip


def say(sentence: str) -> None:
    """Prints a sentence for people to standard error."""
    from log_importer.model.visible import visible

    click.echo(visible(sentence, 2000), file=sys.stderr)
