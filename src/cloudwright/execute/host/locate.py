"""Where a container runs: a name, with or without `@host`, as what the engines see."""

from __future__ import annotations

import asyncio
import difflib
from dataclasses import dataclass

from cloudwright.engine.api import ContainerState
from cloudwright.errors import Missing
from cloudwright.execute.host import labels
from cloudwright.execute.host.fleet import Fleet


@dataclass(frozen=True, kw_only=True, slots=True)
class Located:
    """A container of this cloud on one host."""

    host: str
    state: ContainerState

    @property
    def name(self) -> str:
        """`container@host`."""
        return f"{self.state.name}@{self.host}"


async def containers_of(fleet: Fleet, cloud: str) -> tuple[Located, ...]:
    """Every container of the cloud on every host, by one call each; hosts in the fleet's order."""
    hosts = list(fleet.members)
    found = await asyncio.gather(*(fleet.engine(host).containers() for host in hosts))
    return tuple(
        Located(host=host, state=state)
        for host, states in zip(hosts, found, strict=True)
        for state in sorted(states, key=lambda state: state.name)
        if state.labels.get(labels.CLOUD) == cloud
    )


async def locate(fleet: Fleet, cloud: str, name: str) -> tuple[Located, ...]:
    """The containers that `name` (`glance-api`, `glance-api@ctl-1`) means; Missing when none.

    The error of a host that is lost for one there; of a name alone those on other hosts are meant.
    """
    if (host := name.partition("@")[2]) in fleet.lost:
        raise fleet.lost[host]
    everything = await containers_of(fleet, cloud)
    found = tuple(one for one in everything if name in (one.state.name, one.name))
    if found:
        return found
    known = sorted({one.state.name for one in everything} | {one.name for one in everything})
    close = difflib.get_close_matches(name, known, n=1)
    raise Missing(
        f"no host {'that answers ' if fleet.lost else ''}has a container called {name!r}",
        why=f"there are {len(everything)} containers of cloud {cloud}",
        hint=f"did you mean {close[0]}?" if close else "`cloudwright status` names them all",
    )
