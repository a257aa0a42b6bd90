"""`httpx` can be led through a forwarded socket and still verify the server's own name."""

from __future__ import annotations

import ssl
from pathlib import Path

from cloudwright.transport.lean_http import httpx


def forwarded_transport(
    path: Path, *, verify: ssl.SSLContext | bool = True
) -> httpx.AsyncHTTPTransport:
    """Return a transport for an httpx client whose every connection goes through one socket.

    TLS names and verifies the host in the URL, as without the socket.
    """
    return httpx.AsyncHTTPTransport(uds=str(path), verify=verify)
