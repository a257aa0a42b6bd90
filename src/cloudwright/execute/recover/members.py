"""Asks a cluster's members what they hold, and passes a word on to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from cloudwright.declare.member import ASK
from cloudwright.declare.service import Container, Service, hosts_of
from cloudwright.errors import CloudError, CommandFailed, UnsafePlan
from cloudwright.execute.host.fleet import Fleet
from cloudwright.model.cloud import Cloud
from cloudwright.operations.failover import voters
from cloudwright.operations.recover import MemberState

POLL_SECONDS = 2.0
STATE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """The members of one cluster; `fleet` has the hosts that could be reached."""

    cloud: Cloud
    fleet: Fleet
    container: Container

    async def states(self) -> tuple[MemberState, ...]:
        """What each says, asked side by side."""
        hosts = [host.name for host in hosts_of(self.cloud, self.container)]
        return tuple(await asyncio.gather(*(self._state(host) for host in hosts)))

    async def tell(self, dead: Sequence[str]) -> None:
        """Tell every other member that answers; UnsafePlan when one does not take the word."""
        for state in await self.states():
            if state.host not in dead and state.state != "silent":
                words = [*ASK, "dead", *dead]
                done = await self.fleet.engine(state.host).exec(self.container.name, words)
                if done.exit_code:
                    what = f"{self.container.name} on {state.host} does not take that word"
                    raise UnsafePlan(what, why=done.output)

    async def _state(self, host: str) -> MemberState:
        try:
            async with asyncio.timeout(STATE_SECONDS):
                done = await self.fleet.engine(host).exec(self.container.name, [*ASK, "state"])
            if done.exit_code:
                raise CommandFailed("ask.py state", done.exit_code, done.output, where=host)
            said = json.loads(done.output.strip().splitlines()[-1])
        except (CloudError, TimeoutError, ValueError, IndexError) as err:
            text = str(err) or type(err).__name__
            return MemberState(host=host, state="silent", why=text.splitlines()[0])
        return MemberState(
            host=host,
            state=said["state"],
            history=said.get("history", ""),
            position=said.get("position"),
            view=tuple(said.get("view", ())),
            waits=said["waits"],
            whole=said.get("whole", False),
            left=tuple(said.get("left", ())),
        )


def every_cluster(cloud: Cloud, services: Sequence[Service], fleet: Fleet) -> tuple[Members, ...]:
    """The members of each cluster that takes a person's word."""
    return tuple(
        Members(cloud=cloud, fleet=fleet, container=container)
        for container, _ in voters(cloud, services)
    )
