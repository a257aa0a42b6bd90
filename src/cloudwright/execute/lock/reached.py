"""The ledger alone: the hosts that keep the lock, whether or not the others can be reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cloudwright.errors import HostError
from cloudwright.execute.host.fleet import ssh_address
from cloudwright.execute.lock.ledger import Ledger, ledger_of, voters
from cloudwright.model.cloud import Cloud
from cloudwright.model.load import LAB_DIRECTORY
from cloudwright.transport.host import Host
from cloudwright.transport.ssh import connect_ssh


@asynccontextmanager
async def open_ledger(cloud: Cloud, path: Path) -> AsyncIterator[Ledger]:
    """Connect to the hosts that vote; those that cannot be reached are `absent` in the ledger.

    `path` is that of cloud.yaml: a lab's keys lie beside it.
    """
    lab = path.resolve().parent / LAB_DIRECTORY
    reached = await asyncio.gather(*(_reach(cloud, name, lab) for name in voters(cloud)))
    hosts = {name: host for name, host, _ in reached if host is not None}
    lost = {name: why for name, host, why in reached if host is None}
    try:
        yield ledger_of(cloud, hosts, lost)
    finally:
        await asyncio.gather(*(host.close() for host in hosts.values()))


async def _reach(cloud: Cloud, name: str, lab: Path) -> tuple[str, Host | None, str]:
    try:
        return name, await connect_ssh(name, ssh_address(cloud.host(name), lab)), ""
    except HostError as error:
        return name, None, f"{error.what}: {error.why}" if error.why else error.what
