"""How every declared container is now: state, health, since when, whether as declared."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cloudwright.engine.api import ContainerState
from cloudwright.errors import HostError
from cloudwright.execute.central.held import compute_url, held_out
from cloudwright.execute.central.links import open_links
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.host.health import probe
from cloudwright.execute.host.locate import containers_of
from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.cloud import Cloud
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Plan
from cloudwright.plan.steps import RunContainer, Step

PROBES_PER_HOST = 4
"""At a time: some start a program in a container, and two dozen of them at once on a small host
make each other late enough to look ill."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One container. `health` is `healthy`, `-` when it does not run, or what is wrong."""

    container: str
    host: str
    image: str
    state: str
    health: str
    since: datetime | None
    restarts: int
    """How often its engine has started it again by itself."""
    wrong: str
    """What is not as declared, in words; empty when all is."""

    @property
    def is_well(self) -> bool:
        """Whether it is as declared, runs and is healthy."""
        return not self.wrong and self.health == "healthy"


async def status_of(
    fleet: Fleet, cloud: Cloud, blueprint: Blueprint, plan: Plan
) -> tuple[Row, ...]:
    """A row for each container that shall be, in the blueprint's order, and for each stray."""
    found = {
        (one.host, one.state.name): one.state for one in await containers_of(fleet, cloud.name)
    }
    wrong = {p.step.id: p.why for p in plan.planned}
    steps = [s for s in blueprint.steps.values() if isinstance(s.action, RunContainer)]
    slots = {host.name: asyncio.Semaphore(PROBES_PER_HOST) for host in cloud.hosts}

    async def row(step: Step) -> Row:
        async with slots[step.host]:
            return await _row(fleet, cloud, step, found, wrong)

    rows = await asyncio.gather(*(row(step) for step in steps))
    strays = [p for p in plan.planned if p.step.id not in blueprint.steps]
    return (*rows, *(_stray(p.step, p.why, found) for p in strays))


async def _row(
    fleet: Fleet,
    cloud: Cloud,
    step: Step,
    found: Mapping[tuple[str, str], ContainerState],
    wrong: Mapping[str, str],
) -> Row:
    action = step.action
    assert isinstance(action, RunContainer)
    state = found.get((step.host, action.container))
    health, since, restarts = "-", None, 0
    if state is not None and state.running:
        engine = fleet.engine(step.host)
        address = cloud.host(step.host).address
        inspected, ill = await asyncio.gather(
            engine.inspect(action.container),
            probe(fleet.host(step.host), engine, address, action.container, action.health),
        )
        health = ill or "healthy"
        since, restarts = inspected.started_at, inspected.restarts
    return Row(
        container=action.container,
        host=step.host,
        image=action.body.image,
        state=state.state if state else "absent",
        health=health,
        since=since,
        restarts=restarts,
        wrong=wrong.get(step.id, ""),
    )


def _stray(step: Step, why: str, found: Mapping[tuple[str, str], ContainerState]) -> Row:
    name = step.id.removeprefix("stray/").partition("@")[0]
    state = found.get((step.host, name))
    return Row(
        container=name,
        host=step.host,
        image=state.image if state else "",
        state=state.state if state else "absent",
        health="-",
        since=None,
        restarts=0,
        wrong=why,
    )


async def held_out_in(
    fleet: Fleet, cloud: Cloud, blueprint: Blueprint, vault: Vault
) -> tuple[str, ...]:
    """The compute hosts that are held out; none while Nova does not answer, which shows anyway."""
    url = compute_url(blueprint)
    if not url:
        return ()
    try:
        async with open_links(fleet, cloud, blueprint, vault) as links:
            return await held_out(links.keystone, url)
    except (HostError, OSError):
        return ()
