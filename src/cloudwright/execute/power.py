"""Stop, start and remove all containers of a cloud, each in the order that its needs ask for."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping
from pathlib import PurePosixPath

from cloudwright.errors import EngineError, StepFailed
from cloudwright.execute import labels
from cloudwright.execute.fleet import Fleet
from cloudwright.execute.health import probe
from cloudwright.execute.locate import Located, containers_of
from cloudwright.model.cloud import Cloud
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.graph import needs_within
from cloudwright.plan.render import CONFIG_DIRECTORY
from cloudwright.plan.steps import RunContainer, Step

POLL_SECONDS = 0.2
INSTANCES = "nova-libvirt"
"""Guests are processes of the host and outlive this container; only it can end them well."""

Say = Callable[[str], None]


async def stop_cloud(fleet: Fleet, cloud: Cloud, blueprint: Blueprint, say: Say) -> int:
    """Stop what runs, users before what they use; returns how many. Nothing is removed."""
    running = {
        _step_id(one): one for one in await containers_of(fleet, cloud.name) if one.state.running
    }
    needs = _needs(blueprint, running)
    users = {id: frozenset(u for u, n in needs.items() if id in n) for id in running}

    async def stop(id: str) -> None:
        one = running[id]
        action = _action(blueprint, id)
        seconds = action.body.stop_seconds if action else None
        await fleet.engine(one.host).stop(one.state.name, seconds)
        say(f"stopped {one.name}")

    await in_turn(users, stop)
    return len(running)


async def start_cloud(fleet: Fleet, cloud: Cloud, blueprint: Blueprint, say: Say) -> int:
    """Start what does not run, each once what it needs is healthy; returns how many.

    Raises StepFailed for one that does not become healthy in its time.
    """
    stopped = {
        _step_id(one): one
        for one in await containers_of(fleet, cloud.name)
        if not one.state.running and one.state.labels.get(labels.KIND) == "container"
    }

    async def start(id: str) -> None:
        one = stopped[id]
        await fleet.engine(one.host).start(one.state.name)
        if action := _action(blueprint, id):
            await _until_healthy(fleet, cloud, blueprint.steps[id], action)
        say(f"started {one.name}")

    await in_turn(_needs(blueprint, stopped), start)
    return len(stopped)


async def destroy_cloud(
    fleet: Fleet, cloud: Cloud, blueprint: Blueprint, say: Say, *, data: bool
) -> None:
    """Remove containers and config; with `data` also instances and every volume of the cloud."""
    if data:
        await asyncio.gather(*(_end_instances(fleet, h.name, say) for h in cloud.hosts))
    await stop_cloud(fleet, cloud, blueprint, say)
    everything = await containers_of(fleet, cloud.name)
    await asyncio.gather(*(_remove(fleet, one) for one in everything))
    say(f"removed {len(everything)} containers")
    await asyncio.gather(*(_clear(fleet, h.name, cloud, say, data=data) for h in cloud.hosts))


async def in_turn(
    needs: Mapping[str, frozenset[str]], work: Callable[[str], Awaitable[None]]
) -> None:
    """`work` on every key, each after all that it needs; the first error ends all."""
    over = {id: asyncio.Event() for id in needs}

    async def one(id: str) -> None:
        for need in needs[id]:
            await over[need].wait()
        await work(id)
        over[id].set()

    async with asyncio.TaskGroup() as group:
        for id in needs:
            group.create_task(one(id))


def _needs(blueprint: Blueprint, found: Mapping[str, Located]) -> dict[str, frozenset[str]]:
    """Needs among the containers found; one that nothing declares needs nothing."""
    chosen = frozenset(found) & blueprint.steps.keys()
    needs = needs_within(blueprint.steps, chosen)
    return {id: needs.get(id, frozenset()) for id in found}


def _step_id(one: Located) -> str:
    return one.state.labels.get(labels.STEP) or one.name


def _action(blueprint: Blueprint, id: str) -> RunContainer | None:
    step = blueprint.steps.get(id)
    return step.action if step and isinstance(step.action, RunContainer) else None


async def _until_healthy(fleet: Fleet, cloud: Cloud, step: Step, action: RunContainer) -> None:
    host, engine = fleet.host(step.host), fleet.engine(step.host)
    address = cloud.host(step.host).address
    clock = asyncio.get_running_loop().time
    deadline = clock() + (action.health.seconds if action.health else 0)
    while wrong := await probe(host, engine, address, action.container, action.health):
        if clock() > deadline:
            raise StepFailed(
                f"{action.container} did not become healthy: {wrong}",
                where=step.id,
                hint=f"`cloudwright logs {action.container}` shows why",
            )
        await asyncio.sleep(POLL_SECONDS)


async def _remove(fleet: Fleet, one: Located) -> None:
    try:
        await fleet.engine(one.host).remove(one.state.name, force=True)
    except EngineError as err:
        if err.status != 404:
            raise


async def _end_instances(fleet: Fleet, host: str, say: Say) -> None:
    script = 'for d in $(virsh -q list --name); do virsh -q destroy "$d" && echo "$d"; done'
    try:
        done = await fleet.engine(host).exec(INSTANCES, ["sh", "-c", script])
    except EngineError as err:
        if err.status in (404, 409):  # no such container, or it does not run
            return
        raise
    for name in done.output.split():
        say(f"ended instance {name} on {host}")


async def _clear(fleet: Fleet, host: str, cloud: Cloud, say: Say, *, data: bool) -> None:
    """Config of every container; volumes of this cloud when the data shall go."""
    directory = PurePosixPath(CONFIG_DIRECTORY)
    quoted = shlex.quote(str(directory))
    # What is in it goes; itself may be a mount of its own, and then has to stay.
    await fleet.host(host).run(
        f"[ ! -d {quoted} ] || {{ find {quoted} -mindepth 1 -delete; "
        f"rmdir {quoted} 2>/dev/null || true; }}"
    )
    say(f"removed what is in {directory} on {host}")
    engine = fleet.engine(host)
    ours = [v.name for v in await engine.volumes() if v.labels.get(labels.CLOUD) == cloud.name]
    if data:
        await asyncio.gather(*(engine.remove_volume(name) for name in ours))
        say(f"removed {len(ours)} volumes on {host}")
    elif ours:
        say(f"kept {len(ours)} volumes on {host}")
