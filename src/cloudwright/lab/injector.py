"""The lab's power switches and cable cutter in the hands of a drill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudwright.errors import CloudError
from cloudwright.lab import containers, disks, verbs
from cloudwright.lab.spec import LabSpec, spec_of
from cloudwright.model.cloud import Cloud
from cloudwright.transport.host import Host
from cloudwright.transport.local import LocalHost


@dataclass(frozen=True, kw_only=True, slots=True)
class LabInjector:
    """`machine` is the one that the lab of `spec` runs on."""

    machine: Host
    spec: LabSpec

    async def lose(self, hosts: Sequence[str]) -> None:
        """Cut the power."""
        await verbs.kill(self.machine, self.spec, hosts)

    async def restore(self, hosts: Sequence[str]) -> None:
        """Boot."""
        await verbs.boot(self.machine, self.spec, hosts)

    async def cut(self, sites: Sequence[str]) -> None:
        """Cut the cables between the sites."""
        await verbs.cut(self.machine, self.spec, sites)

    async def join(self, sites: Sequence[str]) -> None:
        """Plug them in again."""
        await verbs.join(self.machine, self.spec, sites)

    async def has_own_disk(self, host: str) -> bool:
        """Only where it was asked for: else it is a directory of this machine's."""
        return await disks.is_own(self.machine, self.spec.host(host))


async def has_lab(cloud: Cloud, file: Path) -> bool:
    """Whether the hosts of the cloud that `file` describes are a lab's on this machine."""
    spec = spec_of(cloud, file)
    if not spec.directory.is_dir():
        return False
    machine = LocalHost()
    try:
        there = await containers.found(machine, spec.id)
    except CloudError:  # no engine here: then there is no lab either
        return False
    finally:
        await machine.close()
    return all(host.name in there for host in spec.hosts)
