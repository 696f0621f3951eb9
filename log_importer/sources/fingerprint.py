"""What a source is known by: its content first, and as a hint the file as it lies on disk."""

import os
from hashlib import blake2b

from log_importer.model import Disk

HEAD = 1024
"""Bytes of the decompressed beginning that tell sources apart."""
TAIL = 256
"""Bytes before a place that tell whether reading may go on there."""
BEGINNING = 4096
"""Bytes as they lie on disk that tell two files apart which have the same size and time."""


def fingerprint(data: bytes) -> bytes:
    """The hash of a head or a tail; that of no bytes is b""."""
    return blake2b(data, digest_size=16).digest() if data else b""


def disk_of(file: int) -> Disk:
    """The open regular file `file` as it lies on disk. Raises `OSError`."""
    status = os.fstat(file)
    beginning = fingerprint(os.pread(file, BEGINNING, 0))
    return Disk(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, beginning)
