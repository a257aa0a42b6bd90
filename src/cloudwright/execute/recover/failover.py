"""Has the clusters of a site go on without the others, and waits until all are together again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloudwright.declare.rollout import Quorum
from cloudwright.declare.service import Service, hosts_of
from cloudwright.errors import CloudError, UnsafePlan
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.host.health import probe
from cloudwright.execute.look.life import Answer, ask_around
from cloudwright.execute.recover.members import POLL_SECONDS, Members, every_cluster
from cloudwright.model.cloud import Cloud
from cloudwright.operations.failover import (
    Cluster,
    apart,
    differs,
    lacking_copies,
    to_force,
    unsettled,
    why_not,
    without_vote,
)
from cloudwright.transport.host import Host

DATABASE = "mariadb"
THERE = "/run/mysqld/members"
"""Where its server's notifications (`notify.sh`) keep who is there."""

QUEUE = "rabbitmq"
QUEUES = ("rabbitmqctl", "-q", "list_queues", "name", "type", "members", "online")
ASK_SECONDS = 30.0

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Voting:
    """Every cluster of a cloud; `fleet` has the hosts that could be reached, `here` is this
    machine."""

    cloud: Cloud
    services: Sequence[Service]
    fleet: Fleet
    here: Host

    async def evidence(self, dead: Sequence[str]) -> tuple[Answer, ...]:
        """What this machine and every host that answers get from each of `dead`.

        Raises UnsafePlan when any of it is a sign of life.
        """
        if living := [host for host in dead if self.fleet.let_us_in(host)]:
            raise _alive(f"this machine logged in to {', '.join(living)}")
        asked = [ask_around(self.fleet, self.cloud, self.here, host) for host in dead]
        found = tuple(one for answers in await asyncio.gather(*asked) for one in answers)
        if seen := [str(one) for one in found if one.alive]:
            raise _alive("; ".join(seen))
        return found

    async def look(self) -> tuple[Cluster, ...]:
        """What each member of each cluster says, asked side by side."""
        return tuple(await asyncio.gather(*map(self._cluster, self._members())))

    async def force(self, dead: Sequence[str], seconds: float, tell: Tell) -> None:
        """Tell the members of every cluster that takes no writes that `dead` are dead, and wait
        until these clusters do.

        Raises UnsafePlan, with nobody told, when one of `dead` gives a sign of life or every
        cluster is whole; and when one is not whole after `seconds`.
        """
        clusters = await self.look()
        if why := why_not(clusters, dead):
            raise UnsafePlan("nobody was told anything", why=why)
        await self.evidence(dead)
        # Again, since one may have been whole still at the first look: it had not noticed yet.
        while names := [cluster.name for cluster in to_force(await self.look())]:
            chosen = [m for m in self._members() if m.container.name in names]
            forcing = [self._without(m, dead, seconds, tell) for m in chosen]
            # None is left in the middle because another one failed.
            for error in await asyncio.gather(*forcing, return_exceptions=True):
                if isinstance(error, BaseException):
                    raise error
        await self._recount(tell, restart=True)

    async def pass_on(self, dead: Sequence[str]) -> None:
        """Tell the members of every cluster that is not whole that `dead` are, so that they are
        not waited for; who else is missing still is.

        Raises UnsafePlan, with nobody told, when one of `dead` gives a sign of life.
        """
        await self.evidence(dead)
        for members, cluster in zip(self._members(), await self.look(), strict=True):
            named = cluster.of(dead)
            if named and not cluster.whole:
                await members.tell(named)

    async def settle(self, dead: Sequence[str], seconds: float, tell: Tell) -> tuple[Cluster, ...]:
        """Wait until all members but those on `dead` are part of whole clusters, telling what each
        waits for as that changes.

        Returns what they say at the end, after `seconds` at most.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        told: list[str] = []
        while True:
            found = await self.look()
            left = [line for cluster in found for line in unsettled(cluster, dead)]
            for line in left:
                if line not in told:
                    tell(line)
            told = left
            if not left or loop.time() > deadline:
                return found
            await asyncio.sleep(POLL_SECONDS)

    async def together(self, seconds: float, tell: Tell) -> tuple[str, ...]:
        """Wait until every cluster has all of its votes and its contents on all of them.

        Returns what still differs after `seconds`. Raises UnsafePlan as soon as there are two
        writers of one cluster.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        told: tuple[str, ...] = ()
        while True:
            wrong = await self.differences()
            for line in wrong:
                if line not in told:
                    tell(line)
            told = wrong
            if not wrong:
                # Hosts of the lost site may have lived on out of reach, and still count on.
                await self._recount(tell, restart=False)
            if not wrong or loop.time() > deadline:
                return wrong
            await asyncio.sleep(POLL_SECONDS)

    async def differences(self) -> tuple[str, ...]:
        """What is not as it was before the loss, in sentences; UnsafePlan for two writers."""
        clusters = await self.look()
        if why := apart(clusters):
            raise UnsafePlan(
                "two sides of one cluster take writes",
                why=why,
                hint="nobody can make them one: stop the hosts of one side (what it wrote in the "
                "meantime is lost), start them again, and they join the other",
            )
        lacking = await self._lacking(clusters)
        wrong = [line for c in clusters for line in differs(c, lacking.get(c.name, ()))]
        return tuple(wrong) or await self._unhealthy()

    def _members(self) -> tuple[Members, ...]:
        return every_cluster(self.cloud, self.services, self.fleet)

    async def _cluster(self, members: Members) -> Cluster:
        container = members.container
        assert container.alone
        states = await members.states()
        return Cluster(name=container.name, alone=container.alone, states=states)

    async def _without(
        self, members: Members, dead: Sequence[str], seconds: float, tell: Tell
    ) -> None:
        name = members.container.name
        hosts = {host.name for host in hosts_of(self.cloud, members.container)}
        loop = asyncio.get_running_loop()
        begun = loop.time()
        deadline = begun + seconds
        told, refused = False, ""
        while late := [s for s in await members.states() if s.host not in dead and not s.whole]:
            if loop.time() > deadline:
                raise UnsafePlan(
                    f"{name} on {', '.join(s.host for s in late)} is not whole "
                    f"after {seconds:.0f} s",
                    why=refused or "; ".join(s.waits or s.why or s.state for s in late),
                    hint=f"`cloudwright logs {name}` says what it does; `failover` is repeatable",
                )
            # A server that is cut off gives up by itself what it was part of, and only then can it
            # be told; one that founds by itself needs no word. Whose agent was started anew since
            # it was told knows of none, and waits again.
            waits = not told or any(s.waits for s in late)
            if waits and not any(s.state in ("cut off", "founding") for s in late):
                try:
                    await members.tell([host for host in dead if host in hosts])
                except UnsafePlan as err:  # something else came between: look again
                    refused = str(err)
                else:
                    if not told:
                        tell(f"{name}: the others were told")
                    told, refused = True, ""
            await asyncio.sleep(POLL_SECONDS)
        tell(f"{name}: whole, {loop.time() - begun:.0f} s after")

    async def _recount(self, tell: Tell, *, restart: bool) -> None:
        """Have clients forget how far the clusters had counted that were founded anew; those that
        must be started anew for it only with `restart`."""
        for service in self.services:
            for container in service.containers:
                hosts = [h.name for h in hosts_of(self.cloud, container)]
                for host in (h for h in hosts if container.recount and h in self.fleet.members):
                    command = container.recount.command if container.recount else ()
                    if command or restart:
                        await self._anew(host, container.name, command, tell)

    async def _anew(self, host: str, name: str, command: Sequence[str], tell: Tell) -> None:
        engine = self.fleet.engine(host)
        if name not in {state.name for state in await engine.containers()}:
            return
        if command:
            done = await engine.exec(name, command)
            why = done.output.strip() if done.exit_code else ""
            tell(f"{name} on {host}: {why or 'counts anew'}")
        else:
            await engine.stop(name)
            await engine.start(name)
            tell(f"{name} on {host}: started anew")

    async def _lacking(self, clusters: Sequence[Cluster]) -> dict[str, tuple[str, ...]]:
        """Cluster → which of its contents are not on all members, or who has no vote in it."""
        asked = {QUEUE: self._without_copies, DATABASE: self._without_vote}
        names = [c for c in clusters if c.name in asked and c.whole]
        found = await asyncio.gather(*(asked[cluster.name](cluster) for cluster in names))
        return {cluster.name: lines for cluster, lines in zip(names, found, strict=True)}

    async def _without_copies(self, cluster: Cluster) -> tuple[str, ...]:
        text = await self._asked(cluster, [*QUEUES, "--formatter", "json"])
        try:
            queues = json.loads(text[text.index("[") :])
        except ValueError:
            return ("its queues cannot be listed yet",)
        return lacking_copies(queues, len(cluster.states))

    async def _without_vote(self, cluster: Cluster) -> tuple[str, ...]:
        """A voter without an agent (an arbitrator) is among those that are asked for."""
        voters = [
            host.name
            for service in self.services
            for container in service.containers
            if isinstance(container.rollout, Quorum) and container.rollout.cluster == cluster.name
            for host in hosts_of(self.cloud, container)
        ]
        if len(voters) < 2:
            return ()
        return without_vote(await self._asked(cluster, ["cat", THERE]), voters)

    async def _asked(self, cluster: Cluster, words: Sequence[str]) -> str:
        """What a whole member says to a command in its container; empty when it does not."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                done = await self.fleet.engine(cluster.whole[0]).exec(cluster.name, words)
        except (CloudError, TimeoutError):
            return ""
        return "" if done.exit_code else done.output

    async def _unhealthy(self) -> tuple[str, ...]:
        """What votes and is not well; a voter without an agent (an arbitrator) is among it."""
        wrong = []
        for service in self.services:
            for container in service.containers:
                if isinstance(container.rollout, Quorum):
                    for host in hosts_of(self.cloud, container):
                        if host.name in self.fleet.lost:
                            wrong.append(f"{container.name} on {host.name}: no answer")
                            continue
                        reached = self.fleet.members[host.name]
                        found = await probe(
                            reached.host,
                            reached.engine,
                            host.address,
                            container.name,
                            container.health,
                        )
                        wrong += [f"{container.name} on {host.name}: {found}"] if found else []
        return tuple(wrong)


def _alive(why: str) -> UnsafePlan:
    return UnsafePlan(
        "what was named gives a sign of life",
        why=why,
        hint="switch it off, or let it come back: what it holds may be needed",
    )
