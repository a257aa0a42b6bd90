"""When a cloud is whole again: every container healthy, every cluster with all its members."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloudwright.declare.service import Service
from cloudwright.errors import CloudError
from cloudwright.execute.central.database import DatabaseServer
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.host.health import probe
from cloudwright.execute.look.status import PROBES_PER_HOST
from cloudwright.model.cloud import Cloud
from cloudwright.operations.what_if import clusters
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.steps import RunContainer, Step

POLL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """What has to be there; `members` has a database server for each host that keeps its data."""

    cloud: Cloud
    services: Sequence[Service]
    blueprint: Blueprint

    async def wait(
        self,
        fleet: Fleet,
        members: dict[str, DatabaseServer],
        seconds: float,
        tell: Callable[[str], None],
    ) -> str:
        """Wait until all is there: empty, or in words what still was not after `seconds`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        told, ill = "", self._steps()
        while wrong := await self._next(fleet, members, ill):
            if loop.time() > deadline:
                return wrong
            if wrong != told:
                tell(f"waits: {wrong}")
                told = wrong
            await asyncio.sleep(POLL_SECONDS)
        return ""

    async def lacks(self, fleet: Fleet, members: dict[str, DatabaseServer]) -> str:
        """The first thing that is not whole, in words; empty when everything is.

        Clusters are asked last: that costs most, and they cannot be whole before.
        """
        if ill := await self._ill(fleet, self._steps()):
            return _words(ill)
        return await self._database(members) or await self._queue(fleet)

    async def _next(
        self, fleet: Fleet, members: dict[str, DatabaseServer], ill: list[Step]
    ) -> str:
        """As `lacks`, but asks only those that were ill until none is: a host that boots has
        enough to do. What is well leaves `ill`."""
        found = await self._ill(fleet, ill)
        ill[:] = [step for step in ill if step.id in found]
        return _words(found) or await self.lacks(fleet, members)

    def _steps(self) -> list[Step]:
        return [s for s in self.blueprint.steps.values() if isinstance(s.action, RunContainer)]

    async def _ill(self, fleet: Fleet, steps: list[Step]) -> dict[str, str]:
        """Step id → what is wrong, of those of `steps` that are not healthy."""
        slots = {host.name: asyncio.Semaphore(PROBES_PER_HOST) for host in self.cloud.hosts}

        async def one(step: Step) -> str:
            action = step.action
            assert isinstance(action, RunContainer)
            async with slots[step.host]:
                host, engine = fleet.host(step.host), fleet.engine(step.host)
                address = self.cloud.host(step.host).address
                wrong = await probe(host, engine, address, action.container, action.health)
                return f"{action.container} on {step.host}: {wrong}" if wrong else ""

        wrong = await asyncio.gather(*map(one, steps))
        return {step.id: text for step, text in zip(steps, wrong, strict=True) if text}

    async def _database(self, members: dict[str, DatabaseServer]) -> str:
        if len(members) < 2:
            return ""
        asked = (
            "SELECT variable_value FROM information_schema.global_status "
            "WHERE variable_name = 'wsrep_cluster_size'"
        )
        wanted = self._voters("mariadb")
        for name, member in members.items():
            try:
                size = int(str((await member.query(asked))[0][0]))
            except (CloudError, ValueError, IndexError) as err:
                return f"the database member on {name}: {str(err).splitlines()[0]}"
            if size != wanted:
                return f"the database member on {name} sees {size} of {wanted}"
        return ""

    async def _queue(self, fleet: Fleet) -> str:
        wanted = self._voters("rabbitmq")
        if wanted < 2:
            return ""
        name = fleet.first(self.cloud.hosts_with("control")).name
        words = ["rabbitmqctl", "-q", "cluster_status", "--formatter", "json"]
        try:
            done = await fleet.engine(name).exec("rabbitmq", words)
            text = done.output
            running = json.loads(text[text.index("{") :])["running_nodes"]
        except (CloudError, ValueError, KeyError) as err:
            return f"the queue on {name}: {str(err).splitlines()[0]}"
        short = len(running) < wanted
        return f"the queue has {len(running)} of {wanted} members" if short else ""

    def _voters(self, cluster: str) -> int:
        found = dict(clusters(self.cloud, self.services)).get(cluster, ())
        return sum(len(self.cloud.hosts_with(container.role)) for container in found)


def _words(ill: dict[str, str]) -> str:
    more = f" (and {len(ill) - 1} more)" if len(ill) > 1 else ""
    return f"{next(iter(ill.values()))}{more}" if ill else ""
