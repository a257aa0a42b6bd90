"""Take a cloud away from its hosts; its data, and what outlives containers, only when told to."""

from __future__ import annotations

import asyncio
import shlex

from cloudwright.errors import CloudError, EngineError, StepFailed, number
from cloudwright.execute.host import labels
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.host.locate import Located, containers_of
from cloudwright.execute.lock.ledger import DIRECTORY as LEDGER
from cloudwright.execute.power import Say, start_cloud, stop_cloud
from cloudwright.model.cloud import Cloud
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.graph import closure
from cloudwright.plan.render import CONFIG_DIRECTORY
from cloudwright.plan.steps import RunContainer

RUNTIME_DIRECTORY = "/var/lib/cloudwright"
"""On a host: what containers share under `/run`, and what was found out about the host."""


async def destroy_cloud(
    fleet: Fleet, cloud: Cloud, blueprint: Blueprint, say: Say, *, data: bool
) -> None:
    """Remove containers and config; with `data` also every volume of the cloud, its instances,
    and whatever else outlives a container.

    Raises StepFailed at the end, when all else is removed, for what could not be taken away.
    """
    left: list[str] = []

    async def farewell(one: Located, action: RunContainer) -> None:
        if action.farewell:
            left.extend(await _farewell(fleet, one, action.farewell, say))

    if data:
        await _wake(fleet, cloud, blueprint, say)
    await stop_cloud(fleet, cloud, blueprint, say, farewell if data else None)
    everything = await containers_of(fleet, cloud.name)
    await asyncio.gather(*(_remove(fleet, one) for one in everything))
    say(f"removed {number(len(everything), 'container')}")
    await asyncio.gather(*(_clear(fleet, h.name, cloud, say, data=data) for h in cloud.hosts))
    if left:
        raise StepFailed(
            "the containers are gone, but something that they made is still there",
            why="\n".join(left),
            hint="a boot of that host takes it away",
        )


async def _wake(fleet: Fleet, cloud: Cloud, blueprint: Blueprint, say: Say) -> None:
    """Start what has to say farewell and what it needs: the cloud may have been stopped before.

    One that does not become healthy stands in nobody's way: it all goes.
    """
    those = [
        step.id
        for step in blueprint.steps.values()
        if isinstance(step.action, RunContainer) and step.action.farewell
    ]
    try:
        await start_cloud(fleet, cloud, blueprint, say, closure(blueprint.steps, those))
    except* CloudError as group:
        for error in group.exceptions:
            say(str(error).splitlines()[0])


async def _farewell(fleet: Fleet, one: Located, script: str, say: Say) -> list[str]:
    """Run the script in the container; what it could not do, in words."""
    try:
        done = await fleet.engine(one.host).exec(one.state.name, ["sh", "-c", script], user="root")
    except EngineError as err:
        return [f"{one.name}: {err}"]
    lines = done.output.splitlines()
    if done.exit_code:
        return [f"{one.name}: {line}" for line in lines or [f"ended with {done.exit_code}"]]
    for line in lines:
        say(f"{line} on {one.host}")
    return []


async def _remove(fleet: Fleet, one: Located) -> None:
    try:
        await fleet.engine(one.host).remove(one.state.name, force=True)
    except EngineError as err:
        if err.status != 404:
            raise


async def _clear(fleet: Fleet, host: str, cloud: Cloud, say: Say, *, data: bool) -> None:
    """Config of every container; volumes of this cloud when the data shall go."""
    for directory in (CONFIG_DIRECTORY, *((RUNTIME_DIRECTORY,) if data else ())):
        quoted, kept = shlex.quote(directory), shlex.quote(LEDGER)
        # What is in it goes; itself may be a mount of its own, and then has to stay. The lock is
        # held until all is gone.
        await fleet.host(host).run(
            f"[ ! -d {quoted} ] || {{ "
            f"find {quoted} -mindepth 1 ! -path {kept} ! -path {kept}/'*' -delete && "
            f"{{ rmdir {quoted} 2>/dev/null || true; }}; }}"
        )
        say(f"removed what is in {directory} on {host}")
    engine = fleet.engine(host)
    ours = [v.name for v in await engine.volumes() if v.labels.get(labels.CLOUD) == cloud.name]
    if data:
        await asyncio.gather(*(engine.remove_volume(name) for name in ours))
        say(f"removed {number(len(ours), 'volume')} on {host}")
    elif ours:
        say(f"kept {number(len(ours), 'volume')} on {host}")
