"""The embedded receiver: a Tracking API server on this machine, to look before sending, and to test against."""

import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from log_importer.errors import LogImporterError, UsageError
from log_importer.receiver.access import Access, Grant, Level
from log_importer.receiver.store import Store

MAIN_URL = "http://localhost"
"""Of site 1, for logs that name no host."""

_START = 15.0


class Receiver:
    """Serves from a thread while it is held as a context manager; `url` and `token` are how to reach it."""

    def __init__(
        self, database: Path, *, is_bot: Callable[[str], object], search_engine: Callable[[str], bool],
        host: str = "127.0.0.1", port: int = 0, grants: dict[str, Grant] | None = None,
    ) -> None:  # fmt: skip
        """`port` 0 is a free one; without `grants` there is one superuser's token, made anew.

        Raises `UsageError` where the address cannot be had and `StateError` for the database.
        """
        self.token = next(iter(grants)) if grants else secrets.token_hex(16)
        self.store = Store(database, MAIN_URL)
        access = Access(grants or {self.token: Grant(Level.SUPERUSER)})
        try:
            self._socket = socket.create_server((host, port), family=_family(host), backlog=128)
        except OSError as error:
            self.store.close()
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"Port {port} of {host} cannot be had: {reason}.", "Choose another --port.") from None
        self._server = _make_server(self.store, access, is_bot, search_engine)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self.run, name="receiver", daemon=True)

    def run(self) -> None:
        """Serves until it is stopped; in the main thread, a SIGINT or SIGTERM stops it too."""
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """Closes address and database."""
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


def _make_server(
    store: Store, access: Access, is_bot: Callable[[str], object], search_engine: Callable[[str], bool]
) -> Any:
    import uvicorn  # only who receives pays for it

    from log_importer.receiver.api import Api
    from log_importer.receiver.app import make_app
    from log_importer.receiver.tracker import Tracker

    app = make_app(Tracker(store, access, is_bot, search_engine), Api(store, access))
    return uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", server_header=False, timeout_keep_alive=75
        )
    )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
