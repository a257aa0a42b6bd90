"""How an API's Python application is served: uWSGI, one master, bounded workers."""

from __future__ import annotations

from collections.abc import Mapping

from cloudwright.declare.at import BACKEND_OFFSET, At
from cloudwright.declare.ini import Value
from cloudwright.declare.library import LIBRARY, library
from cloudwright.declare.service import ALIVE, File, Files
from cloudwright.declare.tls import CERTIFICATE_PATH, KEY_PATH

UWSGI_COMMAND = "uwsgi --ini /etc/cloudwright/uwsgi.ini"

ALWAYS: Mapping[str, Value] = {
    "die-on-term": True,
    "need-app": True,
    "single-interpreter": True,
    # A client that left (a health check that ran out of time) is no error of ours.
    "ignore-sigpipe": True,
    "ignore-write-errors": True,
    "disable-write-exception": True,
    "buffer-size": 65535,
    "listen": 128,
    "so-reuseport": True,
    "thunder-lock": True,
    "disable-logging": True,
    "log-4xx": True,
    "log-5xx": True,
    "hook-master-start": "unix_signal:15 gracefully_kill_them_all",
}
"""What holds for whatever is served."""


def back(port: int) -> int:
    """The port that the container behind `port` of the load balancer listens on."""
    return port + BACKEND_OFFSET


def workers(at: At) -> int:
    """Processes per API: one on small hosts, never more than five; threads serve the rest."""
    return max(1, min(5, at.facts.cores // 4))


def uwsgi(
    at: At,
    *,
    module: str,
    port: int,
    user: str,
    threads: int = 8,
    load_after_fork: bool = False,
    before: tuple[str, ...] = (),
    options: Mapping[str, Value] | None = None,
) -> Files:
    """`uwsgi.ini` for `module` (`package.module:callable`), listening at the back of `port` with
    the container's own certificate (`Container.tls`), and what it serves beside the module.

    `ALIVE` is answered by a page of our own: it needs a free thread and Python's lock as any
    request does, and none of the application's layers, which took three quarters of a check's
    CPU (measured: Keystone 4.4 ms with its own page, 1.1 without; Nova's versions 6.4).

    The application is loaded once, before the fork (half the CPU of a load per worker). Every
    answer closes its connection: kept-alive ones would starve clients beyond the number of
    threads (measured: p99 9.6 s against 0.6 s), and the load balancer is one hop away.
    `options` are uWSGI's own and win.
    """
    name, _, callable_name = module.partition(":")
    ini = File(
        content={
            "uwsgi": {
                "plugins": "python3",
                "virtualenv": "/var/lib/kolla/venv",
                "module": name,
                "callable": callable_name or "application",
                "mount": f"{ALIVE}={LIBRARY}/alive.py",
                "route-if": f"equal:${{PATH_INFO}};{ALIVE} setapp:{ALIVE}",
                "https-socket": f"{at.host.address}:{back(port)},{CERTIFICATE_PATH},{KEY_PATH}",
                "add-header": "Connection: close",
                "master": True,
                "processes": workers(at),
                "threads": threads,
                "enable-threads": True,
                "lazy-apps": load_after_fork,
                "exec-asap": before,
                **ALWAYS,
                **(options or {}),
            }
        },
        path="/etc/cloudwright/uwsgi.ini",
        owner=user,
    )
    return {"uwsgi.ini": ini, **library(__name__, "program/alive.py")}
