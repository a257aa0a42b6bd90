"""Signs of life of a host that shall be dead: who still gets an answer from it."""

from __future__ import annotations

import asyncio

from cloudwright.errors import CloudError
from cloudwright.execute.host.fleet import Fleet
from cloudwright.model.cloud import Cloud
from cloudwright.transport.host import Host

KNOCK = (
    "timeout 3 bash -c ': </dev/tcp/{address}/{port}' 2>/dev/null || "
    "ping -c 1 -W 2 {address} >/dev/null 2>&1"
)
KNOCK_SECONDS = 10.0


async def sign_of_life(fleet: Fleet, cloud: Cloud, here: Host, dead: str) -> str:
    """Who gets an answer from the host `dead`, by SSH's port or by ping; empty for nobody.

    Asked are this machine, which is `here`, and every host of `fleet`, at the management and the
    tunnel address of `dead`.
    """
    if dead in fleet.members:
        return f"this machine is logged in to {dead}"
    host = cloud.host(dead)
    askers = (here, *(member.host for member in fleet.members.values()))
    addresses = dict.fromkeys((host.address, host.tunnel))
    found = await asyncio.gather(
        *(_knock(asker, a, host.ssh.port) for asker in askers for a in addresses)
    )
    return next(filter(None, found), "")


async def _knock(asker: Host, address: str, port: int) -> str:
    command = KNOCK.format(address=address, port=port)
    try:
        done = await asker.run(command, check=False, timeout=KNOCK_SECONDS)
    except CloudError:  # an asker that is lost meanwhile has heard nothing
        return ""
    return f"{asker.name} gets an answer from {address}" if done.status == 0 else ""
