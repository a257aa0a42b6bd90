"""A host that came back is let in again, once its nova-compute has destroyed what was moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from cloudwright.errors import CloudError, StepFailed, UnsafePlan
from cloudwright.execute.evacuate.apis import Apis
from cloudwright.execute.evacuate.computes import Compute, computes, hold_out, open_records
from cloudwright.execute.host.fleet import Fleet

CONTAINER = "nova-compute"
POLL_SECONDS = 2.0
UNDER_WAY = ("accepted", "pre-migrating")


async def give_back(
    fleet: Fleet,
    apis: Apis,
    hosts: Sequence[str],
    seconds: float,
    tell: Callable[[str], None],
) -> int:
    """Let each of `hosts` have instances again; how many of them were held out.

    Raises UnsafePlan when one cannot be used, or instances of it are still being moved, with
    nothing changed; StepFailed when one has not cleaned up within `seconds`.
    """
    services = await apis.do(computes)
    held = [services[host] for host in hosts if host in services and services[host].held_out]
    for compute in held:
        await _may_return(fleet, apis, compute)
    for compute in held:
        await _cleaned(fleet, apis, compute, seconds, tell)
        await apis.do(hold_out, compute, False)
        tell(f"{compute.host} may have instances again")
    return len(held)


async def _may_return(fleet: Fleet, apis: Apis, compute: Compute) -> None:
    host = compute.host
    hint = "switch it on, and wait until `cloudwright status` finds its containers well"
    if host not in fleet.members:
        raise UnsafePlan(f"{host} cannot be used", why=str(fleet.lost[host]), hint=hint)
    try:
        found = await fleet.engine(host).inspect(CONTAINER)
        running = found.running
    except CloudError as err:
        raise UnsafePlan(f"{host} has no {CONTAINER}", why=str(err), hint=hint) from err
    if not running:
        raise UnsafePlan(f"{CONTAINER} does not run on {host}", hint=hint)
    moving = [r for r in await apis.do(open_records, host) if r.status in UNDER_WAY]
    if moving:
        raise UnsafePlan(
            f"{len(moving)} instances of {host} are being moved",
            why="\n".join(f"{r.instance}: {r.status}" for r in moving),
            hint=f"`cloudwright evacuate host:{host}` waits for them once {host} is off again",
        )


async def _cleaned(
    fleet: Fleet,
    apis: Apis,
    compute: Compute,
    seconds: float,
    tell: Callable[[str], None],
) -> None:
    """Wait until no guest that was moved is left on the host.

    Its nova-compute destroys them as it starts, before it reports for the first time. One that
    reports and has left some was up all the while, so it is started anew.
    """
    host, loop = compute.host, asyncio.get_running_loop()
    deadline, told, anew = loop.time() + seconds, -1, False
    while True:
        # In this order: whoever has reported before we look has cleaned up, or never will.
        reports = (await apis.do(computes))[host].heard != compute.heard
        left = await apis.do(open_records, host)
        if not left:
            return
        if len(left) != told:
            told = len(left)
            tell(f"{host}: {told} instances that were moved are to be destroyed there")
        if loop.time() > deadline:
            raise StepFailed(
                f"{host} has not cleaned up within {seconds:g} s",
                why="\n".join(f"instance {r.instance} is to be destroyed there" for r in left),
                hint=f"`cloudwright logs {CONTAINER}@{host}` says more; run this again",
            )
        if reports and not anew:
            tell(f"{host}: {CONTAINER} runs since before they were moved: it is started anew")
            await fleet.engine(host).stop(CONTAINER)
            await fleet.engine(host).start(CONTAINER)
            anew = True
        await asyncio.sleep(POLL_SECONDS)
