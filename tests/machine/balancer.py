"""A real HAProxy before backends that a test starts and stops, and what it says of them."""

from __future__ import annotations

import contextlib
import errno
import http.server
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cloudwright.execute.steps.drain import told

IMAGE = "localhost/cloudwright/haproxy:2026.2"
SLOW_SECONDS = 5.0
BUSY_SECONDS = 8.0
"""More than a check may take."""
CLOUD = Path(__file__).parents[1] / "golden/two-sites/files/ctl-b/cloudwright/haproxy/haproxy.cfg"
PARTS = re.compile(
    r"(?m)^defaults$[\s\S]*?(?=^frontend)|^(?:listen|backend) placement-api[\s\S]*?(?=\n\n)"
)
CONFIG = """\
global
    stats socket /run/haproxy/admin.sock mode 600 level admin expose-fd listeners
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    retries 3
    option redispatch
    option http-server-close
    default-server inter 200ms fall 2 rise 2
listen some-api
    bind 127.0.0.1:{front}
    option httpchk GET /
    server h0 127.0.0.1:{h0} check
    server h1 127.0.0.1:{h1} check
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rig:
    """A load balancer before two backends."""

    container: str
    front: int
    ports: dict[str, int]
    directory: Path

    def ask(self, path: str = "/") -> str:
        """Who answers a request."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.front}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    def tell(self, what: str) -> None:
        """What the step that remakes `some-api` on h0 tells the load balancer."""
        self.run(*told(what, "some-api", "h0"))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command beside the load balancer."""
        command = ["podman", "exec", "-u", "root", self.container, *argv]
        return subprocess.run(command, check=True, capture_output=True, text=True)


class Server(http.server.ThreadingHTTPServer):
    """Answers with its name; slowly where it is asked to."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.name = name


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(SLOW_SECONDS)  # a request that takes its time
        if self.path == "/busy":
            time.sleep(BUSY_SECONDS)
        self.send_response(200)
        self.end_headers()
        assert isinstance(self.server, Server)
        self.wfile.write(self.server.name.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Not on the screen."""


def listening(name: str, port: int) -> Server:
    """The server on its port, as soon as that is free; says who has it when it never is."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return Server(name, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            print(subprocess.run(["ss", "-tanpH"], capture_output=True, text=True).stdout)
            time.sleep(0.5)


@contextlib.contextmanager
def backend(name: str, port: int) -> Iterator[None]:
    server = listening(name, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def until(rig: Rig, wanted: set[str]) -> None:
    """Wait until exactly these answer, twice over."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if {rig.ask() for _ in range(8)} == wanted:
                return
        time.sleep(0.05)
    raise TimeoutError(f"not {wanted} alone answer")


def rows(rig: Rig) -> list[list[str]]:
    """HAProxy's statistics: a row for each server, in the order of its documentation."""
    ask = "echo 'show stat' | perl -MIO::Socket::UNIX -e '"
    ask += '$s = IO::Socket::UNIX->new("/run/haproxy/admin.sock"); print $s <STDIN>; print <$s>;'
    ask += "'"
    return [row.split(",") for row in rig.run("sh", "-c", ask).stdout.splitlines()]


def status(rig: Rig, server: str, front: str = "placement-api") -> str:
    """What the checks of a server say; empty when there is no such server, or none checks it."""
    said = [row[17] for row in rows(rig) if row[:2] == [front, server]]
    return said[0] if said else ""


def sessions(rig: Rig, server: str, front: str) -> int:
    """How many sessions a server has."""
    return sum(int(row[4]) for row in rows(rig) if row[:2] == [front, server])


def between(start: str, end: str) -> str:
    """A part of what a cloud's load balancer is told."""
    text = CLOUD.read_text()
    return text[text.index(start) : text.index(end)]
