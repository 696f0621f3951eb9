"""Writes the sample logs of those servers that `tests.sample_servers` does not start: FOLDER is where.

python -m tests.web_servers sample_logs
"""

import sys
from pathlib import Path

from tests.web_servers.servers import SERVERS
from tests.web_servers.visit import log_of, place, sent, started

NAMES = {
    "lighttpd": "lighttpd.log", "haproxy": "haproxy.log", "caddy": "caddy.json.log", "varnish": "varnishncsa.log",
    "squid": "squid.log", "icecast": "icecast.log", "tomcat": "tomcat.log",
}  # fmt: skip


def main(target: Path) -> None:
    for name, file in NAMES.items():
        with place() as folder:
            server = SERVERS[name](folder)
            with started(server, folder):
                sent(server.port)
            (target / file).write_bytes(log_of(server, folder).read_bytes())
        sys.stderr.write(f"{file}: {len((target / file).read_bytes().splitlines())} lines\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
