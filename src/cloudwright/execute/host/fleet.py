"""Every host of a cloud, reached at once: one connection and one engine each, for a whole run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloudwright.engine.api import Engine
from cloudwright.engine.http import connect_engine
from cloudwright.errors import CloudError, HostError, Missing, Unreachable
from cloudwright.model.cloud import Cloud
from cloudwright.model.cloud import Host as CloudHost
from cloudwright.transport.host import Host
from cloudwright.transport.ssh import SshAddress, connect_ssh


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One host: the way to it, and its container engine."""

    host: Host
    engine: Engine


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """The hosts of a cloud by name; `lost` are those that cannot be used, and why: no way in, or
    no engine there."""

    members: Mapping[str, Member]
    lost: Mapping[str, CloudError] = field(default_factory=dict)

    def host(self, name: str) -> Host:
        """The way to the host called `name`; the error of one that is lost."""
        return self._member(name).host

    def engine(self, name: str) -> Engine:
        """The container engine of the host called `name`; the error of one that is lost."""
        return self._member(name).engine

    def first(self, hosts: Sequence[CloudHost]) -> CloudHost:
        """The first of `hosts` that can be used; the very first, so that the error is its own,
        when none can."""
        return next((host for host in hosts if host.name in self.members), hosts[0])

    def let_us_in(self, name: str) -> bool:
        """Whether there was a way into the host called `name`: it lives, even where it is lost
        for want of an engine, and so may all that it ran."""
        why = self.lost.get(name)
        return name in self.members or not (why is None or isinstance(why, Unreachable))

    def _member(self, name: str) -> Member:
        if name in self.lost:
            raise self.lost[name]
        return self.members[name]


def ssh_address(host: CloudHost, lab: Path) -> SshAddress:
    """Where to log in; `lab` is the directory of the lab's keys, used when they are there."""
    key = Path(host.ssh.key) if host.ssh.key else lab / "id_ed25519"
    trusted = Path(host.ssh.known_hosts) if host.ssh.known_hosts else lab / "known_hosts"
    return SshAddress(
        host=host.address,
        port=host.ssh.port,
        user=host.ssh.user,
        key_file=key if host.ssh.key or key.exists() else None,
        known_hosts=trusted if host.ssh.known_hosts or trusted.exists() else None,
    )


FindEngine = Callable[[Host], Awaitable[Engine]]
"""The container engine of a host; Missing when none answers."""


@asynccontextmanager
async def open_fleet(
    cloud: Cloud,
    lab: Path,
    *,
    whole: bool = True,
    unfit: bool = False,
    find_engine: FindEngine = connect_engine,
) -> AsyncIterator[Fleet]:
    """Connect to every host side by side.

    Raises the one error when one host cannot be used, else Unreachable with the error of each.
    Without `whole` these are lost, and it raises only when all are; with `unfit` all may be.
    """
    results = await asyncio.gather(
        *(_connect(host, cloud, lab, find_engine) for host in cloud.hosts), return_exceptions=True
    )
    members = {m.host.name: m for m in results if isinstance(m, Member)}
    lost = {
        host.name: error
        for host, error in zip(cloud.hosts, results, strict=True)
        if isinstance(error, HostError) and (unfit or (members and not whole))
    }
    errors = [r for r in results if isinstance(r, BaseException)]
    try:
        raise_errors([error for error in errors if error not in lost.values()])
        yield Fleet(members=members, lost=lost)
    finally:
        await asyncio.gather(*(_close(member) for member in members.values()))


async def _connect(host: CloudHost, cloud: Cloud, lab: Path, find_engine: FindEngine) -> Member:
    reached = await connect_ssh(host.name, ssh_address(host, lab))
    try:
        engine = await find_engine(reached)
        kind = (await engine.version()).kind
        if cloud.engine and kind != cloud.engine:
            await engine.close()
            raise Missing(
                f"{cloud.engine} does not answer, {kind} does",
                where=host.name,
                hint="correct `engine` in cloud.yaml, or leave it out",
            )
        return Member(host=reached, engine=engine)
    except BaseException:
        await reached.close()
        raise


async def _close(member: Member) -> None:
    await member.engine.close()
    await member.host.close()


def raise_errors(errors: Sequence[BaseException]) -> None:
    """Raise the one error that there is, or Unreachable with all; a bug of ours before either."""
    for error in errors:
        if not isinstance(error, CloudError):
            raise error
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Unreachable(
            f"{len(errors)} hosts cannot be used",
            why="\n".join(str(e) for e in errors),
            hint="nothing was touched; `cloudwright check --hosts` looks at each",
        )
