"""A web server as our own child process: on a free port, in a temporary folder, ended by its process id."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

START = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    child = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **environment})
    try:
        end = time.monotonic() + START
        while not listens(port):
            if child.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.05)
        yield
    finally:
        child.terminate()
        child.wait(START)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
