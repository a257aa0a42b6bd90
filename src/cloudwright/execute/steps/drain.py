"""An API's container leaves the load balancers before it stops, and comes back once it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from cloudwright.engine.api import Engine
from cloudwright.errors import EngineError, Unreachable
from cloudwright.execute.host.fleet import Fleet
from cloudwright.plan.blueprint import BALANCER
from cloudwright.plan.steps import RunContainer, Step

DRAIN_SECONDS = 20
"""How long requests that run may go on; what takes longer (a console) is cut."""

# What HAProxy is told through its own socket (its management guide, "set server"). There is no
# other program in its image that speaks to a UNIX socket. Sessions in use are column `scur`.
_TELL = """
import socket, sys, time

def ask(line):
    admin = socket.socket(socket.AF_UNIX)
    admin.settimeout(10)
    admin.connect("/run/haproxy/admin.sock")
    admin.sendall(line.encode() + b"\\n")
    answer = b""
    while part := admin.recv(65536):
        answer += part
    return answer.decode()

def sessions(front, server):
    rows = [line.split(",") for line in ask("show stat").splitlines()]
    column = rows[0].index("scur")
    return sum(int(r[column]) for r in rows[1:] if r[:2] == [front, server])

what, front, server, seconds = sys.argv[1:]
if what == "leave":
    said = ask(f"set server {front}/{server} state drain")
    deadline = time.monotonic() + float(seconds)
    while sessions(front, server) and time.monotonic() < deadline:
        time.sleep(0.1)
else:
    said = ask(f"set server {front}/{server} health down; set server {front}/{server} state ready")
print(said.strip())
"""


async def leave(step: Step, fleet: Fleet, waits: Callable[[str], None]) -> None:
    """No load balancer sends new requests here, and those that run have ended, or their time has.

    A load balancer that does not run sends none. With one container alone there is nobody to send
    requests to instead, and nothing is done.
    """
    action = step.action
    assert isinstance(action, RunContainer)
    if len(action.members) > 1 and action.balancers:
        waits(f"for requests to {action.container} to end")
        await _tell_all("leave", step, action, fleet)


async def come_back(step: Step, fleet: Fleet) -> None:
    """Once it is stopped: it counts as down until it answers, and then gets requests again.

    Said this early, so that no run that is cut leaves a container that works without requests:
    until then the old one is there, and the step is still to be done.
    """
    action = step.action
    assert isinstance(action, RunContainer)
    if len(action.members) > 1 and action.balancers:
        await _tell_all("return", step, action, fleet)


async def _tell_all(what: str, step: Step, action: RunContainer, fleet: Fleet) -> None:
    there = [name for name in action.balancers if name in fleet.members]
    argv = told(what, action.container, step.host)
    await asyncio.gather(*(_tell(fleet.engine(name), argv) for name in there))


def told(what: str, front: str, server: str) -> tuple[str, ...]:
    """The command that is run beside a load balancer."""
    return ("python3", "-c", _TELL, what, front, server, str(DRAIN_SECONDS))


async def _tell(engine: Engine, argv: Sequence[str]) -> None:
    try:
        await engine.exec(BALANCER, argv)
    except (EngineError, Unreachable):
        return  # it does not run, or its host died: it sends no requests
