"""What the load balancer asks: whether this server's Python answers, at next to no cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BODY = b"OK\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The WSGI application of one page (PEP 3333)."""
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
    start_response("200 OK", headers)
    return [BODY]
