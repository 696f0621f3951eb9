"""The report as a page: its HTML, what lies beside it, and the figures that its script asks for."""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from log_importer.model.errors import LogImporterError
from log_importer.receiver.report.bundle import page_files
from log_importer.receiver.report.contents import contents, shown, version_of
from log_importer.receiver.report.counter import Counter
from log_importer.receiver.report.counting import behind, open_counts
from log_importer.receiver.report.figures import MOST_ROWS, NAMES, Figures, Filter
from log_importer.receiver.report.guard import HEADERS, is_own

PATH = "/report"
ROWS = 50
"""Rows of each table that the page is given at once."""
_PATIENCE = 0.25
"""Seconds that a question waits for the counts to catch up; then it is answered from those that there are."""
_REMEMBERED = 32
"""Answers that are kept until something changes: people go back and forth between filters."""
_KINDS = {".css": "text/css", ".js": "text/javascript", ".html": "text/html", ".svg": "image/svg+xml"}


class _Asked(ValueError):
    """What was asked for makes no sense."""


class ReportPage:
    """Answers for the report of the store at `store`, as of a server that listens on `host`."""

    def __init__(self, store: Path, host: str) -> None:
        self._store = store
        self._host = host
        self.counter = Counter(store, lambda: self._answer(Filter(), ""))
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._answered: tuple[str, dict[Filter, bytes]] = "", {}  # version, and what was answered as long as it stood

    def routes(self) -> list[Route]:
        """Its paths."""
        return [
            Route(PATH, self._answering(lambda _: _file("report.html")), methods=["GET"]),
            Route(PATH + "/page/{name}", self._answering(lambda request: _file(request.path_params["name"]))),
            Route(PATH + "/data", self._answering(self._data)),
            Route(PATH + "/table/{name}", self._answering(self._table)),
        ]

    def _answering(self, handle: Callable[[Request], Response]) -> Callable[[Request], object]:
        def answer(request: Request) -> Response:
            if not is_own(request.headers.get("host", ""), self._host):
                return Response("The report is for this machine's own address.\n", 421, media_type="text/plain")
            try:
                return handle(request)
            except _Asked as wrong:
                return _json({"error": f"{wrong}"}, 400)
            except LogImporterError as error:
                return _json({"error": str(error)}, 500)

        async def endpoint(request: Request) -> Response:
            response = await run_in_threadpool(answer, request)
            response.headers.update(HEADERS)
            if request.url.path.endswith(".svg"):  # asked for anew with each filter, which is part of the address
                response.headers["Cache-Control"] = "max-age=86400"
            return response

        return endpoint

    def _data(self, request: Request) -> Response:
        wanted = _filter(request.query_params)
        with self._one_moment() as database:
            late = behind(database)
        if late:
            self.counter.catch_up(_PATIENCE)
        answer = self._answer(wanted, request.query_params.get("known", ""))
        return Response(answer, media_type="application/json") if answer else Response(status_code=204)

    def _answer(self, wanted: Filter, known: str) -> bytes:
        """The report as JSON; nothing where its version is `known`."""
        with self._one_moment() as database:
            version = version_of(database, self._store)
            if known == version:
                return b""
            if self._answered[0] != version:
                self._answered = version, {}
            answers = self._answered[1]
            if wanted not in answers:
                answers[wanted] = orjson.dumps(contents(database, self._store, wanted, ROWS))
            while len(answers) > _REMEMBERED:
                del answers[next(iter(answers))]
            return answers[wanted]

    def _table(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in NAMES:
            raise _Asked(f"There is no such table; there are {', '.join(NAMES)}.")
        wanted = _filter(request.query_params)
        with self._one_moment() as database:
            return _json(shown(Figures(database, wanted).table(name, MOST_ROWS)))

    @contextmanager
    def _one_moment(self) -> Iterator[sqlite3.Connection]:
        """The counts, for one question at a time; all that is read inside is of one moment."""
        with self._lock:
            if self._database is None:
                self._database = open_counts(self._store)
            self._database.execute("BEGIN")
            try:
                yield self._database
            finally:
                self._database.rollback()

    def close(self) -> None:
        """Ends what goes on."""
        self.counter.stop()
        with self._lock:
            if self._database is not None:
                self._database.close()


def _filter(query: Mapping[str, str]) -> Filter:
    """Raises `_Asked`."""
    number = query.get("idsite", "")
    if number and not re.fullmatch("[0-9]{1,9}", number):
        raise _Asked("idsite is the number of a site.")
    return Filter(int(number) if number else None, _day(query.get("from", "")), _day(query.get("to", "")))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise _Asked("from and to are days, such as 2026-03-18.") from None


def _json(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _file(name: str) -> Response:
    content = page_files().get(name)
    if content is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    return Response(content, media_type=_KINDS.get(Path(name).suffix, "text/plain"))
