"""Debian's logrotate, by force, with the options that people have."""

import gzip
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.runs.reading.live.load import SLOW
from tests.runs.reading.live.servers import Writer

DATED = ("dateext", "dateformat -%Y%m%d-%s")  # to the second, so that it can be done often enough for a test

KINDS = {
    "create": ("create",),
    "create, compressed at the next": ("create", "compress", "delaycompress"),
    "create, compressed at once": ("create", "compress"),
    "create, by date": ("create", *DATED, "compress", "delaycompress"),
    "copytruncate": ("copytruncate",),
    "copytruncate, compressed at once": ("copytruncate", "compress"),
    "copytruncate, by date": ("copytruncate", *DATED, "compress", "delaycompress"),
}
LOSSY = ("copytruncate", "compressed at once")
"""Kinds that lose by themselves what is written between the copy and the cut, or after the file was compressed."""

_LINE = re.compile(rb'^127\.0\.0\.1 - - \[([^]]+)\] "GET /n/(\d+)(?:/slow)? HTTP/1\.1" 200 .*"$', re.MULTILINE)

_STILL_WRITTEN = re.compile("error: Compressing program wrote .*:\ngzip: stdin: file size changed while zipping\n")


class Rotation:
    """What rotates the log of a server in one of these ways."""

    def __init__(self, writer: Writer, kind: str) -> None:
        self.writer = writer
        self.lossy = any(word in kind for word in LOSSY)
        self.pause = 1.1 if "by date" in kind else SLOW + 0.2
        """Seconds until the next: dated names are to the second, and slow requests end in the log they began in."""
        self._file = writer.folder / "logrotate.conf"
        self._file.write_text(self._configuration(KINDS[kind]))
        self._file.chmod(0o644)

    def _configuration(self, options: tuple[str, ...]) -> str:
        script = () if "copytruncate" in options else ("postrotate", f"\t{self.writer.reopen}", "endscript")
        rows = ("hourly", "rotate 100", "missingok", *options, *script)
        return "".join([f"{self.writer.log} {{\n", *(f"\t{row}\n" for row in rows), "}\n"])

    def rotate(self) -> None:
        """Rotates it now."""
        path = f"/usr/sbin:/sbin:{os.environ['PATH']}"
        done = subprocess.run(
            ["logrotate", "--force", "--state", str(self.writer.folder / "rotated"), str(self._file)],
            env={"PATH": path, "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        if self.lossy:  # what is still being written into the file is what is lost
            done.stderr = _STILL_WRITTEN.sub("", done.stderr)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done

    def copies(self) -> list[Path]:
        """The rotated files."""
        return sorted(path for path in self.writer.folder.glob("access.log*") if path != self.writer.log)


def written(log: Path) -> Counter[int]:
    """Number -> how many lines it has in the log and its rotated copies together."""
    return Counter(number for _, number in _lines(log))


def moments(log: Path) -> dict[int, float]:
    """Number -> the time that its line tells, in seconds since 1970 UTC."""
    return {number: datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z").timestamp() for time, number in _lines(log)}


def _lines(log: Path) -> Iterator[tuple[str, int]]:
    for path in log.parent.glob(f"{log.name}*"):
        data = path.read_bytes()
        for time, number in _LINE.findall(gzip.decompress(data) if path.suffix == ".gz" else data):
            yield time.decode(), int(number)
