"""The most memory that an import holds, all its processes together, on a long stream and on files that swell.

    python -m bench.memory [GIGABYTES]

Proportional set size, looked at 30 times a second; the server is not counted.
"""

import gzip
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from bench.null_server import null_server
from tests.faults.common import arguments, watched
from tests.oracle import line

_LINES = 100_000
_BLOCK = 1 << 20


def stream(size: int) -> Iterator[bytes]:
    """So many bytes of a log, of which one line in eight is a hit; visitors and user agents are ever new ones."""
    block = b"".join(
        line(number, 60_000) if number % 8 == 0 else line(number, 60_000).replace(b" HTTP", b".png HTTP")
        for number in range(_LINES)
    )
    for number in range(size // len(block) + 1):
        fresh = b"%d.%d." % (number % 200 + 11, number // 200)
        yield block.replace(b"192.0.", fresh).replace(b"Firefox/", b"Firefox/%d." % number)


def bomb(path: Path, size: int) -> None:
    """A gzip of one byte so many times, and a line behind them."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        for _ in range(size // _BLOCK):
            file.write(squeeze.compress(b"x" * _BLOCK))
        file.write(squeeze.compress(b"\n" + line(1)) + squeeze.flush())


def repetitive(path: Path, size: int) -> None:
    """A gzip of one line, over and over."""
    one = line(1).replace(b" HTTP", b".png HTTP")
    with gzip.open(path, "wb") as file:
        block = one * (_BLOCK // len(one))
        for _ in range(size // len(block)):
            file.write(block)


def peak(url: str, folder: Path, source: str, feed: Iterator[bytes] | None = None) -> tuple[int, float]:
    """The most bytes held while `source` was imported, and the seconds that it took."""
    began = time.monotonic()
    with watched(folder, *arguments(url, source), stdin=subprocess.PIPE if feed else subprocess.DEVNULL) as process:
        if feed is not None:
            threading.Thread(target=_feed, args=(process.process, feed), daemon=True).start()
            code = process.process.wait(3600)
        else:
            code = process.end(3600).code
        assert code == 0, code
    return process.peak, time.monotonic() - began


def _feed(process: "subprocess.Popen[bytes]", feed: Iterator[bytes]) -> None:
    assert process.stdin is not None
    for block in feed:
        process.stdin.write(block)
    process.stdin.close()
    process.stdin = None  # nobody else closes it


def main(gigabytes: float) -> None:
    size = int(gigabytes * 1e9)
    with tempfile.TemporaryDirectory() as name, null_server() as url:
        folder = Path(name)
        bomb(folder / "bomb.gz", size)
        repetitive(folder / "repetitive.gz", size // 5)
        for title, source, feed in (
            (f"a stream of {gigabytes:g} GB on standard input", "-", stream(size)),
            (f"a .gz that swells to {gigabytes:g} GB without a newline", "bomb.gz", None),
            (f"a .gz that swells to {gigabytes / 5:g} GB of lines", "repetitive.gz", None),
        ):
            most, seconds = peak(url, folder, source, feed)
            print(f"memory: {most / 1e6:,.0f} MB at most on {title} ({seconds:,.0f} s)", flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5)
