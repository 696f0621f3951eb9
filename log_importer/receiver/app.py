"""The receiver's HTTP face: the tracker's two paths and the calls of the Reporting API that an importer makes."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

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
_LOGIN = Reply(401, "text/html", b"<!DOCTYPE html><title>Sign in</title><p>The token was refused.</p>\n")
_TOO_SLOW = Reply(408, "text/plain", b"The body did not arrive in time.\n")
_TOO_LARGE = Reply(413, "text/plain", b"The body is larger than 32 MiB.\n")
# Who names the server with a slash at its end posts to two; web servers take them for one.
_TRACKER_PATHS = ("/piwik.php", "/matomo.php", "//piwik.php", "//matomo.php")


class _Sent(NamedTuple):
    """One HTTP request."""

    query: str
    body: bytes
    sender: Sender
    posted: bool
    form: bool  # whether the body is one, by its media type


def make_app(tracker: Tracker, api: Api, body_seconds: float, more: Sequence[Route] = ()) -> Starlette:
    """The ASGI application, with `more` paths. One request at a time reaches the store, but for those.

    A body must arrive within `body_seconds`: who stops halfway would keep the receiver from ending.
    """
    lock = threading.Lock()

    async def answer(request: Request, handle: Callable[[_Sent], Reply]) -> Response:
        try:
            body = await asyncio.wait_for(_body(request), body_seconds)
        except TimeoutError:
            return _response(_TOO_SLOW)
        if body is None:
            return _response(_TOO_LARGE)
        headers = request.headers
        address = request.client.host if request.client else ""
        sender = Sender(address, headers.get("user-agent", ""), headers.get("accept-language", ""))
        form = headers.get("content-type", _FORM).startswith(_FORM)
        sent = _Sent(request.url.query, body, sender, request.method == "POST", form)

        def locked() -> Reply:
            with lock:
                return handle(sent)

        return _response(await run_in_threadpool(locked))

    def track(sent: _Sent) -> Reply:
        if b'"requests"' in sent.body:
            return tracker.bulk(_document(sent.body), parse_query(sent.query).get("token_auth", ""), sent.sender)
        parameters = _merged(sent) if sent.form else parse_query(sent.query)
        if not parameters:
            return _WRONG if sent.posted else _WELCOME
        return tracker.single(parameters, sent.sender)

    def report(sent: _Sent) -> Reply:
        reply = api.call(_merged(sent))
        # A Matomo looks for the module in the query string alone before it knows who asks.
        by_name = reply.status != 401 or parse_query(sent.query).get("module") == "API"
        return reply if by_name else _LOGIN

    async def tracker_endpoint(request: Request) -> Response:
        return await answer(request, track)

    async def api_endpoint(request: Request) -> Response:
        return await answer(request, report)

    tracks = [Route(path, tracker_endpoint, methods=["GET", "POST", "HEAD", "OPTIONS"]) for path in _TRACKER_PATHS]
    return Starlette(routes=[*tracks, Route("/index.php", api_endpoint, methods=["GET", "POST"]), *more])


def _merged(sent: _Sent) -> dict[str, str]:
    """The parameters of body and query string, which wins."""
    return parse_query(sent.body.decode("utf-8", "surrogateescape")) | parse_query(sent.query)


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
