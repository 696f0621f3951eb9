"""Apache httpd as Debian packs it, with the log definitions of Debian's apache2.conf and of httpd's own manual."""

from pathlib import Path

from . import website
from .client import send_all
from .clock import Clock
from .process import free_port, running
from .request import Request

DEFINITIONS = {
    # The manual's Common Log Format: %b writes "-" where no body was sent.
    "common": r"%h %l %u %t \"%r\" %>s %b",
    # Debian's, which count the headers too (%O).
    "combined": r"%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"",
    "vhost_combined": r"%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"",
}
MODULES = (
    "mpm_event authn_core authn_file authz_core authz_user auth_basic alias dir mime remoteip reqtimeout rewrite http2"
)
PORTS = {"shop.example.org": 443}  # served behind a proxy that ends TLS; all others at port 80


def write_log(definition: str, requests: list[Request], folder: Path, zone: str) -> Path:
    clock, log, port = Clock(folder), folder / "access.log", free_port()
    configuration = folder / "apache2.conf"
    configuration.write_text(_configuration(definition, folder, port))
    with running(["apache2", "-X", "-d", str(folder), "-f", str(configuration)], port, clock.environment(zone)):
        send_all(requests, port, port, clock, log)
    return log


def _configuration(definition: str, folder: Path, port: int) -> str:
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES.split())
    redirects = "\n".join(
        f'Redirect {status} "{path}" "{target}"' for path, (status, target) in website.REDIRECTS.items()
    )
    hosts = "\n".join(
        f"<VirtualHost *:{port}>\nServerName {host}:{PORTS.get(host, 80)}\nUseCanonicalName On\n"
        f"RewriteEngine On\nRewriteOptions Inherit\n{redirects}\n</VirtualHost>"
        for host in website.HOSTS
    )
    return f"""
{modules}
ServerName example.org
Listen 127.0.0.1:{port}
User www-data
Group www-data
PidFile {folder}/apache2.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
TypesConfig /etc/mime.types
Protocols h2c http/1.1
H2Direct on
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.0/8
RequestReadTimeout header=1 body=20
DocumentRoot {folder}/html
DirectoryIndex index.html
RewriteEngine On
RewriteRule ^{website.BROKEN} - [R=500]
<Directory {folder}/html>
    Require all granted
</Directory>
<Location {website.FORBIDDEN}>
    Require all denied
</Location>
<Location {website.PASSWORD}>
    AuthType Basic
    AuthName "Your account"
    AuthUserFile {folder}/users
    Require valid-user
</Location>
LogFormat "{DEFINITIONS[definition]}" {definition}
CustomLog {folder}/access.log {definition}
{hosts}
"""
