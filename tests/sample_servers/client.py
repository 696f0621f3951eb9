"""The client: writes each request byte for byte, as no well-behaved HTTP library would."""

import socket
import subprocess
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from .clock import Clock
from .request import Request, to_bytes

GIVE_UP = 15.0
SILENCE = 0.4  # a server that has not logged a broken connection by then does not log it


def send_all(requests: Iterable[Request], port: int, http2_port: int, clock: Clock, log: Path) -> None:
    """Sends one after the other, each at its time, and waits until the server has logged it."""
    held: list[tuple[Request, socket.socket]] = []
    for request in sorted(requests, key=lambda request: request.at):
        for slow, connection in [each for each in held if each[0].at + timedelta(seconds=each[0].held) <= request.at]:
            clock.set(slow.at + timedelta(seconds=slow.held))
            held.remove((slow, connection))
            _finish(connection, to_bytes(slow.body), log)
        clock.set(request.at)
        if request.protocol == "HTTP/2.0":
            _send_with_curl(request, http2_port, log)
            continue
        connection = socket.create_connection(("127.0.0.1", port), GIVE_UP)
        connection.sendall(to_bytes(head(request) if request.raw is None else request.raw))
        if request.held:
            held.append((request, connection))
            time.sleep(0.1)  # or the server reads the head by the next request's clock
        else:
            _finish(connection, to_bytes(request.body), log, hang_up=request.raw is not None and not request.wait)


def head(request: Request) -> str:
    lines = [f"{request.method} {request.target} {request.protocol}", f"Host: {request.host}"]
    lines += [f"X-Forwarded-For: {request.client}", "Connection: close"]
    if request.agent is not None:
        lines.append(f"User-Agent: {request.agent}")
    if request.referrer:
        lines.append(f"Referer: {request.referrer}")
    if request.body:
        lines.append(f"Content-Length: {len(request.body)}")
    lines += [f"{name}: {value}" for name, value in request.headers]
    return "\r\n".join(lines) + "\r\n\r\n"


def _finish(connection: socket.socket, body: bytes, log: Path, hang_up: bool = False) -> None:
    before = log.stat().st_size
    with connection:
        if body:
            connection.sendall(body)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass  # an answer to garbage may end so
    _await_growth(log, before)


def _send_with_curl(request: Request, port: int, log: Path) -> None:
    before = log.stat().st_size
    command = ["curl", "-q", "--silent", "--http2-prior-knowledge", "--noproxy", "*", "--path-as-is", "--globoff"]
    command += ["--output", "/dev/null", "--user-agent", request.agent or "", "--referer", request.referrer]
    command += ["--header", f"X-Forwarded-For: {request.client}", "--header", f"Host: {request.host}"]
    for name, value in request.headers:
        command += ["--header", f"{name}: {value}"]
    subprocess.run([*command, f"http://127.0.0.1:{port}{request.target}"], check=True, timeout=GIVE_UP)
    _await_growth(log, before)


def _await_growth(log: Path, before: int) -> None:
    end = time.monotonic() + SILENCE
    while log.stat().st_size == before and time.monotonic() < end:
        time.sleep(0.005)
