"""The embedded receiver: a Tracking API server on this machine, to look before sending, and to test against."""

import secrets
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from log_importer.model.errors import LogImporterError, UsageError
from log_importer.receiver.access import Access, Grant, Level
from log_importer.receiver.naming import name_when_idle
from log_importer.receiver.settings import Behaviour, SiteSetup
from log_importer.receiver.store import Store

if TYPE_CHECKING:
    from log_importer.receiver.api import Api
    from log_importer.receiver.report.page import ReportPage
    from log_importer.receiver.tracker import Tracker

MAIN_URL = "http://localhost"
"""Of site 1, for logs that name no host."""

_START = 15.0
_LEISURE = 15.0
"""Seconds to wait for a user agent to be named; the first one loads the device detector."""


class Receiver:
    """Serves from a thread while it is held as a context manager; `url` and `token` are how to reach it."""

    def __init__(
        self,
        database: Path,
        *,
        is_bot: Callable[[str], object],
        search_engine: Callable[[str], bool],
        host: str = "127.0.0.1",
        port: int = 0,
        grants: dict[str, Grant] | None = None,
        sites: Sequence[SiteSetup] = (SiteSetup(1, MAIN_URL),),
        behaviour: Behaviour | None = None,
        clock: Callable[[], datetime] | None = None,
        users: Mapping[str, tuple[str, Grant]] | None = None,
    ) -> None:
        """`port` 0 is a free one; without `grants` there is one superuser's token, made anew.

        A new database begins with `sites`; `users` are those for whom a token can be made; `clock` gives the time
        now in whole seconds of UTC.

        Raises `UsageError` where the address cannot be had and `StateError` for the database.
        """
        self.token = next(iter(grants)) if grants else secrets.token_hex(16)
        self.store = Store(database, sites)
        self._database = database
        access = Access(grants or {self.token: Grant(Level.SUPERUSER)}, users)
        try:
            self._socket = socket.create_server((host, port), family=_family(host), backlog=128)
        except OSError as error:
            self.store.close()
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"Port {port} of {host} cannot be had: {reason}.", "Choose another --port.") from None
        # asyncio does this only for sockets that name their protocol; without it each answer takes 40 ms more.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        from log_importer.receiver.api import Api
        from log_importer.receiver.tracker import Tracker

        behaviour = behaviour or Behaviour()
        tracker = Tracker(self.store, access, is_bot, search_engine, clock or _now, behaviour)
        api = Api(self.store, access, clock or _now)
        self._page = _make_page(database, host)
        self._server = _make_server(tracker, api, behaviour, self._page)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self.run, name="receiver", daemon=True)
        self._agents: threading.Thread | None = None
        self._over = threading.Event()

    def run(self) -> None:
        """Serves until it is stopped; in the main thread, a SIGINT or SIGTERM stops it too.

        There it runs for long, so while no hit comes in it also names the user agents in the database, and counts.
        """
        if threading.current_thread() is threading.main_thread():
            self.use_leisure()
        self._server.run(sockets=[self._socket])

    def use_leisure(self) -> None:
        """From now on, while no hit comes in, the user agents in the database are named and all of it counted."""
        self._page.counter.start()
        self._agents = threading.Thread(
            target=name_when_idle, args=(self._database, self._over), name="agents", daemon=True
        )  # fmt: skip
        self._agents.start()

    @property
    def report(self) -> str:
        """Where the report is to be looked at."""
        return f"{self.url}/report"

    def close(self) -> None:
        """Closes address and database."""
        self._over.set()
        if self._agents is not None:
            # A thread that outlives Python in the middle of another language's code takes the process with it.
            self._agents.join(_LEISURE)
        self._page.close()
        self._socket.close()
        self.store.close()

    def __enter__(self) -> "Receiver":
        self._thread.start()
        end = threading.Event()
        for _ in range(int(_START / 0.005)):
            if self._server.started or not self._thread.is_alive():
                break
            end.wait(0.005)
        if not self._server.started:
            raise LogImporterError("The embedded receiver did not start.", "Please report it.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.close()


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _make_page(database: Path, host: str) -> "ReportPage":
    from log_importer.receiver.report.page import ReportPage

    return ReportPage(database, host)


def _make_server(tracker: "Tracker", api: "Api", behaviour: Behaviour, page: "ReportPage") -> Any:
    import uvicorn  # only who receives pays for it

    from log_importer.receiver.app import make_app

    app = make_app(tracker, api, behaviour.body_time.total_seconds(), page.routes())
    # Proxy headers would let a client choose its own address.
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", proxy_headers=False, server_header=False,
        timeout_keep_alive=75,
    )  # fmt: skip
    return uvicorn.Server(config)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
