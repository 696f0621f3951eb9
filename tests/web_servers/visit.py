"""Known requests, sent byte by byte to a server that is started for them, and the log that it wrote."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.sample_servers.process import START, listens
from tests.web_servers.servers import Server

HOST = "www.example.org"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@dataclass(frozen=True)
class Visit:
    """A request and, once it was sent, the server's answer to it."""

    target: str
    agent: str | None = FIREFOX
    referrer: str | None = None
    method: str = "GET"
    status: int = 0
    length: int | None = None  # bytes of the body

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str | None:
        return self.target.partition("?")[2] or None


VISITS = (
    Visit("/", referrer="https://search.example/?q=logs&page=2"),
    Visit("/page.html?size=2&name=a%20b"),
    Visit("/missing", referrer="http://www.example.org/page.html"),
    Visit("/page.html", method="HEAD"),
    Visit("/page.html", agent='odd "quoted" \\ agent'),
    Visit("/page.html?q=caf%C3%A9", agent="caf\u00e9/1.0"),
    Visit("/page.html", agent=None),
)


def sent(port: int, visits: Sequence[Visit] = VISITS) -> list[Visit]:
    """The visits with the status that each was answered with."""
    return [_send(port, visit) for visit in visits]


def _send(port: int, visit: Visit) -> Visit:
    lines = [f"{visit.method} {visit.target} HTTP/1.1", f"Host: {HOST}", "Connection: close"]
    if visit.agent is not None:
        lines.append(f"User-Agent: {visit.agent}")
    if visit.referrer is not None:
        lines.append(f"Referer: {visit.referrer}")
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        while block := connection.recv(65536):
            answer += block
    return Visit(visit.target, visit.agent, visit.referrer, visit.method, int(answer.split()[1]))


@contextlib.contextmanager
def started(server: Server, folder: Path) -> Iterator[None]:
    """The server's processes, ended by their ids."""
    children: list[subprocess.Popen[bytes]] = []
    environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "LC_ALL": "C.UTF-8", **server.environment}
    out = (folder / "stdout").open("wb")
    errors = (folder / "stderr").open("wb")
    try:
        children += [
            subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
                start_new_session=True,
            )
            for command in server.commands
        ]  # fmt: skip
        end = time.monotonic() + 6 * START
        while not listens(server.port):
            if any(child.poll() is not None for child in children) or time.monotonic() > end:
                raise RuntimeError(f"{server.commands[-1][0]} did not start: {(folder / 'stderr').read_text()[-2000:]}")
            time.sleep(0.05)
        while server.mapped and server.mapped not in Path(f"/proc/{children[-1].pid}/maps").read_text():
            if children[-1].poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{server.commands[-1][0]} did not find the server that it writes the log of")
            time.sleep(0.05)
        time.sleep(0.3)
        yield
        time.sleep(0.5)
    finally:
        for child in reversed(children):
            child.terminate()
        for child in children:
            try:
                child.wait(2 * START)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        out.close()
        errors.close()


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """A folder that servers may read which give up their rights, with two pages in it."""
    folder = Path(tempfile.mkdtemp(prefix="web-"))
    folder.chmod(0o777)
    try:
        (folder / "html").mkdir()
        (folder / "html" / "index.html").write_text("<title>Start</title>\n" * 20)
        (folder / "html" / "page.html").write_text("<title>Page</title>\n" * 100)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def log_of(server: Server, folder: Path) -> Path:
    """The log that it wrote."""
    return next(folder.glob(server.log)) if server.log else folder / "stdout"
