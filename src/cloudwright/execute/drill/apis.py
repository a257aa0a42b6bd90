"""The load that goes through the public API, each request on a connection of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from cloudwright.errors import HostError
from cloudwright.execute.central.reader import login
from cloudwright.execute.drill.load import CONNECT_SECONDS, TRY_SECONDS, NoAnswerError
from cloudwright.operations.drill.verdict import CREATES, IMAGES, PORTS, SERVERS, TOKEN, UPLOADS
from cloudwright.transport.lean_http import httpx

CLIENTS = 6
"""Of each kind: one whose request was under way when its answerer died waits for its own limit of
time, and the others tell meanwhile when there is an answer again."""
EVERY_SECONDS = 4.0
TOKEN_SECONDS = 8.0
"""The hash of a password takes a quarter of a second of a core, on purpose."""

PORT_SECONDS = 1.0
"""A port is several rows and a change in OVN: on small machines the dearest request here."""

PORTS_KEPT = 10
"""So many of ours exist at a time: each further request removes the oldest."""

PREFIX = "cloudwright-drill"

LISTS = (("compute", "/servers", SERVERS), ("image", "/v2/images", IMAGES))
"""(type of service, path, stream) of each list that is asked for."""


@dataclass(kw_only=True, slots=True)
class Caller:
    """The admin at the public API: `endpoints` maps a service's type to its public URL."""

    auth_url: str
    password: str
    tls: ssl.SSLContext
    token: str = ""
    endpoints: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Caller({self.auth_url})"

    async def call(
        self, method: str, url: str, body: object = None, *, seconds: float = TRY_SECONDS
    ) -> httpx.Response:
        """One request on a new connection; NoAnswerError unless the status is below 400.

        A body of bytes is sent as it is, any other as JSON.
        """
        headers = {"X-Auth-Token": self.token} if self.token else {}
        sent: dict[str, Any] = {"json": body}
        if isinstance(body, bytes):
            sent = {"content": body}
            headers["Content-Type"] = "application/octet-stream"
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        try:
            async with (
                asyncio.timeout(seconds + CONNECT_SECONDS),
                httpx.AsyncClient(verify=self.tls, trust_env=False, timeout=timeout) as client,
            ):
                answer = await client.request(method, url, headers=headers, **sent)
        except (httpx.HTTPError, OSError, TimeoutError) as err:
            raise NoAnswerError(str(err) or type(err).__name__) from err
        if answer.status_code >= 400:
            raise NoAnswerError(f"answers {answer.status_code}", status=answer.status_code)
        return answer

    async def authenticate(self) -> httpx.Response:
        """A new token, whose answer also holds the catalog."""
        body = login("admin", self.password, "admin")
        return await self.call("POST", f"{self.auth_url}/auth/tokens", body)

    async def log_in(self) -> None:
        """Take a token to work with; HostError when Keystone gives none."""
        try:
            answer = await self.authenticate()
        except NoAnswerError as err:
            raise HostError(
                "this machine gets no token from the public API",
                where=self.auth_url,
                why=str(err),
                hint="a drill needs a cloud that is well and an address that is reached from here",
            ) from err
        self.token = answer.headers["X-Subject-Token"]
        self.endpoints = _public(answer.json()["token"]["catalog"])


def _public(catalog: list[Mapping[str, Any]]) -> dict[str, str]:
    return {
        service["type"]: endpoint["url"].rstrip("/")
        for service in catalog
        for endpoint in service["endpoints"]
        if endpoint["interface"] == "public"
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """A new token each time."""

    caller: Caller
    name: str = TOKEN
    every: float = TOKEN_SECONDS

    async def attempt(self, number: int, *, again: bool) -> None:
        """Log in with the password."""
        await self.caller.authenticate()

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A list that an API gives."""

    caller: Caller
    service: str
    path: str
    name: str
    every: float = EVERY_SECONDS

    async def attempt(self, number: int, *, again: bool) -> None:
        """Ask for the list."""
        await self.caller.call("GET", self.caller.endpoints[self.service] + self.path)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(kw_only=True, slots=True)
class Ports:
    """Ports are made, and the oldest of ours removed, in turn; it knows which must be there.

    `made` and `removed` hold the numbers of those whose making, or removal, was acknowledged.
    """

    caller: Caller
    network: str
    name: str = PORTS
    every: float = PORT_SECONDS
    made: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    _ids: dict[int, str] = field(default_factory=dict)

    async def attempt(self, number: int, *, again: bool) -> None:
        """Make a port, or remove one when there are enough."""
        old = min(self._ids, default=None)
        if old is not None and len(self._ids) >= PORTS_KEPT:
            await self._remove(old)
        else:
            await self._make(number, again=again)

    async def _make(self, number: int, *, again: bool) -> None:
        body = {"port": {"network_id": self.network, "name": f"{PREFIX}-{number}"}}
        answer = await self.caller.call("POST", self._url("ports"), body)
        self.made.add(number)
        if not again:  # else the first try may have made one of this name, too: it is kept
            self._ids[number] = answer.json()["port"]["id"]

    async def _remove(self, number: int) -> None:
        self.unsure.add(number)
        try:
            await self.caller.call("DELETE", self._url(f"ports/{self._ids[number]}"))
        except NoAnswerError as err:
            if err.status != HTTPStatus.NOT_FOUND:  # the first try did it, and its answer was lost
                raise
        self.unsure.discard(number)
        self.removed.add(number)
        del self._ids[number]

    async def close(self) -> None:
        """Nothing is open."""

    async def found(self) -> frozenset[int]:
        """The numbers of our ports that the API lists."""
        url = f"{self._url('ports')}?network_id={self.network}"
        ports = (await self.caller.call("GET", url, seconds=60)).json()["ports"]
        names = [p["name"] for p in ports if p["name"].startswith(f"{PREFIX}-")]
        return frozenset(int(name.rpartition("-")[2]) for name in names)

    def _url(self, path: str) -> str:
        return f"{self.caller.endpoints['network']}/v2.0/{path}"


async def make_network(caller: Caller) -> str:
    """A network for the drill's ports; returns its id."""
    url = f"{caller.endpoints['network']}/v2.0/networks"
    answer = await caller.call("POST", url, {"network": {"name": PREFIX}}, seconds=60)
    return str(answer.json()["network"]["id"])


async def remove_networks(caller: Caller) -> None:
    """Remove every network of a drill with its ports, those of one that was killed too."""
    base = f"{caller.endpoints['network']}/v2.0"
    listed = await caller.call("GET", f"{base}/networks?name={PREFIX}", seconds=60)
    for network in listed.json()["networks"]:
        url = f"{base}/ports?network_id={network['id']}"
        for port in (await caller.call("GET", url, seconds=60)).json()["ports"]:
            await caller.call("DELETE", f"{base}/ports/{port['id']}", seconds=60)
        await caller.call("DELETE", f"{base}/networks/{network['id']}", seconds=60)


def api_streams(caller: Caller, ports: Ports) -> tuple[Tokens | Listing | Ports, ...]:
    """All that goes through the public API but for servers: clients of each kind, one of them to
    make ports."""
    return (
        *(Tokens(caller=caller) for _ in range(CLIENTS)),
        *(
            Listing(caller=caller, service=service, path=path, name=name)
            for service, path, name in LISTS
            if service in caller.endpoints
            for _ in range(CLIENTS)
        ),
        ports,
    )


def without(caller: Caller) -> dict[str, str]:
    """Stream → why it cannot run on a cloud whose catalog lacks what it asks."""
    lacks = {name: service for service, _, name in LISTS if service not in caller.endpoints}
    found = {name: f"the catalog has no service of type {lacks[name]}" for name in lacks}
    if IMAGES in found:
        found[UPLOADS] = found[IMAGES]
    return {**found, **({CREATES: next(iter(found.values()))} if found else {})}
