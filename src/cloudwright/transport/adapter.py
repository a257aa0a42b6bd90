"""`requests` can be led through a forwarded socket and still verify the server's own name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from cloudwright.errors import CloudError
from cloudwright.transport.host import Host

FindSocket = Callable[[str, int], Path]
"""The local UNIX socket that leads to a host's name or address and a port."""

FORWARD_SECONDS = 30.0


class _ForwardedHTTP(HTTPConnection):
    find_socket: FindSocket

    def _new_conn(self) -> socket.socket:
        return _open(self, self.find_socket)


class _ForwardedHTTPS(HTTPSConnection):
    """TLS is spoken through the socket, and verified against the host that was asked for."""

    find_socket: FindSocket

    def _new_conn(self) -> socket.socket:
        return _open(self, self.find_socket)


def _open(connection: HTTPConnection, find_socket: FindSocket) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    try:
        timeout = connection.timeout
        opened.settimeout(float(timeout) if isinstance(timeout, (int, float)) else None)
        opened.connect(str(find_socket(connection.host, connection.port or 0)))
    except TimeoutError as error:
        opened.close()
        raise ConnectTimeoutError(connection, f"no answer from {connection.host}") from error
    except (OSError, CloudError) as error:
        opened.close()
        raise NewConnectionError(connection, f"no way to {connection.host}: {error}") from error
    return opened


class ForwardedAdapter(HTTPAdapter):
    """Mount on a `requests` session, which keystoneauth and openstacksdk take: every connection
    then goes through the socket that `find_socket` names for its host and port."""

    def __init__(self, find_socket: FindSocket, **options: Any) -> None:
        self._find_socket = find_socket
        super().__init__(**options)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        """Make pools whose connections are forwarded."""
        find = staticmethod(self._find_socket)
        plain = type("ForwardedHTTP", (_ForwardedHTTP,), {"find_socket": find})
        secure = type("ForwardedHTTPS", (_ForwardedHTTPS,), {"find_socket": find})
        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, **options
        )
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }

    def proxy_manager_for(self, *_: Any, **__: Any) -> Any:
        """A proxy of this machine's user has no part in a forwarded connection."""
        return self.poolmanager


def sockets_through(host: Host, loop: asyncio.AbstractEventLoop) -> FindSocket:
    """Return what leads every connection through `host`, for clients that run in threads.

    `loop` is the one that `host` lives in; it must run, and not in the calling thread.
    """

    def find(address: str, port: int) -> Path:
        asked = asyncio.run_coroutine_threadsafe(host.tcp_socket(address, port), loop)
        return asked.result(FORWARD_SECONDS)

    return find
