"""The cloud's APIs as a user sees them: straight, or through the first controller that answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudwright.declare.oslo import KEYSTONE_PORT
from cloudwright.errors import HostError
from cloudwright.execute.central.access import paths_of
from cloudwright.execute.central.keystone import ADMIN_SECRET
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.interrupts import in_thread
from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.cloud import Cloud
from cloudwright.model.secrets import Secret

DIRECT_SECONDS = 2.0
"""An API's address that takes no connection in this time is not reached from this machine."""

CALL_SECONDS = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """An authorized openstacksdk connection as the cloud's admin, and whether it goes straight."""

    sdk: Any
    direct: bool


async def connect_api(fleet: Fleet, cloud: Cloud, vault: Vault, state: Path) -> Api:
    """Log in at the external address; HostError with Keystone's words when that fails."""
    admin = Secret(name=ADMIN_SECRET)
    password = (await asyncio.to_thread(vault.values, {admin}))[str(admin)]
    access = paths_of(state, cloud)
    direct = await answers(cloud.api.external, KEYSTONE_PORT)
    loop = asyncio.get_running_loop()

    def connect() -> Any:
        import requests
        from keystoneauth1.exceptions import ClientException
        from keystoneauth1.identity.v3 import Password
        from keystoneauth1.session import Session
        from openstack.connection import Connection
        from openstack.exceptions import SDKException

        from cloudwright.transport.adapter import ForwardedAdapter, sockets_through

        http = requests.Session()
        http.trust_env = False  # a proxy of this machine's user has no part in this
        if not direct:
            gateway = fleet.first(cloud.hosts_with("control"))
            route = sockets_through(fleet.host(gateway.name), loop)
            http.mount("https://", ForwardedAdapter(route))
        auth = Password(
            auth_url=access.api,
            username="admin",
            password=password,
            project_name="admin",
            user_domain_name="Default",
            project_domain_name="Default",
        )
        session = Session(auth=auth, session=http, verify=str(access.ca), timeout=CALL_SECONDS)
        sdk = Connection(session=session, region_name=cloud.region, interface="public")
        try:
            sdk.authorize()
        except (ClientException, SDKException) as err:
            raise HostError(
                "Keystone does not let us in",
                where=access.api,
                why=str(err),
                hint="`cloudwright status` says whether the cloud is well",
            ) from err
        return sdk

    return Api(sdk=await in_thread(connect), direct=direct)


async def answers(address: str, port: int) -> bool:
    """Whether `address:port` takes a connection from this machine."""
    try:
        async with asyncio.timeout(DIRECT_SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
