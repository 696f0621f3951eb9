"""Connections that tell how far a request came, since only the socket knows what a server can have seen."""

import contextlib
import os
import socket
import struct
import threading
import time
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from log_importer.delivery.server.deadline import Deadlines


class Exchange:
    """One request and its reply, watched: how far it came, and a deadline for the whole of it."""

    def __init__(self, send_timeout: float, idle: float) -> None:
        self.send_timeout = send_timeout  # seconds
        self.idle = idle  # seconds after which a connection is not used again
        self.reused = False  # it went over a connection that had carried another
        self.begun = False  # the connection stood, with TLS and tunnel
        self.sent = False  # the kernel has taken the whole request
        self.expired = False
        self._handle: socket.socket | None = None  # ours, so that it outlives the connection's own
        self._lock = threading.Lock()

    def __enter__(self) -> "Exchange":
        _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.set(None)
        _deadlines.drop(self)
        with self._lock:
            if self._handle is not None:
                self._handle.close()
            self._handle = None

    def watch(self, connection: socket.socket) -> None:
        """Takes the deadline and the questions to this socket."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
            self._handle = socket.socket(fileno=os.dup(connection.fileno()))
            if self.expired:
                self._shut_down()

    def expire_in(self, seconds: float) -> None:
        """Ends the exchange after `seconds`, whatever it is waiting for; replaces an earlier deadline."""
        _deadlines.set(self, seconds, self._expire)

    @property
    def untaken(self) -> int | None:
        """Bytes of the request that the other end's kernel has not acknowledged; `None` where that is not told."""
        with self._lock:
            return None if self._handle is None else _unacknowledged(self._handle)

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):  # it may have broken by itself
                self._handle.shutdown(socket.SHUT_RDWR)


_deadlines = Deadlines()
_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def _unacknowledged(connection: socket.socket) -> int | None:
    try:
        import fcntl
        import termios

        # On Linux this is SIOCOUTQ for a socket; it still answers after the connection broke.
        return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])
    except (ImportError, OSError):
        return None


class _Told(HTTPConnection):
    """Reports to the exchange under way in this thread."""

    _last_reply = 0.0
    _requests = 0

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        self._requests = 0
        if exchange := _current.get():
            exchange.watch(connection)
        return connection

    @property
    def is_connected(self) -> bool:
        exchange = _current.get()
        fresh = exchange is None or time.monotonic() - self._last_reply < exchange.idle
        return fresh and super().is_connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        exchange = _current.get()
        if exchange is None:
            return super().request(*args, **kwargs)
        if self._requests:
            exchange.watch(self.sock)
            exchange.reused = True
        self._requests += 1
        exchange.begun = True
        # urllib3 would send under the time-out for connecting, which a slow uplink needs longer than.
        self.timeout = exchange.send_timeout
        self.sock.settimeout(self.timeout)
        super().request(*args, **kwargs)
        exchange.sent = True
        return None

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._last_reply = time.monotonic()
        return response


class _ToldTls(_Told, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Told


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _ToldTls


class Wire(HTTPAdapter):
    """What one session of `requests` posts through: our connections, directly or by a proxy.

    For one address there is always the same trust and the same proxy.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._pools: dict[str, Any] = {}  # by address: to find one takes long, for each post
        super().__init__(**kwargs)

    def get_connection_with_tls_context(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        pool = self._pools.get(request.url)
        if pool is None:
            pool = self._pools[request.url] = super().get_connection_with_tls_context(request, *args, **kwargs)
        return pool

    def close(self) -> None:
        self._pools.clear()
        super().close()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_ours(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            _use_ours(manager)
        return manager


def _use_ours(manager: Any) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
