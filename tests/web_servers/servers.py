"""How each server is started, in a folder of its own, and where its access log is."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.sample_servers.process import free_port

MODULES = ("mpm_event", "authz_core", "dir")
"""Of Apache."""


@dataclass(frozen=True)
class Server:
    """A server, ready to be started."""

    commands: list[list[str]]
    port: int
    log: str  # a pattern within the folder; "" for standard output
    environment: Mapping[str, str] = field(default_factory=dict)
    mapped: str = ""
    """What the last of the commands has in its memory once it has found the server that it writes the log of."""


def nginx(folder: Path) -> Server:
    port = free_port()
    (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{ access_log {folder}/access.log; client_body_temp_path {folder}/body;
server {{ listen 127.0.0.1:{port}; root {folder}/html; }} }}""")
    command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    return Server([command], port, "access.log")


def apache(folder: Path) -> Server:
    """With Debian's apache2.conf for its `combined`."""
    port = free_port()
    definition = next(
        line for line in Path("/etc/apache2/apache2.conf").read_text().splitlines() if line.endswith(" combined")
    )
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES)
    (folder / "apache.conf").write_text(f"""
{modules}
ServerName www.example.org
Listen 127.0.0.1:{port}
User www-data
Group www-data
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
DocumentRoot {folder}/html
DirectoryIndex index.html
{definition}
CustomLog {folder}/access.log combined
""")
    return Server([["apache2", "-X", "-d", str(folder), "-f", str(folder / "apache.conf")]], port, "access.log")


def lighttpd(folder: Path) -> Server:
    port = free_port()
    (folder / "lighttpd.conf").write_text(f"""
server.modules = ( "mod_accesslog" )
server.document-root = "{folder}/html"
server.bind = "127.0.0.1"
server.port = {port}
index-file.names = ( "index.html" )
accesslog.filename = "{folder}/access.log"
""")
    return Server([["lighttpd", "-D", "-f", str(folder / "lighttpd.conf")]], port, "access.log")


def haproxy(folder: Path, form: str = "raw") -> Server:
    port = free_port()
    (folder / "haproxy.cfg").write_text(f"""
global
    nbthread 1
    log stdout format {form} daemon
defaults
    log global
    mode http
    option httplog
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend web
    bind 127.0.0.1:{port}
    http-request return status 404 if {{ path /missing }}
    http-request return status 200 content-type text/html string "a page"
""")
    return Server([["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]], port, "")


def caddy(folder: Path) -> Server:
    port = free_port()
    (folder / "Caddyfile").write_text(f"""
{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    root * {folder}/html
    file_server
    log {{
        output file {folder}/access.log
    }}
}}
""")
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return Server(
        [["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]], port, "access.log", home
    )


def varnish(folder: Path) -> Server:
    port = free_port()
    (folder / "page.vcl").write_text("""
vcl 4.1;
backend default none;
sub vcl_recv {
    if (req.url ~ "^/missing") { return (synth(404)); }
    return (synth(200, "OK"));
}
""")
    work = str(folder / "varnish")
    daemon = [
        "varnishd",
        "-F",
        "-n",
        work,
        "-a",
        f"127.0.0.1:{port}",
        "-f",
        str(folder / "page.vcl"),
        "-s",
        "malloc,8m",
    ]
    log = ["varnishncsa", "-n", work, "-w", str(folder / "access.log")]
    return Server([daemon, log], port, "access.log", mapped=f"{work}/")


def squid(folder: Path) -> Server:
    """In front of another web server, whose visitors it logs."""
    origin = nginx(folder)
    port = free_port()
    (folder / "squid.conf").write_text(f"""
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name=origin
http_access allow all
cache deny all
access_log stdio:{folder}/squid.log squid
cache_log {folder}/cache.log
pid_filename {folder}/squid.pid
pinger_enable off
shutdown_lifetime 0 seconds
""")
    return Server([*origin.commands, ["squid", "-N", "-f", str(folder / "squid.conf")]], port, "squid.log")


def icecast(folder: Path) -> Server:
    port = free_port()
    (folder / "icecast.xml").write_text(f"""
<icecast>
  <limits><clients>10</clients><sources>2</sources></limits>
  <authentication><source-password>x</source-password><relay-password>x</relay-password>
    <admin-user>admin</admin-user><admin-password>x</admin-password></authentication>
  <hostname>localhost</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths><logdir>{folder}/logs</logdir><webroot>{folder}/html</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
    <alias source="/" destination="/index.html"/></paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog></logging>
  <security><chroot>0</chroot><changeowner><user>nobody</user><group>nogroup</group></changeowner></security>
</icecast>
""")
    (folder / "logs").mkdir()
    shutil.chown(folder / "logs", "nobody", "nogroup")
    return Server([["icecast2", "-c", str(folder / "icecast.xml")]], port, "logs/access.log")


def tomcat(folder: Path) -> Server:
    port = free_port()
    shutil.copytree("/etc/tomcat10", folder / "conf", ignore=shutil.ignore_patterns("policy.d"))
    for name in ("logs", "temp", "work"):
        (folder / name).mkdir()
    shutil.copytree(folder / "html", folder / "webapps" / "ROOT")
    file = folder / "conf" / "server.xml"
    file.write_text(file.read_text().replace('port="8005"', 'port="-1"').replace('port="8080"', f'port="{port}"'))
    base = {"CATALINA_HOME": "/usr/share/tomcat10", "CATALINA_BASE": str(folder), "JAVA_OPTS": "-Xmx96m"}
    return Server([["/usr/share/tomcat10/bin/catalina.sh", "run"]], port, "logs/localhost_access_log.*.txt", base)


SERVERS = {
    server.__name__: server
    for server in (nginx, apache, lighttpd, haproxy, caddy, varnish, squid, icecast, tomcat)
}  # fmt: skip
BINARIES = {
    "apache": "apache2", "varnish": "varnishd", "icecast": "icecast2",
    "tomcat": "/usr/share/tomcat10/bin/catalina.sh",
}  # fmt: skip
"""Those that are not called as the server is."""
