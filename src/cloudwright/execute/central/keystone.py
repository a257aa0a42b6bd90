"""Keystone's users, services and endpoints, seen, and made with openstacksdk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudwright.errors import HostError
from cloudwright.execute.central.reader import Reader
from cloudwright.plan.steps import Endpoint, MakeIdentity

ADMIN_SECRET = "admin/identity"
ROLES = ("admin", "service")
"""What a service's user is given in project `service`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """What Keystone holds: (type, interface) → URL, user → roles in project `service`."""

    endpoints: Mapping[tuple[str, str], str] = field(default_factory=dict)
    users: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Keystone:
    """The identity API, as the admin, through sockets that `route` gives for (host, port)."""

    def __init__(
        self, url: str, password: str, ca: Path, route: Callable[[str, int], Path], reader: Reader
    ) -> None:
        self._url = url
        self._password = password
        self._ca = ca
        self._route = route
        self._reader = reader
        self._connection: Any = None
        self._login: Any = None
        self._lock = asyncio.Lock()

    async def catalog(self) -> Catalog:
        """Everything in three calls; HostError when Keystone does not let the admin in."""
        services, endpoints, given = await asyncio.gather(
            self.listed(f"{self._url}/v3/services", "services"),
            self.listed(f"{self._url}/v3/endpoints", "endpoints"),
            self.listed(f"{self._url}/v3/role_assignments?include_names=True", "role_assignments"),
        )
        types = {s["id"]: s["type"] for s in services}
        users: dict[str, set[str]] = {}
        for one in given:
            scope = one.get("scope") or {}
            if scope.get("project", {}).get("name") == "service" and one.get("user"):
                users.setdefault(one["user"]["name"], set()).add(one["role"]["name"])
        return Catalog(
            endpoints={
                (types.get(e["service_id"], ""), e["interface"]): e["url"] for e in endpoints
            },
            users={user: frozenset(roles) for user, roles in users.items()},
        )

    async def listed(
        self, url: str, key: str, headers: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """The list `key` that the API gives at `url`, all at once; HostError when it refuses."""
        return await self._reader.listed(url, key, headers)

    async def make(self, action: MakeIdentity, password: str) -> None:
        """The user, its roles, the services and endpoints; again changes nothing."""
        await self._call(lambda: self._make(action, password))

    async def as_admin(self, work: Callable[[Any], Any]) -> Any:
        """What `work` makes of a keystoneauth session that lets the admin in; HostError when an
        API refuses."""
        return await self._call(lambda: work(self._admin()))

    async def accepts(self, user: str, password: str) -> bool:
        """Whether this service user gets a token with this password."""
        return await asyncio.to_thread(self._accepts, user, password)

    async def _call(self, work: Callable[[], Any]) -> Any:
        async with self._lock:  # one requests session: one caller at a time
            return await asyncio.to_thread(self._refusing, work)

    def _refusing(self, work: Callable[[], Any]) -> Any:
        from keystoneauth1 import exceptions as refused

        try:
            return work()
        except refused.ClientException as err:
            raise HostError("Keystone refused", where=self._url, why=str(err)) from err

    def _session(self, user: str, password: str, project: str) -> Any:
        import requests
        from keystoneauth1.identity.v3 import Password
        from keystoneauth1.session import Session

        from cloudwright.transport.adapter import ForwardedAdapter

        http = requests.Session()
        http.trust_env = False
        http.mount("https://", ForwardedAdapter(self._route))
        auth = Password(
            auth_url=f"{self._url}/v3",
            username=user,
            password=password,
            project_name=project,
            user_domain_name="Default",
            project_domain_name="Default",
            reauthenticate=True,
        )
        return Session(auth=auth, session=http, verify=str(self._ca), timeout=60)

    def _sdk(self) -> Any:
        if self._connection is None:
            from openstack.connection import Connection

            self._connection = Connection(session=self._admin(), identity_interface="internal")
        return self._connection.identity

    def _admin(self) -> Any:
        if self._login is None:
            self._login = self._session("admin", self._password, "admin")
        return self._login

    def _accepts(self, user: str, password: str) -> bool:
        from keystoneauth1 import exceptions as refused

        try:
            return bool(self._session(user, password, "service").get_token())
        except refused.ClientException:
            return False

    def _make(self, action: MakeIdentity, password: str) -> None:
        from openstack.exceptions import SDKException

        identity = self._sdk()
        try:
            if action.user:
                self._make_user(identity, action.user, password)
            for endpoint in action.endpoints:
                self._make_endpoint(identity, endpoint, action.region)
        except SDKException as err:
            raise HostError("Keystone refused", where=self._url, why=str(err)) from err

    def _make_user(self, identity: Any, name: str, password: str) -> None:
        project = identity.find_project("service") or identity.create_project(
            name="service", domain_id="default", description="the services' own users"
        )
        user = identity.find_user(name)
        if user is None:
            user = identity.create_user(
                name=name, password=password, domain_id="default", default_project_id=project.id
            )
        elif not self._accepts(name, password):
            identity.update_user(user, password=password)
        for role_name in ROLES:
            role = identity.find_role(role_name) or identity.create_role(name=role_name)
            identity.assign_project_role_to_user(project, user, role)

    def _make_endpoint(self, identity: Any, endpoint: Endpoint, region: str) -> None:
        service = next(iter(identity.services(type=endpoint.type)), None)
        if service is None:
            service = identity.create_service(
                name=endpoint.service, type=endpoint.type, description=endpoint.description
            )
        found = {e.interface: e for e in identity.endpoints(service_id=service.id)}
        for interface, url in (("internal", endpoint.internal), ("public", endpoint.public)):
            if interface not in found:
                identity.create_endpoint(
                    service_id=service.id, interface=interface, url=url, region_id=region
                )
            elif found[interface].url != url:
                identity.update_endpoint(found[interface], url=url)
