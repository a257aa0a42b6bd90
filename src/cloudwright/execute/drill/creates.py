"""The load that creates servers through the public API, as users do, and deletes them again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from cloudwright.execute.drill.apis import PREFIX, Caller, make_network, without
from cloudwright.execute.drill.load import RETRY_SECONDS, NoAnswerError
from cloudwright.operations.drill.verdict import CREATES

CLIENTS = 2
"""At most so many servers of a drill are alive at a time, but for those that a dead host has."""

EVERY_SECONDS = 12.0
"""A server is a dozen requests between five services, and a process: the dearest of all. More of
them slow a small machine down until what is measured is the drill."""

ACCEPT_SECONDS = 10.0
"""A request to create one that is not answered after that has failed: Nova asks three other
services before it accepts."""

ACTIVE_SECONDS = 20.0
"""A try whose server is not ACTIVE after that has failed, and its server is deleted: it was sent
to a host that has just died, whose work waits for its return."""

FIRST_SECONDS = 120.0
"""So long may those before the drill take: their hosts may never have seen the image."""

POLL_SECONDS = 0.8

LOOKS = 3
"""How often a server is looked for whose request had no answer."""

LOOK_SECONDS = 10.0
GONE_SECONDS = 180.0
IMAGE_BYTES = 1024**2
MEMORY_MIB = 64
CIDR = "192.0.2.0/24"
"""Kept for documentation (RFC 5737), so nobody's; nothing is ever routed to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What each server is made of, by id."""

    image: str
    flavor: str
    network: str


@dataclass(kw_only=True, slots=True)
class Creates:
    """Servers, each deleted as soon as it is ACTIVE, or has failed to become it.

    The scheduler chooses the host, as it does for users. A request is answered when its server
    is ACTIVE, that is when QEMU runs and its port is wired; what the guest does is not measured,
    so its disk is empty. Each try counts as acknowledged once the API answers 202: `acknowledged`,
    and `removed` (its delete was acknowledged), hold the numbers that `numbered` gives. About
    those in `unsure`, whose delete had no answer, nothing is known.
    """

    caller: Caller
    parts: Parts
    name: str = CREATES
    every: float = EVERY_SECONDS
    patience: float = ACTIVE_SECONDS
    look_every: float = LOOK_SECONDS
    zone: str = ""
    acknowledged: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)

    def clients(self) -> tuple[Creates, ...]:
        """All that create at a time; they share what is known of the servers."""
        return (self, *(self._another() for _ in range(CLIENTS - 1)))

    def _another(self) -> Creates:
        return replace(self, _leaving=set())

    async def attempt(self, number: int, *, again: bool) -> None:
        """Create a server and wait until it is ACTIVE; its delete goes on behind."""
        own = numbered(number, again=again)
        try:
            id = await self._create(own)
        except NoAnswerError as err:
            if not 400 <= err.status < 500:  # else nothing was made
                self._behind(self._remove_unanswered(own))
            raise
        try:
            await self._until_active(id)
        finally:
            self._behind(self._remove(own, id))

    def _behind(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Wait for the deletes under way to be answered."""
        await asyncio.gather(*self._leaving)

    async def found(self) -> frozenset[int]:
        """The numbers of the drill's servers that Nova knows; those that it has acknowledged to
        delete get a time to go."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GONE_SECONDS
        while True:
            servers = await _ours(self.caller)
            there = frozenset(int(s["name"].removeprefix(f"{PREFIX}-")) for s in servers)
            if not there & self.removed or loop.time() > deadline:
                return there
            await asyncio.sleep(POLL_SECONDS)

    async def _create(self, own: int) -> str:
        server = {
            "name": f"{PREFIX}-{own}",
            "imageRef": self.parts.image,
            "flavorRef": self.parts.flavor,
            "networks": [{"uuid": self.parts.network}],
            **({"availability_zone": self.zone} if self.zone else {}),
        }
        url, body = _compute(self.caller, "servers"), {"server": server}
        answer = await self.caller.call("POST", url, body, seconds=ACCEPT_SECONDS)
        self.acknowledged.add(own)
        return str(answer.json()["server"]["id"])

    async def _until_active(self, id: str) -> None:
        server: dict[str, Any] = {}
        try:
            async with asyncio.timeout(self.patience):
                while (server := await self._server(id) or server).get("status") != "ACTIVE":
                    if server.get("status") == "ERROR":
                        why = server.get("fault", {}).get("message", "no reason")
                        raise NoAnswerError(f"ERROR: {why} ({_where(server)})")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            why = f"not ACTIVE after {self.patience:g} s ({_where(server)})"
            raise NoAnswerError(why) from None

    async def _server(self, id: str) -> dict[str, Any]:
        """As Nova shows it to an admin; {} where a look has no answer, which is not the create's
        failure: the next one tells."""
        try:
            answer = await self.caller.call("GET", _compute(self.caller, f"servers/{id}"))
        except NoAnswerError:
            return {}
        return dict(answer.json()["server"])

    async def _remove_unanswered(self, own: int) -> None:
        """Nova may have made it all the same, or be about to: it would be one more each time."""
        for _ in range(LOOKS):
            await asyncio.sleep(self.look_every)
            with suppress(NoAnswerError):
                for server in await _ours(self.caller):
                    if server["name"] == f"{PREFIX}-{own}":
                        await _delete(
                            self.caller, _compute(self.caller, f"servers/{server['id']}")
                        )
                        return

    async def _remove(self, own: int, id: str) -> None:
        """Delete it, with one retry. One that is not there is lost, unless we had asked before."""
        for again in (False, True):
            self.unsure.add(own)
            try:
                await self.caller.call("DELETE", _compute(self.caller, f"servers/{id}"))
            except NoAnswerError as err:
                if err.status != HTTPStatus.NOT_FOUND:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if not again:
                    self.unsure.discard(own)
                    return
            self.unsure.discard(own)
            self.removed.add(own)
            return


def _where(server: Mapping[str, Any]) -> str:
    """With what Nova was busy, and on which host (Compute API, "Show Server Details")."""
    host = server.get("OS-EXT-SRV-ATTR:host")
    doing = server.get("OS-EXT-STS:task_state") or "nothing under way"
    return f"{doing}, {f'on {host}' if host else 'no host yet'}"


def numbered(number: int, *, again: bool) -> int:
    """Every try has a server of its own, and so a number: odd for a request's second try."""
    return 2 * number + again


async def make_creates(caller: Caller) -> Creates:
    """Image, flavor and network, and a server in each availability zone, deleted again: that
    servers can be created is known before anything is broken, and the image is where it is used.

    Raises NoAnswerError when one does not become ACTIVE.
    """
    parts = Parts(
        image=await _make_image(caller),
        flavor=await _make_flavor(caller),
        network=await _make_own_network(caller),
    )
    creates = Creates(caller=caller, parts=parts)
    for number, zone in enumerate(await _zones(caller)):
        first = replace(creates, patience=FIRST_SECONDS, zone=zone)
        await first.attempt(-number, again=False)
        await first.close()
    return creates


async def _zones(caller: Caller) -> list[str]:
    """Those with a host that may run servers."""
    answer = await caller.call("GET", _compute(caller, "os-availability-zone"))
    zones = answer.json()["availabilityZoneInfo"]
    return [zone["zoneName"] for zone in zones if zone["zoneState"]["available"]]


async def remove_creates(caller: Caller) -> None:
    """Remove every drill's servers, flavors and images, those of one that was killed too; the
    network goes with the drill's others. Again changes nothing, nor where there is no such
    service."""
    if without(caller):
        return
    for server in await _ours(caller):
        await _delete(caller, _compute(caller, f"servers/{server['id']}"))
    await _until_gone(caller)
    flavors = await caller.call("GET", _compute(caller, "flavors"), seconds=60)
    for flavor in _called(flavors.json()["flavors"]):
        await _delete(caller, _compute(caller, f"flavors/{flavor['id']}"))
    images = await caller.call("GET", _images(caller, f"?name={PREFIX}"), seconds=60)
    for image in _called(images.json()["images"]):
        await _delete(caller, _images(caller, f"/{image['id']}"))


async def _make_image(caller: Caller) -> str:
    body = {"name": PREFIX, "disk_format": "raw", "container_format": "bare"}
    image = str((await caller.call("POST", _images(caller, ""), body)).json()["id"])
    await caller.call("PUT", _images(caller, f"/{image}/file"), bytes(IMAGE_BYTES), seconds=60)
    return image


async def _make_flavor(caller: Caller) -> str:
    # A disk of 0 is one as large as the image.
    flavor = {"name": PREFIX, "ram": MEMORY_MIB, "vcpus": 1, "disk": 0}
    answer = await caller.call("POST", _compute(caller, "flavors"), {"flavor": flavor})
    return str(answer.json()["flavor"]["id"])


async def _make_own_network(caller: Caller) -> str:
    """One of its own: the ports of servers are none of those that the drill counts."""
    network = await make_network(caller)
    # Nova refuses a network without one.
    subnet = {"network_id": network, "ip_version": 4, "cidr": CIDR, "enable_dhcp": False}
    url = f"{caller.endpoints['network']}/v2.0/subnets"
    await caller.call("POST", url, {"subnet": subnet}, seconds=60)
    return network


async def _until_gone(caller: Caller) -> None:
    try:
        async with asyncio.timeout(GONE_SECONDS):
            while await _ours(caller):
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise NoAnswerError(f"servers are not gone {GONE_SECONDS:g} s after the delete") from None


async def _ours(caller: Caller) -> list[Any]:
    url = _compute(caller, f"servers?name=^{PREFIX}-")
    return _called((await caller.call("GET", url, seconds=60)).json()["servers"])


def _called(things: Iterable[Any]) -> list[Any]:
    return [thing for thing in things if thing["name"].startswith(PREFIX)]


async def _delete(caller: Caller, url: str) -> None:
    try:
        await caller.call("DELETE", url, seconds=60)
    except NoAnswerError as err:
        if err.status != HTTPStatus.NOT_FOUND:
            raise


def _compute(caller: Caller, path: str) -> str:
    return f"{caller.endpoints['compute']}/{path}"


def _images(caller: Caller, path: str) -> str:
    return f"{caller.endpoints['image']}/v2/images{path}"
