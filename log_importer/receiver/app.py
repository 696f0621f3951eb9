"""The receiver's HTTP face: the tracker's two paths and the calls of the Reporting API that an importer makes."""

import threading
from collections.abc import Callable

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from log_importer.receiver.api import Api
from log_importer.receiver.parameters import parse_query
from log_importer.receiver.tracker import NOTICE, Reply, Tracker
from log_importer.receiver.visits import Sender

MAX_BODY = 32 << 20
"""Bytes of a body that are taken; a batch of 10,000 requests has some 8 MiB."""

_FORM = "application/x-www-form-urlencoded"
_WELCOME = Reply(200, "text/html", NOTICE)
_WRONG = Reply(400, "text/html", NOTICE)
_TOO_LARGE = Reply(413, "text/plain", b"The body is larger than 32 MiB.\n")


def make_app(tracker: Tracker, api: Api) -> Starlette:
    """The ASGI application. One request at a time reaches the store."""
    lock = threading.Lock()

    async def answer(request: Request, handle: Callable[[str, bytes, Sender, bool], Reply]) -> Response:
        body = await _body(request)
        if body is None:
            return _response(_TOO_LARGE)
        headers = request.headers
        form = headers.get("content-type", _FORM).startswith(_FORM)
        address = request.client.host if request.client else ""
        sender = Sender(address, headers.get("user-agent", ""), headers.get("accept-language", ""))

        def locked() -> Reply:
            with lock:
                return handle(request.url.query, body, sender, form)

        return _response(await run_in_threadpool(locked))

    def track(query: str, body: bytes, sender: Sender, form: bool) -> Reply:
        if b'"requests"' in body:
            return tracker.bulk(_document(body), parse_query(query).get("token_auth", ""), sender)
        parameters = (parse_query(body.decode("utf-8", "surrogateescape")) if form else {}) | parse_query(query)
        if not parameters:
            return _WRONG if body else _WELCOME
        return tracker.single(parameters, sender)

    def report(query: str, body: bytes, _sender: Sender, _form: bool) -> Reply:
        return api.call(parse_query(body.decode("utf-8", "surrogateescape")) | parse_query(query))

    async def tracker_endpoint(request: Request) -> Response:
        return await answer(request, track)

    async def api_endpoint(request: Request) -> Response:
        return await answer(request, report)

    return Starlette(
        routes=[
            Route("/piwik.php", tracker_endpoint, methods=["GET", "POST", "HEAD", "OPTIONS"]),
            Route("/matomo.php", tracker_endpoint, methods=["GET", "POST", "HEAD", "OPTIONS"]),
            Route("/index.php", api_endpoint, methods=["GET", "POST"]),
        ]
    )


def _document(body: bytes) -> dict[str, object]:
    try:
        document = orjson.loads(body)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {}


async def _body(request: Request) -> bytes | None:
    """The whole body, `None` where it is too large."""
    blocks = bytearray()
    async for block in request.stream():
        blocks += block
        if len(blocks) > MAX_BODY:
            return None
    return bytes(blocks)


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, media_type=reply.media_type or None)
