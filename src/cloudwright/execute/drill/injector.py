"""How a failure is made and mended: in a lab by its power switch, on real hosts over SSH."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cloudwright.errors import CloudError, HostError, Missing
from cloudwright.execute.drill.disk import fill, free
from cloudwright.execute.host.fleet import Fleet, open_fleet
from cloudwright.model.cloud import Cloud
from cloudwright.operations.drill.injury import (
    Cut,
    FillDisk,
    FreezeContainer,
    Injury,
    KillContainer,
    LoseHosts,
)

BOOT_SECONDS = 600.0
POLL_SECONDS = 2.0
ALL_INSIDE = "pkill -{} --ns {} --nslist pid ."
"""A signal to every process in the PID namespace of one (pkill(1))."""


class Injector(Protocol):
    """Whoever can take power and lines away, and give them back."""

    async def lose(self, hosts: Sequence[str]) -> None:
        """Cut the power of `hosts` at once: nothing in them gets to say goodbye."""
        ...

    async def restore(self, hosts: Sequence[str]) -> None:
        """Give it back, and return when all answer over SSH."""
        ...

    async def cut(self, sites: Sequence[str]) -> None:
        """Cut the lines between each two of `sites`."""
        ...

    async def join(self, sites: Sequence[str]) -> None:
        """Mend them."""
        ...

    async def has_own_disk(self, host: str) -> bool:
        """Whether the disk of `host` is its alone, so that nobody else runs out of space."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class OverSsh:
    """Real hosts: they are reset by their own kernel, and come back by themselves.

    So a loss lasts as long as a boot does, not as long as one says.
    """

    fleet: Fleet
    cloud: Cloud
    lab: Path

    async def lose(self, hosts: Sequence[str]) -> None:
        """Reset at once, without a sync: what was not on the disk is gone."""
        # The answer would never come: the shell leaves a child behind, and that resets.
        reset = "echo 1 >/proc/sys/kernel/sysrq; (sleep 0.2; echo b >/proc/sysrq-trigger) &"
        await asyncio.gather(*(self.fleet.host(host).run(reset, timeout=10) for host in hosts))

    async def restore(self, hosts: Sequence[str]) -> None:
        """Wait until all answer again; Missing with the last error when they do not."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BOOT_SECONDS
        while True:
            try:
                async with open_fleet(self.cloud, self.lab):
                    return
            except CloudError as err:
                if loop.time() > deadline:
                    raise Missing(f"{', '.join(hosts)} did not come back", why=str(err)) from err
            await asyncio.sleep(POLL_SECONDS)

    async def cut(self, sites: Sequence[str]) -> None:
        """Not from here."""
        raise HostError(
            "a line between real sites cannot be cut over SSH",
            where=", ".join(sites),
            hint="cut it at your switches, or rehearse it in a lab (`cloudwright lab up`)",
        )

    async def join(self, sites: Sequence[str]) -> None:
        """Nothing was cut."""

    async def has_own_disk(self, host: str) -> bool:
        """Not one that is itself a container, as a lab's that was made from another directory."""
        root = await self.fleet.host(host).run("stat -f -c %T /")
        return root.stdout.strip() != "overlayfs"


async def injure(fleet: Fleet, injector: Injector, injury: Injury) -> None:
    """Make the failure, and return when it is there."""
    match injury:
        case LoseHosts(hosts=hosts):
            await injector.lose(hosts)
        case Cut(sites=sites):
            await injector.cut(sites)
        case KillContainer(container=container, host=host):
            await _signal(fleet, host, container, "kill -KILL {}")
        case FreezeContainer(container=container, host=host):
            await _signal(fleet, host, container, ALL_INSIDE.format("STOP", "{}"))
        case FillDisk(host=host):
            if not await injector.has_own_disk(host):
                raise HostError(
                    "the disk of this host is also its machine's, and is not filled",
                    where=host,
                    hint="hosts of a lab that `cloudwright lab up --disk` makes have their own",
                )
            await fill(fleet, host)


async def mend(fleet: Fleet, injector: Injector, injury: Injury) -> None:
    """Undo it; whatever died is left to come back by itself."""
    match injury:
        case LoseHosts(hosts=hosts):
            await injector.restore(hosts)
        case Cut(sites=sites):
            await injector.join(sites)
        case KillContainer():
            pass
        case FreezeContainer(container=container, host=host):
            await _signal(fleet, host, container, ALL_INSIDE.format("CONT", "{}"))
        case FillDisk(host=host):
            await free(fleet.host(host))


async def _signal(fleet: Fleet, host: str, container: str, command: str) -> None:
    """To its first process, not by the engine, which takes a signal for a wish to have it stopped
    and knows a frozen container as a paused one."""
    kind = (await fleet.engine(host).version()).kind
    script = f"first=$({kind} inspect --format '{{{{.State.Pid}}}}' {container}) && "
    await fleet.host(host).run(script + command.format('"$first"'))
