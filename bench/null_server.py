"""A tracker that stores nothing and answers at once, as fast as Python can: what is left is the importer's own cost.

    python -m bench.null_server

prints its address and runs until it is ended.
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.measured import pinned
from bench.peer import answer as asked_by_peer
from tests.conftest import ROOT
from tests.fault_server import Posted, good

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            body = await reader.readexactly(int(found[1]) if found else 0)
            if b'"requests"' in body:
                answer = b'{"status":"success","tracked":%d,"invalid":0}' % body.count(b'"?')
            else:
                posted = Posted(head.split(b" ", 2)[1].decode(), {}, body)
                answer = (asked_by_peer(posted) or good(posted)).body
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=1 << 22)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextmanager
def null_server(cores: Sequence[int] = ()) -> Iterator[str]:
    """A null server in a process of its own, on these cores where there are any; its address."""
    with subprocess.Popen(  # noqa: S603 - our own words
        [*pinned(cores), sys.executable, "-m", "bench.null_server"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as one:
        try:
            assert one.stdout is not None
            yield one.stdout.readline().strip()
        finally:
            one.terminate()


if __name__ == "__main__":
    asyncio.run(_main())
