"""A real S3 server, in a process of its own on this machine: moto's, which botocore takes for Amazon's."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]

_STARTS = 60.0
"""Seconds for the server to start on a busy machine."""


class S3:
    """One bucket of it, of its own name. `env` is what a client needs to know."""

    def __init__(self, url: str, log: Path, bucket: str) -> None:
        self.env = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }
        self.bucket = bucket
        self._log = log
        self._client: Any = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="someone", aws_secret_access_key="secret", region_name="us-east-1"
        )  # fmt: skip
        self._client.create_bucket(Bucket=bucket)

    def url(self, key: str = "") -> str:
        """The URL of an object."""
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, data: bytes) -> str:
        """Writes an object, anew where there is one; its URL."""
        self._client.put_object(Bucket=self.bucket, Key=key, Body=data)
        return self.url(key)

    def rename(self, key: str, to: str) -> None:
        """As a store does it: by a copy."""
        self._client.copy_object(Bucket=self.bucket, Key=to, CopySource={"Bucket": self.bucket, "Key": key})
        self.delete(key)

    def delete(self, key: str) -> None:
        """Takes an object away."""
        self._client.delete_object(Bucket=self.bucket, Key=key)

    def asked(self) -> list[str]:
        """The requests for this bucket that came in so far: method and path."""
        text = re.sub(r"\x1b\[[0-9;]*m", "", self._log.read_text())
        return [f"{method} {path}" for method, path in re.findall(rf'"(\w+) (/{self.bucket}[/?]\S*) HTTP', text)]


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a server, and the file that it writes its requests into."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "moto.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=file, stderr=file,
            env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
    try:
        _wait(server, port, log)
        yield f"http://127.0.0.1:{port}", log
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


def _wait(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + _STARTS
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"the S3 server did not start: {log.read_text()[-2000:]}")
