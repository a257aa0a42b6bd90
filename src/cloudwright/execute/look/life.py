"""Signs of life of a host that shall be dead: who still gets an answer from it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cloudwright.errors import CloudError
from cloudwright.execute.host.fleet import Fleet
from cloudwright.model.cloud import Cloud
from cloudwright.transport.host import Host

KNOCK = (
    "said=$(LC_ALL=C timeout 3 bash -c ': </dev/tcp/{address}/{port}' 2>&1) && exit 0; "
    "case $said in *'Connection refused'*) exit 0;; esac; "
    "ping -c 1 -W 2 {address} >/dev/null 2>&1"
)
"""To refuse a connection takes a living host, too; and there are hosts without `ping`."""

KNOCK_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What `asker` gets from a host at `address`; `alive`: anything at all."""

    asker: str
    address: str
    alive: bool

    def __str__(self) -> str:
        got = "an answer" if self.alive else "no answer"
        return f"{self.asker} gets {got} from {self.address}"


async def sign_of_life(fleet: Fleet, cloud: Cloud, here: Host, dead: str) -> str:
    """Who gets an answer from the host `dead`, by SSH's port or by ping; empty for nobody.

    Asked as `ask_around` does.
    """
    if fleet.let_us_in(dead):
        return f"this machine logged in to {dead}"
    found = await ask_around(fleet, cloud, here, dead)
    return next((str(one) for one in found if one.alive), "")


async def ask_around(fleet: Fleet, cloud: Cloud, here: Host, dead: str) -> tuple[Answer, ...]:
    """What each of them gets at each address; who is lost meanwhile has heard nothing.

    Asked are this machine, which is `here`, and every host of `fleet`; about the tunnel address
    of `dead` those alone that are in the tunnel network, too: elsewhere the address may be
    anybody's, or a proxy's that answers for the whole world.
    """
    host = cloud.host(dead)
    asked = [(here, host.address)]
    for name, member in fleet.members.items():
        asked.append((member.host, host.address))
        if cloud.host(name).tunnel_address and host.tunnel_address:
            asked.append((member.host, host.tunnel_address))
    return tuple(
        await asyncio.gather(*(_knock(who, where, host.ssh.port) for who, where in asked))
    )


async def _knock(asker: Host, address: str, port: int) -> Answer:
    command = KNOCK.format(address=address, port=port)
    try:
        done = await asker.run(command, check=False, timeout=KNOCK_SECONDS)
    except CloudError:  # an asker that is lost meanwhile has heard nothing
        return Answer(asker=asker.name, address=address, alive=False)
    return Answer(asker=asker.name, address=address, alive=done.status == 0)
