"""A member of a cluster: what it is to its kind of cluster, and what it tells who asks.

On the standard library alone, beside the agent. Load balancers and health checks ask whether it
may be used, the other members what it holds.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

# Files beside this one.
import statements
from agreement import DOWN, FOUNDING, RUNNING, UP, Told
from questions import seal, written


class Adapter(Protocol):
    """A kind of cluster.

    `rejoins`: the servers themselves agree on what they hold, so that any may start with it; only
    who founds is settled here. `has_users`: somebody is sent to one member, the first that
    is ready, and must be handed over to another before it stops. `is_deaf`: the server, which is
    stuck, takes no signal to stop, and is to be killed at once. `kept` is a directory that lasts
    as long as what it holds; None where a person's word changes nothing.
    """

    rejoins: bool
    has_users: bool
    kept: Path | None

    @property
    def is_deaf(self) -> bool: ...

    def look(self) -> tuple[str, int, tuple[str, ...]]:
        """History, position and last view of what this member holds; its server is down."""

    def command(
        self, found: bool, anew: bool, history: str = "", others: Sequence[str] = ()
    ) -> list[str]:
        """Prepare to found or to join, and give the arguments of the server.

        `anew`, founding: what it holds begins a new history without the members `others`, so that
        nobody of the old one is taken for one of its members. `anew`, joining: what it holds is
        thrown away. `history` is that of the cluster that is joined through the members `others`,
        where it is known.
        """

    def history(self) -> str:
        """What the data of the running server belong to now; empty when it is what `look` said."""

    def is_up(self) -> bool:
        """Whether the server is a member of a whole cluster that others may join."""

    def is_ready(self) -> bool:
        """Whether it may be used: all that the cluster knows is here, and writes are taken."""

    def is_stuck(self) -> bool:
        """Whether the server must be started anew, since it will not go on by itself."""

    def attend(self, up: Sequence[str]) -> None:
        """Do what can only be done while the server runs; `up` are the members that are up with
        it, nobody when it is not. Called again and again."""

    def part(self) -> int:
        """End the sessions of users in which nothing goes on; how many there were of any kind,
        -1 when that cannot be known now."""


@dataclass
class Member:
    """This member, as its responder tells it."""

    secret: bytes
    adapter: Adapter
    holds: Told
    founding: bool = False
    running: bool = False
    leaving: bool = False

    @property
    def name(self) -> str:
        """Its own name."""
        return str(self.holds.name)

    def told(self) -> Told | None:
        """What to tell the others now; nothing while the server runs and is not whole, since what
        it held as it started is no longer true, unless servers settle that among themselves."""
        holds = self.holds
        if self.adapter.rejoins:
            view = statements.last_whole(self.adapter.kept)
            history = self.adapter.history() if self.running else ""
            dead = tuple(sorted(statements.named(self.adapter.kept, view)))
            holds = replace(holds, view=view, history=history or holds.history, dead=dead)
        if self.running and self.adapter.is_up():
            self.founding = False
            return replace(holds, state=UP)
        if self.founding:
            return replace(holds, state=FOUNDING)
        if self.running:
            return replace(holds, state=RUNNING) if self.adapter.rejoins else None
        return replace(holds, state=DOWN)


def _handler(member: Member) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """`/ready` for load balancers and health checks, `/member` for the other members.

        404 says to a load balancer: nothing new comes here, what is here goes on (HAProxy's
        `disable-on-404`).
        """

        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/ready":
                ready = member.running and member.adapter.is_ready()
                if ready and member.leaving:
                    self._say(404, b"leaving\n", "")
                else:
                    self._say(200 if ready else 503, b"ready\n" if ready else b"not ready\n", "")
            elif self.path == "/member":
                body = written(member.told())
                nonce = self.headers.get("X-Nonce", "")[:64]
                self._say(200, body, seal(member.secret, nonce, body))
            else:
                self._say(404, b"", "")

        def _say(self, status: int, body: bytes, proof: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if proof:
                self.send_header("X-Seal", proof)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: twice a second for each load balancer would hide everything else."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a load balancer hangs up once it has read the status."""


def respond(member: Member, address: str) -> None:
    """Answer at `address` (host:port) for `member` from now on, until the program ends."""
    host, _, port = address.rpartition(":")
    server = _Server((host, int(port)), _handler(member))
    threading.Thread(target=server.serve_forever, daemon=True).start()
