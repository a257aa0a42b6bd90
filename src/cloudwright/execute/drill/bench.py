"""What a drill needs from the cloud beforehand, and takes away afterwards."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from cloudwright.declare.at import AUTHORITY
from cloudwright.declare.oslo import DATABASE_PORT, KEYSTONE_PORT, QUEUE_PORT
from cloudwright.errors import CloudError
from cloudwright.execute.central.database import MEMBER_PORT, ROOT_SECRET, DatabaseServer
from cloudwright.execute.central.keystone import ADMIN_SECRET
from cloudwright.execute.drill import messages, rows
from cloudwright.execute.drill.apis import (
    Caller,
    Ports,
    api_streams,
    make_network,
    remove_networks,
    without,
)
from cloudwright.execute.drill.creates import Creates, make_creates, remove_creates
from cloudwright.execute.drill.load import NoAnswerError, Stream
from cloudwright.execute.drill.messages import Broker, Messages
from cloudwright.execute.drill.rows import Door, Rows
from cloudwright.execute.drill.uploads import Uploads, make_uploads, remove_uploads
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.cloud import VOTERS, Cloud
from cloudwright.model.secrets import Secret
from cloudwright.operations.drill.verdict import CREATES, UPLOADS

QUEUE_USER = "openstack"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """Everything that the load uses; `root` is the database's password of root."""

    cloud: Cloud
    caller: Caller
    ports: Ports
    rows: Rows
    messages: Messages
    root: str
    creates: Creates | None
    uploads: Uploads | None
    left_out: Mapping[str, str]
    """Stream → why it does not run."""

    def __repr__(self) -> str:
        return f"Bench({self.cloud.name})"

    def streams(self) -> tuple[Stream, ...]:
        """All that the load consists of."""
        return (
            *api_streams(self.caller, self.ports),
            *(self.creates.clients() if self.creates else ()),
            *(self.uploads.clients() if self.uploads else ()),
            self.rows,
            self.rows.another(),
            self.messages,
            self.messages.another(),
        )

    async def members(self, fleet: Fleet) -> dict[str, DatabaseServer]:
        """A way to each database member alone, by its host; only for hosts that answer."""
        hosts = [h for h in self.cloud.hosts_with("control") if h.name in fleet.members]
        found = {}
        for host in hosts:
            socket = await fleet.host(host.name).tcp_socket(host.address, MEMBER_PORT)
            found[host.name] = DatabaseServer(
                sockets={host.address: socket}, password=self.root, tls=self.rows.door.tls
            )
        return found


async def prepare(fleet: Fleet, cloud: Cloud, vault: Vault, left_out: Mapping[str, str]) -> Bench:
    """Make the drill's own database, virtual host, networks, one image and one server; what an
    earlier drill left goes first, and what this one made goes when it fails. `left_out`: stream →
    why not.

    Raises HostError when the public API gives no token, CloudError when the database or the queue
    is not well, NoAnswerError when a service refuses.
    """
    bench = await _bench(cloud, vault, left_out)
    await clear(fleet, bench)
    try:
        return await _furnish(fleet, bench)
    except (CloudError, NoAnswerError):
        with suppress(CloudError, NoAnswerError):
            await clear(fleet, bench)
        raise


async def _bench(cloud: Cloud, vault: Vault, left_out: Mapping[str, str]) -> Bench:
    root, admin = Secret(name=ROOT_SECRET), Secret(name=ADMIN_SECRET)
    account = Secret(name=f"{QUEUE_USER}/queue")
    values = await asyncio.to_thread(vault.values, {root, admin, account, AUTHORITY})
    tls = ssl.create_default_context(cadata=values[AUTHORITY.part("certificate")])
    caller = Caller(
        auth_url=f"https://{cloud.api.external}:{KEYSTONE_PORT}/v3",
        password=values[str(admin)],
        tls=tls,
    )
    await caller.log_in()
    door = Door(
        address=cloud.api.internal,
        port=DATABASE_PORT,
        password=secrets.token_urlsafe(24),
        tls=tls,
    )
    broker = Broker(
        members=tuple((host.address, QUEUE_PORT) for host in cloud.hosts_with("control")),
        user=QUEUE_USER,
        password=values[str(account)],
        group=len(cloud.hosts_with(VOTERS)),
        tls=tls,
    )
    return Bench(
        cloud=cloud,
        caller=caller,
        ports=Ports(caller=caller, network=""),
        creates=None,
        uploads=None,
        rows=Rows(door=door),
        messages=Messages(broker=broker),
        root=values[str(root)],
        left_out={**without(caller), **left_out},
    )


async def _furnish(fleet: Fleet, bench: Bench) -> Bench:
    """Make all that the load needs; returns the bench that has it."""
    server = await _server(fleet, bench)
    await rows.make_database(server, bench.rows.door.password)
    first = fleet.first(bench.cloud.hosts_with("control"))
    await messages.make_vhost(fleet.engine(first.name), QUEUE_USER)
    bench.ports.network = await make_network(bench.caller)
    if UPLOADS not in bench.left_out:
        bench = replace(bench, uploads=await make_uploads(bench.caller))
    if CREATES not in bench.left_out:
        bench = replace(bench, creates=await make_creates(bench.caller))
    return bench


async def clear(fleet: Fleet, bench: Bench) -> None:
    """Take all of it away; again changes nothing. Raises the first error, after trying all."""
    errors: list[Exception] = []
    engine = fleet.engine(fleet.first(bench.cloud.hosts_with("control")).name)
    # One after another: each is tried, whatever came of the one before.
    for work in (
        remove_creates(bench.caller),
        remove_uploads(bench.caller),
        remove_networks(bench.caller),
        messages.remove_vhost(engine),
        _drop(fleet, bench),
    ):
        try:
            await work
        except (CloudError, NoAnswerError) as err:
            errors.append(err)
    if errors:
        raise errors[0]


async def _server(fleet: Fleet, bench: Bench) -> DatabaseServer:
    members = await bench.members(fleet)
    sockets = {a: socket for member in members.values() for a, socket in member.sockets.items()}
    return DatabaseServer(sockets=sockets, password=bench.root, tls=bench.rows.door.tls)


async def _drop(fleet: Fleet, bench: Bench) -> None:
    await rows.drop_database(await _server(fleet, bench))
