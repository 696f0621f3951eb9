"""Writes `sample_logs/` again, by the real servers: python -m tests.make_sample_logs FOLDER

Needs nginx, Apache and faketime from Debian (apt-get install nginx-light apache2-bin faketime). Each server runs as a
process of its own on a free loopback port, in a temporary folder, once for each day of the story, with its clock set
to that day; the visitors' addresses come in X-Forwarded-For, as from a balancer.
"""

import base64
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from log_importer.format_files import load_file, packaged_formats
from log_importer.model import Hit
from log_importer.parsing.lines import LineReader
from tests.sample_story import DAYS, Visit, story

NGINX_JSON = (
    '{"ip": "$remote_addr", "host": "$host", "path": "$request_uri", "status": "$status", '
    '"referrer": "$http_referer", "user_agent": "$http_user_agent", "length": $bytes_sent, '
    '"generation_time_milli": $request_time, "date": "$time_iso8601"}'
)
DEBIAN_VHOST = r"%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\""
COMBINED = r"%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\""
COMMON = r"%h %l %u %t \"%r\" %>s %O"


class Server(NamedTuple):
    """How to start a server, and the logs it writes."""

    command: Sequence[str]
    logs: dict[str, str]  # its file -> the sample


def main(target: Path) -> None:
    """Writes all samples that the servers here can write into `target`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        _site(folder / "www")
        for make in (_nginx, _apache):
            place = folder / make.__name__.strip("_")
            (place / "logs").mkdir(parents=True)
            port = _free_port()
            server = make(place, folder / "www", port)
            for visits in story():
                with _running(server, port, visits[0].at):
                    _play(visits, port)
            for log, sample in server.logs.items():
                shutil.copyfile(log, target / sample)
    _iis(target / "apache-vhost.log", target / "iis.log")


def _site(www: Path) -> None:
    """The files that the servers serve."""
    (www / "docs").mkdir(parents=True)
    (www / "secret").mkdir()
    (www / "css").mkdir()
    pages = ("index.html", "docs/install.html", "docs/faq.html", "shop.html", "café.html", "search", "secret/a.html")
    for number, page in enumerate(pages, 2):
        (www / page).write_text(f"<!doctype html><title>{page}</title>" + "<p>words</p>" * 40 * number)
    for number, name in enumerate(("css/site.css", "app.js", "logo.png", "favicon.ico", "robots.txt", "font.woff2"), 1):
        (www / name).write_bytes(b"x" * 700 * number)
    for number, name in enumerate(("docs/manual.pdf", "setup.zip", "data.csv"), 1):
        (www / name).write_bytes(b"y" * 20_000 * number)
    # htpasswd's form of SHA-1, of the password 1
    digest = base64.b64encode(bytes.fromhex("356a192b7913b04c54574d18c28d46e6395428ab")).decode()
    (www / "users").write_text(f"anna:{{SHA}}{digest}")


def _nginx(place: Path, www: Path, port: int) -> Server:
    config = place / "nginx.conf"
    config.write_text(f"""
env LD_PRELOAD; env FAKETIME_TIMESTAMP_FILE; env FAKETIME_NO_CACHE; env FAKETIME_DONT_FAKE_MONOTONIC;
daemon off; master_process off; user root; pid {place}/pid; error_log {place}/error.log;
events {{}}
http {{
  types {{ text/html html; text/css css; application/javascript js; image/png png; application/pdf pdf; }}
  log_format matomo '{NGINX_JSON}';
  access_log {place}/logs/combined.log combined;
  access_log {place}/logs/json.log matomo;
  client_header_timeout 1s;
  set_real_ip_from 127.0.0.0/8; real_ip_header X-Forwarded-For;
  client_body_temp_path {place}/t1; proxy_temp_path {place}/t2; fastcgi_temp_path {place}/t3;
  uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5;
  server {{
    listen 127.0.0.1:{port}; server_name www.example.org shop.example.org; root {www};
    location = /old {{ return 301 /docs/install.html; }}
    location = /login {{ return 302 /; }}
    location = /broken {{ return 500; }}
    location /secret/ {{ auth_basic secret; auth_basic_user_file {www}/users; }}
    location /private/ {{ deny all; }}
    error_page 405 =200 $uri;
  }}
}}
""")
    logs = {f"{place}/logs/combined.log": "nginx-combined.log", f"{place}/logs/json.log": "nginx-json.log"}
    return Server([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(config), "-p", str(place)], logs)


def _apache(place: Path, www: Path, port: int) -> Server:
    modules = Path("/usr/lib/apache2/modules")
    wanted = (
        "mpm_event authn_core authn_file authz_core authz_host authz_user auth_basic",
        "alias dir mime remoteip rewrite reqtimeout",
    )
    loads = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in " ".join(wanted).split())
    config = place / "apache.conf"
    config.write_text(f"""
{loads}
ServerRoot {place}
ServerName www.example.org
Listen 127.0.0.1:{port}
PidFile {place}/pid
ErrorLog {place}/error.log
User www-data
Group www-data
DirectoryIndex index.html
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.0/8
RequestReadTimeout header=1
LogFormat "{COMMON}" common
LogFormat "{COMBINED}" combined
LogFormat "{DEBIAN_VHOST}" vhost_combined
TypesConfig /dev/null
AddType text/html .html
<Directory {www}>
  Require all granted
</Directory>
<Location /private/>
  Require all denied
</Location>
<Location /secret/>
  AuthType Basic
  AuthName secret
  AuthUserFile {www}/users
  Require valid-user
</Location>
RewriteEngine On
RewriteOptions InheritDown
RewriteRule ^/broken$ - [R=500]
Redirect permanent /old /docs/install.html
Redirect /login /
<VirtualHost *:{port}>
  ServerName www.example.org
  DocumentRoot {www}
  CustomLog {place}/logs/common.log common
  CustomLog {place}/logs/combined.log combined
  CustomLog {place}/logs/vhost.log vhost_combined
</VirtualHost>
<VirtualHost *:{port}>
  ServerName shop.example.org
  DocumentRoot {www}
  CustomLog {place}/logs/vhost.log vhost_combined
</VirtualHost>
""")
    logs = {
        f"{place}/logs/common.log": "apache-common.log",
        f"{place}/logs/combined.log": "apache-combined.log",
        f"{place}/logs/vhost.log": "apache-vhost.log",
    }
    return Server([shutil.which("apache2") or "/usr/sbin/apache2", "-X", "-f", str(config)], logs)


@contextlib.contextmanager
def _running(server: Server, port: int, day: str) -> Iterator[None]:
    """The server, with a clock that begins at `day` and is set on by `_play`."""
    clock = Path(tempfile.gettempdir()) / f"sample-clock-{os.getpid()}"
    _set_clock(clock, day)
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    environment = os.environ | {
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "TZ": "UTC",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    process = subprocess.Popen(list(server.command), env=environment, start_new_session=True)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        clock.unlink()


def _set_clock(clock: Path, moment: str) -> None:
    fresh = clock.with_suffix(".new")
    fresh.write_text(f"{moment}\n")
    fresh.rename(clock)


def _play(visits: Sequence[Visit], port: int) -> None:
    clock = Path(tempfile.gettempdir()) / f"sample-clock-{os.getpid()}"
    for visit in visits:
        _set_clock(clock, visit.at)
        time.sleep(0.002)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(5)
            connection.sendall(visit.raw)
            while connection.recv(65536):
                pass


def _iis(vhost: Path, target: Path) -> None:
    """The same story as IIS 10 would have logged it, since no Windows is here: its documented default columns.

    UTC, + for a blank, milliseconds at the end, CRLF, and the header again where the server was restarted.
    """
    spec = load_file(packaged_formats() / "combined_vhost.toml")
    reader = LineReader(spec)
    header = (
        "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: {}\r\n"
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent)"
        " cs(Referer) sc-status sc-substatus sc-win32-status time-taken\r\n"
    )
    day = ""
    out = []
    for number, line in enumerate(vhost.read_text("utf-8", "surrogateescape").splitlines()):
        hit = reader.read(line)
        if not isinstance(hit, Hit) or hit.method is None:
            continue  # IIS leaves what is no HTTP to another log
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(hit.time))
        if moment[:10] != day:
            day = moment[:10]
            out.append(header.format(moment))
        values = [moment, "192.0.2.80", hit.method, hit.path, hit.query, "443", hit.user_id, hit.client_ip]
        values += [hit.user_agent, hit.referrer, hit.status, 0, 0, (number * 37) % 900 + 3]
        texts = [str(value).replace(" ", "+") if value not in (None, "") else "-" for value in values[1:]]
        out.append(f"{moment} {' '.join(texts)}\r\n")
    target.write_text("".join(out), "utf-8", "surrogateescape", newline="")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    assert len(DAYS) == 3
    main(Path(sys.argv[1]))
