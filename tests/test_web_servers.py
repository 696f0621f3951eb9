"""Each web server of Debian with its default log: every known request is found again, field by field."""

import json
import shutil
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from log_importer.model import Hit
from log_importer.parsing.format_strings import spec_of
from log_importer.parsing.lines import LineReader
from log_importer.parsing.text import split_lines
from tests.conftest import Run, missing
from tests.web_servers.servers import BINARIES, SERVERS, Server, apache, haproxy, nginx
from tests.web_servers.visit import HOST, VISITS, Visit, log_of, place, sent, started

HITS: dict[str, dict[str, Any]] = {
    "nginx": {"format": "combined"},
    "apache": {"format": "combined"},
    "lighttpd": {"format": "lighttpd", "host": HOST},
    "haproxy": {"format": "haproxy", "without": {"user_agent", "referrer"}},
    "caddy": {"format": "caddy_json", "host": HOST},
    "varnish": {"format": "varnish", "host": HOST, "scheme": "http"},
    "squid": {"format": "squid", "host": HOST, "scheme": "http", "without": {
        "user_agent", "referrer", "query", "protocol",
    }},
    "icecast": {"format": "icecast2", "without": {"query"}, "plain": True},
    "tomcat": {"format": "common", "without": {"user_agent", "referrer"}},
}  # fmt: skip
"""What each server's log holds beyond what all hold; `without`: the fields that it does not; `plain`: only ASCII."""


def have(name: str) -> None:
    binary = BINARIES.get(name, name)
    if not shutil.which(binary, path="/usr/sbin:/usr/bin:/sbin:/bin"):
        missing(f"no {binary}; apt-get install it")


FIELDS = {
    "client_ip", "method", "path", "query", "protocol", "status", "referrer", "user_agent", "host", "scheme",
}  # fmt: skip


def in_order(hits: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(hit, sort_keys=True) for hit in hits)


def expected(visit: Visit, about: dict[str, Any]) -> dict[str, Any]:
    agent = visit.agent
    if about.get("plain") and agent is not None:  # Icecast puts a dot for each byte that it does not like
        agent = "".join(chr(byte) if byte < 128 and byte not in b'"\\' else "." for byte in agent.encode())
    hit = {
        "client_ip": "127.0.0.1", "method": visit.method, "path": visit.path, "query": visit.query,
        "protocol": "HTTP/1.1", "status": visit.status, "referrer": visit.referrer, "user_agent": agent,
        "host": about.get("host"), "scheme": about.get("scheme"),
    }  # fmt: skip
    return {name: value for name, value in hit.items() if value is not None and name not in about.get("without", ())}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SERVERS)
def test_what_a_server_writes_by_default_is_read_field_by_field(name: str, run: Run) -> None:
    have(name)
    about = HITS[name]
    began = time.time() - 1
    with place() as folder:
        server = SERVERS[name](folder)
        with started(server, folder):
            visits = sent(server.port)
        done = run("explain", str(log_of(server, folder)))
    rows = [json.loads(row) for row in done.out.splitlines()]
    assert {row["format"] for row in rows} == {about["format"]}
    hits = [row["hit"] for row in rows if row["hit"].get("path") in {visit.path for visit in VISITS}]
    wanted = [expected(visit, about) for visit in visits]
    found = [{key: hit[key] for key in FIELDS - about.get("without", set()) if key in hit} for hit in hits]
    assert in_order(found) == in_order(wanted)  # Varnish writes a request when its thread is through with it
    known = {"time", "bytes_sent", "duration", "query", *wanted[0], *expected(VISITS[1], about)}
    for hit in hits:
        assert hit.keys() <= known, "a field that nobody expects"
        assert began <= datetime.fromisoformat(hit["time"]).timestamp() <= time.time() + 1
        assert "bytes_sent" in hit or hit["method"] == "HEAD"


@pytest.mark.timeout(120)
def test_haproxy_behind_syslog_is_read(run: Run) -> None:
    have("haproxy")
    with place() as folder:
        server = haproxy(folder, "rfc5424")
        with started(server, folder):
            visits = sent(server.port)
        lines = log_of(server, folder).read_text().splitlines()
        done = run("explain", str(log_of(server, folder)))
    assert all(line.startswith("<") for line in lines)
    hits = [json.loads(row).get("hit", {}) for row in done.out.splitlines()]
    assert [hit["path"] for hit in hits if hit.get("path") != "<BADREQ>"] == [visit.path for visit in visits]


NGINX = {
    "more columns behind, host in last place": (
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" $request_time $upstream_response_time $upstream_addr $pipe $http_x_forwarded_for $host'
    ),
    "columns without quotes, bars between": (
        "$time_iso8601|$remote_addr|$http_x_forwarded_for|$request_method|$request_uri|$status|$http_referer|"
        "$http_user_agent|$bytes_sent|$request_time|$server_protocol|$host"
    ),
    "the user agent at the end, time as a number": (
        '[$msec] $remote_addr $host "$request_method $scheme://$host$request_uri $server_protocol" $status '
        '$body_bytes_sent "$http_referer" $request_time $http_user_agent'
    ),
    "path and arguments apart": (
        '$host $remote_addr [$time_local] $request_method "$uri" "$args" $status "$http_referer" "$http_user_agent" '
        "$server_protocol $request_length $body_bytes_sent $request_time"
    ),
}
NGINX_JSON = (
    '{"@t":"$time_iso8601","client":{"ip":"$remote_addr"},"req":"$request","code":$status,"size":$body_bytes_sent,'
    '"took":"$request_time","ua":"$http_user_agent","ref":"$http_referer","vhost":"$host"}'
)
APACHE = {
    "microseconds and columns that nobody knows": (
        r"%v %h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D %{Foo}o %X %k"
    ),
    "time in parts, with the milliseconds": (
        r"[%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t] %a %m \"%U\" \"%q\" %H %>s %B "
        r"\"%{Referer}i\" \"%{User-Agent}i\" %{ms}T %V"
    ),
    "tabs between, host in last place": (
        r"%{%Y-%m-%d %H:%M:%S %z}t\t%h\t%m\t%U%q\t%H\t%s\t%O\t"
        r"%{Referer}i\t%{User-agent}i\t%T\t%{X-Forwarded-For}i\t%{Host}i"
    ),
    "JSON": (
        r"{ \"t\": \"%{sec}t\", \"ip\": \"%a\", \"request\": \"%r\", \"status\": %>s, \"bytes\": %B, \"us\": %D, "
        r"\"ref\": \"%{Referer}i\", \"ua\": \"%{User-Agent}i\", \"host\": \"%{Host}i\" }"
    ),
}


def read_with(definition: str, server: Server, folder: Any) -> tuple[list[Visit], list[Hit]]:
    with started(server, folder):
        visits = sent(server.port)
    reader = LineReader(spec_of(definition))
    lines = split_lines((folder / "mine.log").read_text("utf-8", "surrogateescape"))
    hits = [reader.read(line) for line in lines]
    assert all(isinstance(hit, Hit) for hit in hits), list(zip(hits, lines, strict=True))
    return visits, hits  # type: ignore[return-value]


def indexed(visits: list[Visit]) -> list[Visit]:
    """As a server has it that logs the path where it went in the end."""
    return [replace(visit, target="/index.html") if visit.path == "/" else visit for visit in visits]


def check(visits: list[Visit], hits: list[Hit]) -> None:
    wanted = [expected(visit, {"host": HOST}) for visit in visits]
    assert [{key: getattr(hit, key) for key in want} for hit, want in zip(hits, wanted, strict=True)] == wanted
    assert all(abs(hit.time - time.time()) < 60 and hit.duration is not None and hit.duration < 5 for hit in hits)
    assert all(hit.bytes_sent is not None or hit.method == "HEAD" for hit in hits)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [*NGINX, "json", "json without escape=json"])
def test_what_nginx_writes_by_an_unusual_definition_is_read_by_it(name: str) -> None:
    have("nginx")
    with place() as folder:
        server = nginx(folder)
        body = NGINX.get(name, NGINX_JSON)
        escape = "escape=json " if name == "json" else ""
        statement = f"log_format mine {escape}'{body}';"
        file = folder / "nginx.conf"
        file.write_text(
            file.read_text().replace("http {", f"http {{ {statement} access_log {folder}/mine.log mine;")
            .replace(f"access_log {folder}/access.log;", "")
        )  # fmt: skip
        visits, hits = read_with(statement, server, folder)
        check(indexed(visits) if "$uri" in body else visits, hits)
        assert spec_of(statement) == spec_of(f"{escape}'{body}'"), "the statement or the string in it"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", APACHE)
def test_what_apache_writes_by_an_unusual_definition_is_read_by_it(name: str) -> None:
    have("apache")
    with place() as folder:
        server = apache(folder)
        statement = f'LogFormat "{APACHE[name]}" mine'
        with (folder / "apache.conf").open("a") as file:
            file.write(f"{statement}\nCustomLog {folder}/mine.log mine\n")
        visits, hits = read_with(statement, server, folder)
        check(indexed(visits) if "%U" in statement else visits, hits)


@pytest.mark.timeout(120)
def test_what_haproxy_writes_by_an_unusual_definition_is_read_by_it() -> None:
    have("haproxy")
    definition = (
        "%ci:%cp [%trl] %ft %HM %{+Q}HU %HV %ST %B %Ta %hr %hs %{+Q}[var(txn.ua)] %{+Q}[var(txn.none)]"
        " %{+Q}[var(txn.referer)]"
    )
    with place() as folder:
        server = haproxy(folder)
        file = folder / "haproxy.cfg"
        escaped = definition.replace(" ", "\\ ")
        kept = "".join(
            f"    http-request {what}\n" for what in (
                "capture req.hdr(User-Agent) len 200", "set-var(txn.ua) req.hdr(User-Agent)",
                "set-var(txn.referer) req.hdr(Referer)",
            )
        )  # fmt: skip
        file.write_text(
            file.read_text().replace("option httplog", f"log-format {escaped}")
            .replace("    http-request return status 404", f"{kept}    http-request return status 404", 1)
        )  # fmt: skip
        with started(server, folder):
            visits = sent(server.port)
        reader = LineReader(spec_of(f"log-format {escaped}"))
        read = [reader.read(line) for line in (folder / "stdout").read_text().splitlines()]
    hits = [hit for hit in read if isinstance(hit, Hit) and hit.path != "<BADREQ>"]
    assert len(hits) == len(visits)
    for hit, visit in zip(hits, visits, strict=True):
        assert (hit.client_ip, hit.method, hit.path, hit.query) == ("127.0.0.1", visit.method, visit.path, visit.query)
        assert (hit.status, hit.user_agent, hit.referrer) == (visit.status, visit.agent, visit.referrer)
