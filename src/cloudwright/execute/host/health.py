"""Whether a container is ready: its API answers, its port is open, its own command says so."""

from __future__ import annotations

import asyncio
import re

from cloudwright.declare.service import (
    CommandHealth,
    ConnectedHealth,
    Health,
    HttpHealth,
    SocketHealth,
    TcpHealth,
)
from cloudwright.engine.api import Engine
from cloudwright.errors import CloudError
from cloudwright.execute.host import rpc
from cloudwright.transport.host import Host
from cloudwright.transport.lean_http import httpx

PROBE_SECONDS = 5.0
"""A probe that takes longer is a failure: a frozen process must not count as healthy."""

# Which process has a connection shows in its descriptors (proc_pid_fd(5)), and which processes are
# a container's in their name space. Asked on the host: nothing of the container is run.
CONNECTED = """
number=$(stat -Lc %i /proc/{pid}/ns/pid) || exit 1
sockets=$(awk '$4 == "01" && substr($3, length($3) - 4) == ":{port:04X}" {{
    print "socket:[" $10 "]"}}' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
[ "$sockets" ] || exit 1
processes=$(find -L /proc/[0-9]*/ns/pid -maxdepth 0 -inum "$number" 2>/dev/null)
find $(for one in $processes; do echo "${{one%/ns/pid}}/fd"; done) -lname 'socket:*' \
    -printf '%l\\n' 2>/dev/null | grep -qxF "$sockets"
"""


async def probe(
    host: Host, engine: Engine, address: str, container: str, health: Health | None
) -> str | None:
    """None when healthy, else what is wrong, in a few words."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            match health:
                case None:
                    return None
                case HttpHealth():
                    return await _http(host, address, health)
                case TcpHealth(port=port):
                    return await _tcp(host, address, port)
                case ConnectedHealth(port=port):
                    return await _connected(host, engine, container, port)
                case SocketHealth():
                    return await _socket(host, health)
                case CommandHealth(command=command):
                    done = await engine.exec(container, command)
                    last = done.output.strip().splitlines()[-1:]
                    return None if done.exit_code == 0 else (last or ["no output"])[0]
    except TimeoutError:
        return f"no answer within {PROBE_SECONDS:g} s"
    except (CloudError, OSError, httpx.HTTPError) as err:
        return str(err).splitlines()[0] if str(err) else type(err).__name__


async def _http(host: Host, address: str, health: HttpHealth) -> str | None:
    socket = await host.tcp_socket(address, health.port)
    # Only whether the process answers is asked here, over SSH to the host itself.
    transport = httpx.AsyncHTTPTransport(uds=str(socket), verify=False)
    scheme = "https" if health.tls else "http"
    async with httpx.AsyncClient(transport=transport, timeout=PROBE_SECONDS) as client:
        answer = await client.get(f"{scheme}://{address}:{health.port}{health.path}")
    return None if answer.status_code < 500 else f"answers {answer.status_code}"


async def _tcp(host: Host, address: str, port: int) -> str | None:
    return None if await host.listens(address, port) else f"port {port} takes no connection"


async def _connected(host: Host, engine: Engine, container: str, port: int) -> str | None:
    found = await engine.inspect(container)
    if not found.pid:
        return f"it is {found.state}"
    done = await host.run(CONNECTED.format(pid=found.pid, port=port), check=False)
    return None if done.status == 0 else f"has no connection to port {port}"


async def _socket(host: Host, health: SocketHealth) -> str | None:
    said = await rpc.call(host, health.path, health.method, health.params)
    lines = said.splitlines() if isinstance(said, str) else []
    if not health.line or any(re.fullmatch(health.line, line) for line in lines):
        return None
    return f"{health.method}: {(lines or ['nothing'])[0]}"
