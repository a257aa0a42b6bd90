"""The ways into a running cloud: database, queue and Keystone, over the first controller."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cloudwright.declare.at import AUTHORITY
from cloudwright.declare.oslo import KEYSTONE_PORT, QUEUE_PORT
from cloudwright.execute.central.database import MEMBER_PORT, ROOT_SECRET, DatabaseServer
from cloudwright.execute.central.held import compute_url
from cloudwright.execute.central.keystone import ADMIN_SECRET, Keystone
from cloudwright.execute.central.queue import QueueServer
from cloudwright.execute.central.reader import Reader
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.cloud import Cloud, Host
from cloudwright.model.secrets import Secret
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.steps import MakeZone
from cloudwright.transport.scratch import Scratch


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """Database server, message queue, Keystone, and the value of every placeholder."""

    database: DatabaseServer
    queue: QueueServer
    keystone: Keystone
    values: Mapping[str, str]


@asynccontextmanager
async def open_links(
    fleet: Fleet, cloud: Cloud, blueprint: Blueprint, vault: Vault
) -> AsyncIterator[Links]:
    """Make what secrets are missing and prepare the sockets; nothing is connected before use."""
    root, admin = Secret(name=ROOT_SECRET), Secret(name=ADMIN_SECRET)
    wanted = {*blueprint.secrets.values(), root, admin, AUTHORITY}
    values = await asyncio.to_thread(vault.values, wanted)
    url = f"https://{cloud.api.internal}:{KEYSTONE_PORT}"
    members, queues, apis = await asyncio.gather(
        _to_each(fleet, cloud, MEMBER_PORT),
        _to_each(fleet, cloud, QUEUE_PORT),
        _to_apis(fleet, cloud, blueprint),
    )

    def route(_host: str, port: int) -> Path:
        return apis[port]

    async with contextlib.AsyncExitStack() as stack:
        ca = stack.enter_context(Scratch()).path / "ca.pem"
        ca.write_text(values[AUTHORITY.part("certificate")])
        tls = ssl.create_default_context(cadata=values[AUTHORITY.part("certificate")])
        password = values[str(admin)]
        reader = await stack.enter_async_context(Reader(url, password, tls, route))
        yield Links(
            database=DatabaseServer(sockets=members, password=values[str(root)], tls=tls),
            queue=QueueServer(sockets=queues, tls=tls),
            keystone=Keystone(url, password, ca, route, reader),
            values=values,
        )


async def _to_each(fleet: Fleet, cloud: Cloud, port: int) -> Mapping[str, Path]:
    """Address → socket that leads to its `port`, for each controller that was reached."""
    hosts = _controllers(fleet, cloud)
    sockets = await asyncio.gather(
        *(fleet.host(h.name).tcp_socket(h.address, port) for h in hosts)
    )
    return dict(zip((h.address for h in hosts), sockets, strict=True))


async def _to_apis(fleet: Fleet, cloud: Cloud, blueprint: Blueprint) -> Mapping[int, Path]:
    """Port → socket, over the first controller: Keystone's, Nova's, those that steps call."""
    actions = (step.action for step in blueprint.steps.values())
    urls = {a.url for a in actions if isinstance(a, MakeZone)} | {compute_url(blueprint)}
    called = {urlsplit(url).port for url in urls}
    ports = [KEYSTONE_PORT, *sorted(filter(None, called))]
    host = fleet.host(fleet.first(cloud.hosts_with("control")).name)
    sockets = await asyncio.gather(*(host.tcp_socket(cloud.api.internal, p) for p in ports))
    return dict(zip(ports, sockets, strict=True))


def _controllers(fleet: Fleet, cloud: Cloud) -> tuple[Host, ...]:
    """Those that were reached; all of them, so that the error is theirs, when none was."""
    every = cloud.hosts_with("control")
    return tuple(h for h in every if h.name in fleet.members) or every
