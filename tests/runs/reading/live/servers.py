"""nginx and Apache as a machine runs them, with a master and its workers, so that a log is reopened as it is there."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import missing
from tests.sample_servers.process import free_port
from tests.web_servers import servers
from tests.web_servers.visit import started

LARGE = 12 << 20
"""More than what the kernel holds of a connection, so that who does not read on keeps the request under way."""


@dataclass(frozen=True)
class Writer:
    """A server that writes a log."""

    name: str
    folder: Path
    port: int
    reopen: str
    """The command by which its manual has it begin a new log."""

    @property
    def log(self) -> Path:
        return self.folder / "access.log"


def nginx(folder: Path) -> tuple[servers.Server, str]:
    port = free_port()
    user = "user www-data;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"""
daemon off; {user} worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/html;
        location /n/ {{ try_files /page.html =404; }}
        location ~ ^/n/[0-9]+/slow$ {{ try_files /large =404; }}
    }}
}}
""")
    command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    return servers.Server([command], port, "access.log"), f"kill -USR1 $(cat {folder}/nginx.pid)"


def apache(folder: Path, log: str = "") -> tuple[servers.Server, str]:
    """With Debian's `combined`; `log` stands in for its `CustomLog`."""
    server = servers.apache(folder)
    file = folder / "apache.conf"
    text = file.read_text()
    if log:
        text = text.replace(f"CustomLog {folder}/access.log combined", log)
    file.write_text(f"""{text}
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
AliasMatch "^/n/[0-9]+$" "{folder}/html/page.html"
AliasMatch "^/n/[0-9]+/slow$" "{folder}/html/large"
MaxKeepAliveRequests 0
KeepAliveTimeout 30
""")
    run = f"apache2 -d {folder} -f {file}"
    return servers.Server([[*run.split(), "-DFOREGROUND"]], server.port, "access.log"), f"{run} -k graceful"


WRITERS: dict[str, Callable[[Path], tuple[servers.Server, str]]] = {"nginx": nginx, "apache": apache}


def have(*programs: str) -> None:
    """Skips a test that needs them."""
    for program in programs:
        binary = {"apache": "apache2"}.get(program, program)
        if not shutil.which(binary, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            missing(f"{binary}; apt-get install it")


@contextlib.contextmanager
def ground() -> Iterator[Path]:
    """A folder with pages in it that servers may read and nobody may write, or logrotate will not touch its logs."""
    folder = Path(tempfile.mkdtemp(prefix="live-"))
    folder.chmod(0o755)
    try:
        (folder / "html").mkdir()
        (folder / "html" / "page.html").write_text("<title>Page</title>\n")
        (folder / "html" / "large").write_bytes(bytes(LARGE))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(name: str) -> Iterator[Writer]:
    """That server, with a log of its own."""
    have(name)
    with ground() as folder:
        server, reopen = WRITERS[name](folder)
        with started(server, folder):
            yield Writer(name, folder, server.port, reopen)
