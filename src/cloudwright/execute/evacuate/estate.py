"""What lost hosts left behind, and what room the others have, as Nova and Placement hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudwright.execute.evacuate.apis import Apis
from cloudwright.execute.evacuate.computes import Compute
from cloudwright.operations.evacuate import Group, Instance, Room

HARD = ("affinity", "anti-affinity")
"""Policies of server groups that Nova keeps, and not only wishes for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estate:
    """Instances of the lost hosts, and room on each host that is left."""

    instances: tuple[Instance, ...]
    rooms: tuple[Room, ...]


def look(apis: Apis, services: Mapping[str, Compute], lost: Sequence[str]) -> Estate:
    """Ask for everything; `services` are all compute services by host."""
    providers = _providers(apis)
    groups = _groups(apis)
    homes = _homes(apis, groups)
    images: dict[str, tuple[str, str]] = {}
    instances = [
        _instance(apis, server, host, providers.get(host, ""), groups, images)
        for host in lost
        for server in apis.nova_pages("/servers/detail", "servers", all_tenants="1", host=host)
    ]
    zones = _zones(apis)
    rooms = [
        _room(apis, host, zones.get(host, ""), providers[host], homes)
        for host, service in services.items()
        if service.up and service.enabled and host not in lost and host in providers
    ]
    return Estate(instances=tuple(instances), rooms=tuple(rooms))


def _providers(apis: Apis) -> dict[str, str]:
    """Compute host → its resource provider in Placement, which has the hypervisor's id."""
    # From 2.88 on Nova asks every host for its uptime here, and waits for those that are silent.
    found = apis.nova_pages("/os-hypervisors/detail", "hypervisors", version="2.53")
    return {one["service"]["host"]: one["id"] for one in found}


def _zones(apis: Apis) -> dict[str, str]:
    """Compute host → its availability zone, of those that were given one."""
    return {
        host: aggregate["availability_zone"]
        for aggregate in apis.nova("/os-aggregates")["aggregates"]
        if aggregate["availability_zone"]
        for host in aggregate["hosts"]
    }


def _groups(apis: Apis) -> dict[str, Group]:
    """Instance → the server group of a hard policy that it is in."""
    path, key = "/os-server-groups", "server_groups"
    found: list[dict[str, Any]] = []
    while page := apis.nova(path, all_projects="True", offset=str(len(found)))[key]:
        found += page
    groups = [
        Group(
            id=one["id"],
            policy=one["policy"],
            per_host=int(one["rules"].get("max_server_per_host", 1)),
            members=frozenset(one["members"]),
        )
        for one in found
        if one["policy"] in HARD
    ]
    return {member: group for group in groups for member in group.members}


def _homes(apis: Apis, groups: Mapping[str, Group]) -> Mapping[str, dict[str, int]]:
    """Host → how many members of each group it has."""
    homes: dict[str, dict[str, int]] = {}
    if groups:
        for server in apis.nova_pages("/servers/detail", "servers", all_tenants="1"):
            host, group = server["OS-EXT-SRV-ATTR:host"], groups.get(server["id"])
            if host and group:
                counts = homes.setdefault(host, {})
                counts[group.id] = counts.get(group.id, 0) + 1
    return homes


def _instance(
    apis: Apis,
    server: Mapping[str, Any],
    host: str,
    provider: str,
    groups: Mapping[str, Group],
    images: dict[str, tuple[str, str]],
) -> Instance:
    held = apis.inventory(f"/allocations/{server['id']}")["allocations"]
    image_id = server["image"]["id"] if server["image"] else ""
    if image_id and image_id not in images:
        images[image_id] = _image(apis, image_id)
    image, image_why = images.get(image_id, ("", ""))
    return Instance(
        id=server["id"],
        name=server["name"],
        host=host,
        state=server["OS-EXT-STS:vm_state"],
        task=server["OS-EXT-STS:task_state"] or "",
        needs=held.get(provider, {}).get("resources", {}),
        image=image,
        image_why=image_why,
        volumes=len(server["os-extended-volumes:volumes_attached"]),
        zone=server.get("pinned_availability_zone") or "",
        group=groups.get(server["id"], Group()),
    )


def _image(apis: Apis, id: str) -> tuple[str, str]:
    """An image's name, and why nothing can be rebuilt from it."""
    from keystoneauth1.exceptions import NotFound

    try:
        found = apis.image.get(f"/v2/images/{id}").json()
    except NotFound:
        return id, f"its image {id} is gone, and its disk was on the lost host"
    name = found["name"] or id
    if found["status"] != "active":
        return name, f"its image {name} is {found['status']}, and its disk was on the lost host"
    return name, ""


def _room(
    apis: Apis, host: str, zone: str, provider: str, homes: Mapping[str, dict[str, int]]
) -> Room:
    path = f"/resource_providers/{provider}"
    inventories = apis.inventory(f"{path}/inventories")["inventories"]
    used = apis.inventory(f"{path}/usages")["usages"]
    return Room(
        host=host,
        zone=zone,
        free={name: free_of(one, used.get(name, 0)) for name, one in inventories.items()},
        most={name: one["max_unit"] for name, one in inventories.items()},
        members=homes.get(host, {}),
    )


def free_of(inventory: Mapping[str, Any], used: int) -> int:
    """What Placement still gives of a class: `(total - reserved) × allocation_ratio - used`,
    rounded down (placement/objects/inventory.py, `capacity`); never below none."""
    whole = inventory["total"] - inventory["reserved"]
    return max(int(whole * inventory["allocation_ratio"]) - used, 0)
