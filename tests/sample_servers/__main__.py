"""Makes the logs of sample_logs/ again. Run it from the root of the checkout, with the folder to write them to:

    sudo apt-get install nginx apache2 faketime curl
    python -m tests.sample_servers sample_logs

The requests and their times are the same each time; sizes, durations and wording are the servers' own. The servers
run as children of this script, on free ports of 127.0.0.1, in temporary folders; it takes about a minute.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from . import apache, iis, nginx, website
from .odd import odd_requests
from .request import Request
from .traffic import Traffic

ONE_HOST = website.HOSTS[:1]


def requests_of(seed: str, first_day: str, hosts: tuple[str, ...], visits: int) -> list[Request]:
    day = datetime.fromisoformat(first_day).replace(tzinfo=UTC)
    return Traffic(seed, day, hosts, visits).requests + odd_requests(day, hosts)


def write_iis_log(requests: list[Request]) -> bytes:
    return iis.log_bytes(requests, min(request.at for request in requests).replace(hour=0, minute=0, second=0))


def served_by(
    server: Callable[[str, list[Request], Path, str], Path], definition: str, zone: str
) -> Callable[[list[Request]], bytes]:
    def write(requests: list[Request]) -> bytes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            website.build(folder)
            return server(definition, requests, folder, zone).read_bytes()

    return write


# Each log has days of its own, so that all of them together do not count the same visits several times.
LOGS: dict[str, tuple[Callable[[list[Request]], bytes], str, tuple[str, ...], int]] = {
    "nginx-combined.log": (served_by(nginx.write_log, "combined", "UTC"), "2026-03-01", ONE_HOST, 8),
    "nginx.json.log": (served_by(nginx.write_log, "json", "America/New_York"), "2026-03-04", website.HOSTS, 5),
    "nginx-documented.json.log": (
        served_by(nginx.write_log, "documented_json", "UTC"),
        "2026-03-07",
        website.HOSTS,
        2,
    ),
    "apache-common.log": (served_by(apache.write_log, "common", "UTC"), "2026-03-10", ONE_HOST, 10),
    # Summer time starts in Berlin on the second of these days: +0100 becomes +0200 in mid-file.
    "apache-combined.log": (served_by(apache.write_log, "combined", "Europe/Berlin"), "2026-03-28", ONE_HOST, 8),
    "apache-vhost_combined.log": (
        served_by(apache.write_log, "vhost_combined", "Asia/Kolkata"),
        "2026-03-13",
        website.HOSTS,
        8,
    ),
    "iis-w3c.log": (write_iis_log, "2026-03-16", ONE_HOST, 8),
}


def main(folder: Path) -> None:
    os.umask(0o022)
    for name, (write, day, hosts, visits) in LOGS.items():
        content = write(requests_of(name, day, hosts, visits))
        (folder / name).write_bytes(content)
        sys.stderr.write(f"{name}: {len(content.splitlines())} lines, {len(content)} bytes\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
