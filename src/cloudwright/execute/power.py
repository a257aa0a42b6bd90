"""Stop and start all containers of a cloud, each in the order that its needs ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from cloudwright.errors import StepFailed
from cloudwright.execute.host import labels
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.host.health import probe
from cloudwright.execute.host.locate import Located, containers_of
from cloudwright.model.cloud import Cloud
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.graph import needs_within
from cloudwright.plan.steps import RunContainer, Step

POLL_SECONDS = 0.2

Say = Callable[[str], None]
Farewell = Callable[[Located, RunContainer], Awaitable[None]]
"""What is done with a container that still runs, before it is stopped."""


async def stop_cloud(
    fleet: Fleet, cloud: Cloud, blueprint: Blueprint, say: Say, farewell: Farewell | None = None
) -> int:
    """Stop what runs, users before what they use; returns how many. Nothing is removed."""
    running = {
        _step_id(one): one for one in await containers_of(fleet, cloud.name) if one.state.running
    }
    needs = _needs(blueprint, running)
    users = {id: frozenset(u for u, n in needs.items() if id in n) for id in running}

    async def stop(id: str) -> None:
        one = running[id]
        action = _action(blueprint, id)
        if farewell and action:
            await farewell(one, action)
        seconds = action.body.stop_seconds if action else None
        await fleet.engine(one.host).stop(one.state.name, seconds)
        say(f"stopped {one.name}")

    await in_turn(users, stop)
    return len(running)


async def start_cloud(
    fleet: Fleet,
    cloud: Cloud,
    blueprint: Blueprint,
    say: Say,
    only: Collection[str] | None = None,
) -> int:
    """Start what does not run, each once what it needs is healthy; returns how many.

    `only` are ids of steps; without it everything. Raises StepFailed for one that does not
    become healthy in its time.
    """
    stopped = {
        _step_id(one): one
        for one in await containers_of(fleet, cloud.name)
        if not one.state.running and one.state.labels.get(labels.KIND) == "container"
    }
    if only is not None:
        stopped = {id: one for id, one in stopped.items() if id in only}

    async def start(id: str) -> None:
        one = stopped[id]
        await fleet.engine(one.host).start(one.state.name)
        if action := _action(blueprint, id):
            await _until_healthy(fleet, cloud, blueprint.steps[id], action)
        say(f"started {one.name}")

    await in_turn(_needs(blueprint, stopped), start)
    return len(stopped)


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
