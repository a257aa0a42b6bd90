"""Whether a container is ready: its API answers, its port is open, its own command says so."""

from __future__ import annotations

import asyncio

import httpx

from cloudwright.declare.service import CommandHealth, Health, HttpHealth, TcpHealth
from cloudwright.engine.api import Engine
from cloudwright.errors import CloudError
from cloudwright.transport.host import Host

PROBE_SECONDS = 5.0
"""A probe that takes longer is a failure: a frozen process must not count as healthy."""


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
