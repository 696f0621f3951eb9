"""A real web server with files, which answers ranges or not, tells of itself or not, and changes when it is told to."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PIECE = 64 << 10


@dataclass(slots=True)
class Page:
    """A file, and how it is served."""

    data: bytes
    ranges: bool = True
    says_ranges: bool = True
    etag: bool = True
    modified: str = ""
    length: bool = True  # else in chunks, and nobody knows how many
    status: int = 200
    encoding: str = ""
    broken_at: int = 0  # the connection is closed behind so many bytes of an answer
    location: str = ""
    before: Callable[[int], object] = int
    """Called with the number of each GET of it, from 1, before it is answered."""
    gets: int = 0


@dataclass(slots=True)
class Web:
    """The server. Paths begin with "/"."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Method, path with query, and range of every request."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        asked = self.headers.get("Range", "")
        self.web.asked.append(f"{self.command} {self.path} {asked}".rstrip())
        page = self.web.pages.get(self.path.partition("?")[0], Page(b"", status=404))
        if body:
            page.gets += 1
            page.before(page.gets)
        data, status = page.data, page.status
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
        if span and page.ranges and status == 200:
            first, last = int(span[1]), min(int(span[2]), len(page.data) - 1)
            data, status = page.data[first : last + 1], 206
        self.send_response(status)
        if status == 206 and span:
            self.send_header("Content-Range", f"bytes {span[1]}-{int(span[1]) + len(data) - 1}/{len(page.data)}")
        if page.ranges and page.says_ranges:
            self.send_header("Accept-Ranges", "bytes")
        elif page.says_ranges:
            self.send_header("Accept-Ranges", "none")
        if page.etag and status < 300:
            self.send_header("ETag", f'"{md5(page.data).hexdigest()}"')
        if page.modified:
            self.send_header("Last-Modified", page.modified)
        if page.encoding:
            self.send_header("Content-Encoding", page.encoding)
        if page.location:
            self.send_header("Location", page.location)
        if page.length or status == 206:
            self.send_header("Content-Length", str(len(data)))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if body:
            with suppress(ConnectionError):  # who has seen enough hangs up
                self._send(page, data, chunked=not page.length and status != 206)

    def _send(self, page: Page, data: bytes, *, chunked: bool) -> None:
        if page.broken_at and len(data) > page.broken_at:
            self.wfile.write(data[: page.broken_at])
            self.close_connection = True
            return
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")


@contextmanager
def web_server() -> Iterator[Web]:
    """Serves on a free port of this machine."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.web = web = Web(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
