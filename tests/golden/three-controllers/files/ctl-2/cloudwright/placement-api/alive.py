"""What the load balancer asks: whether this server's Python answers, at next to no cost.

Loaded after the application. Where that could not be loaded this refuses as well: then the server
has nothing to serve, ends, and is started again, rather than to be called well without it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

BODY = b"OK\n"

# The server's own module, and its options as it read them (uWSGI, "The uwsgi Python module").
options = importlib.import_module("uwsgi").opt
served = sys.modules.get(options["module"].decode())
if not hasattr(served, options["callable"].decode()):
    raise ImportError(f"{options['module'].decode()} was not loaded")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The WSGI application of one page (PEP 3333)."""
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
    start_response("200 OK", headers)
    return [BODY]
