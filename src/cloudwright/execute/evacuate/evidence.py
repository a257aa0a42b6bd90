"""The proof that a host is down. What fences a host, once there is such a driver, answers here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from cloudwright.errors import UnsafePlan
from cloudwright.execute.evacuate.apis import Apis
from cloudwright.execute.evacuate.computes import Compute, computes
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.look.life import sign_of_life
from cloudwright.model.cloud import Cloud
from cloudwright.services.nova.conf import down_seconds
from cloudwright.transport.host import Host

LISTEN_SECONDS = 15.0
"""Longer than nova-compute's `report_interval` (5 or 10 s): one that lives has reported then."""


async def prove_down(
    fleet: Fleet, cloud: Cloud, here: Host, apis: Apis, hosts: Sequence[str]
) -> Mapping[str, Compute]:
    """Every compute service, once it is sure that none of `hosts` gives a sign of life.

    Raises UnsafePlan with all that was seen. Asked are SSH and ping, from `here` and from every
    host of `fleet`, and Nova, which must have heard nothing for longer than its own
    patience; of a host that is held out Nova says so in any case, so that one is listened to.
    """
    services, signs = await asyncio.gather(
        apis.do(computes),
        asyncio.gather(*(sign_of_life(fleet, cloud, here, host) for host in hosts)),
    )
    seen = {host: sign for host, sign in zip(hosts, signs, strict=True) if sign}
    for host in hosts:
        service = services.get(host)
        if host not in seen and service and service.up:
            seen[host] = f"its nova-compute reports to Nova, last at {service.heard} UTC"
    held = {h: services[h] for h in hosts if h in services and services[h].held_out}
    if held and not seen:
        seen |= await _reports(apis, held)
    if seen:
        raise UnsafePlan(
            f"{', '.join(seen)} {'gives a sign' if len(seen) == 1 else 'give signs'} of life",
            why="\n".join(f"{host}: {sign}" for host, sign in seen.items()),
            hint="two of one instance would write to one address or volume: switch the host off, "
            f"or let it come back. Nova needs {down_seconds(cloud)} s to miss one that is off",
        )
    return services


async def _reports(apis: Apis, held: Mapping[str, Compute]) -> dict[str, str]:
    """Which of those that are held out report all the same while we listen."""
    await asyncio.sleep(LISTEN_SECONDS)
    now = await apis.do(computes)
    return {
        host: f"its nova-compute reports to Nova, last at {now[host].heard} UTC"
        for host, before in held.items()
        if host in now and now[host].heard != before.heard
    }
