"""nginx, with the log definitions that people have: its built-in one, and the JSON that import_logs.py documents."""

from pathlib import Path

from . import website
from .client import send_all
from .clock import Clock
from .process import free_port, running
from .request import Request

# From the README of matomo-log-analytics. Its generation_time_milli holds $request_time, which is in seconds.
MATOMO_JSON = """'{"ip": "$remote_addr",'
        '"host": "$host",'
        '"path": "$request_uri",'
        '"status": "$status",'
        '"referrer": "$http_referer",'
        '"user_agent": "$http_user_agent",'
        '"length": $bytes_sent,'
        '"generation_time_milli": $request_time,'
        '"date": "$time_iso8601"}'"""

DEFINITIONS = {
    "combined": "",  # built in
    "json": f"log_format json escape=json {MATOMO_JSON};",
    "documented_json": f"log_format documented_json {MATOMO_JSON};",  # writes \x22 for a quote, which is no JSON
}


def write_log(definition: str, requests: list[Request], folder: Path, zone: str) -> Path:
    clock, log, port, http2_port = Clock(folder), folder / "access.log", free_port(), free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_configuration(definition, folder, port, http2_port, clock.environment(zone)))
    command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    with running(command, http2_port, clock.environment(zone)):
        send_all(requests, port, http2_port, clock, log)
    return log


def _configuration(definition: str, folder: Path, port: int, http2_port: int, environment: dict[str, str]) -> str:
    kept = "\n".join(f"env {name};" for name in environment)  # nginx drops all others
    redirects = "\n".join(
        f"        location = {path} {{ return {status} {target}; }}"
        for path, (status, target) in website.REDIRECTS.items()
    )
    return f"""
daemon off;
master_process off;
pid {folder}/nginx.pid;
{kept}
events {{}}
http {{
    include /etc/nginx/mime.types;
    {DEFINITIONS[definition]}
    access_log {folder}/access.log {definition};
    set_real_ip_from 127.0.0.0/8;
    real_ip_header X-Forwarded-For;
    client_header_timeout 1s;
    absolute_redirect off;
    client_body_temp_path {folder}/body;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{http2_port} http2;
        server_name {" ".join(website.HOSTS)};
        root {folder}/html;
        index index.html;
{redirects}
        location {website.FORBIDDEN} {{ deny all; }}
        location {website.BROKEN} {{ return 500; }}
        location {website.PASSWORD} {{ auth_basic "Your account"; auth_basic_user_file {folder}/users; }}
        location /downloads/ {{ limit_rate 60k; }}  # so that some requests take their time
    }}
}}
"""
