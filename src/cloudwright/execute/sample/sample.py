"""The sample: one instance and all that it depends on, made and removed through the APIs."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

from cloudwright.errors import StepFailed
from cloudwright.execute.sample.disk import Disk
from cloudwright.model.cloud import Cloud, External

PREFIX = "cloudwright-smoke"
"""Everything of ours is called so; whatever is called so may be removed."""

_PRIVATE = ("10.242.0.0/24", "172.30.242.0/24", "192.168.242.0/24")


def upload_image(sdk: Any, disk: Disk) -> Any:
    """Upload the machine image; it may not be active yet."""
    return sdk.image.create_image(
        PREFIX,
        filename=str(disk.path),
        disk_format=disk.format,
        container_format="bare",
        allow_duplicates=True,
        wait=False,
    )


def active_image(sdk: Any, image: Any) -> Any:
    """The machine image once it is active, else None."""
    now = sdk.image.get_image(image.id)
    return now if now.status == "active" else None


def make_flavor(sdk: Any, disk: Disk, memory_mib: int) -> Any:
    """One core, so much memory, and a disk that the image fits on."""
    return sdk.compute.create_flavor(name=PREFIX, ram=memory_mib, vcpus=1, disk=max(disk.gib, 1))


def make_external(sdk: Any, external: External) -> Any:
    """The external network; one that is there on the same physical network is used as it is."""
    for network in sdk.network.networks(is_router_external=True):
        if network.provider_physical_network == external.physical_network:
            return network
    network = sdk.network.create_network(
        name=f"{PREFIX}-external",
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network=external.physical_network,
    )
    sdk.network.create_subnet(
        name=f"{PREFIX}-external",
        network_id=network.id,
        ip_version=4,
        cidr=external.cidr,
        gateway_ip=external.gateway,
        allocation_pools=[{"start": external.pool_start, "end": external.pool_end}],
        is_dhcp_enabled=False,
    )
    return network


def make_private(sdk: Any, cloud: Cloud) -> tuple[Any, Any]:
    """A network and its subnet, unlike any that the hosts use."""
    network = sdk.network.create_network(name=f"{PREFIX}-private")
    subnet = sdk.network.create_subnet(
        name=f"{PREFIX}-private", network_id=network.id, ip_version=4, cidr=free_cidr(cloud)
    )
    return network, subnet


def free_cidr(cloud: Cloud) -> str:
    """A private network that overlaps with none of the hosts' networks."""
    networks = cloud.networks
    taken = [networks.management.cidr, networks.external.cidr]
    taken += [networks.tunnel.cidr] if networks.tunnel else []
    used = [ipaddress.ip_network(cidr, strict=False) for cidr in taken]
    for cidr in _PRIVATE:
        candidate = ipaddress.ip_network(cidr)
        if not any(net.version == 4 and net.overlaps(candidate) for net in used):
            return cidr
    raise StepFailed("no private network is free", why=f"the hosts use {', '.join(taken)}")


def make_router(sdk: Any, external: Any, subnet: Any) -> Any:
    """A router between the private network and the external one."""
    router = sdk.network.create_router(
        name=PREFIX, external_gateway_info={"network_id": external.id}
    )
    sdk.network.add_interface_to_router(router, subnet=subnet.id)
    return router


def make_security_group(sdk: Any) -> Any:
    """Lets ping and SSH in."""
    group = sdk.network.create_security_group(name=PREFIX, description=PREFIX)
    for rule in ({"protocol": "icmp"}, {"protocol": "tcp", "port": 22}):
        port = rule.get("port")
        sdk.network.create_security_group_rule(
            security_group_id=group.id,
            direction="ingress",
            ethertype="IPv4",
            protocol=rule["protocol"],
            port_range_min=port,
            port_range_max=port,
        )
    return group


def make_keypair(sdk: Any, public_key: str) -> Any:
    """The public half of a key made for this run alone."""
    return sdk.compute.create_keypair(name=PREFIX, public_key=public_key)


def make_server(sdk: Any, zone: str, image: Any, flavor: Any, network: Any, group: Any) -> Any:
    """Ask for the instance, in an availability zone unless `zone` is empty; it boots while we
    wait elsewhere."""
    return sdk.compute.create_server(
        name=PREFIX,
        image_id=image.id,
        flavor_id=flavor.id,
        networks=[{"uuid": network.id}],
        key_name=PREFIX,
        security_groups=[{"name": group.id}],
        config_drive=False,  # the key must come by the metadata service
        **({"availability_zone": zone} if zone else {}),
    )


def active_server(sdk: Any, server: Any) -> Any:
    """The instance once it is ACTIVE, else None; StepFailed with Nova's own reason when it becomes
    ERROR."""
    now = sdk.compute.get_server(server.id)
    if now.status == "ERROR":
        fault = now.fault or {}
        raise StepFailed(
            "the instance could not be started",
            where=f"server {server.id}",
            why=fault.get("message", "Nova gives no reason"),
            hint="`cloudwright logs nova-compute` and `nova-scheduler` say more",
        )
    return now if now.status == "ACTIVE" else None


def make_floating_ip(sdk: Any, external: Any) -> Any:
    """An address of the external network."""
    return sdk.network.create_ip(floating_network_id=external.id, description=PREFIX)


def port_of(sdk: Any, server: Any) -> Any:
    """The instance's port once it has one, else None."""
    return next(iter(sdk.network.ports(device_id=server.id)), None)


def attach_floating_ip(sdk: Any, floating: Any, port: Any) -> None:
    """Lead the floating IP to a port."""
    sdk.network.update_ip(floating, port_id=port.id)


def console_of(sdk: Any, server: Any) -> str:
    """All that the instance wrote on its console; empty while it has none."""
    from openstack.exceptions import HttpException

    try:
        return str(sdk.compute.get_server_console_output(server.id).get("output") or "")
    except HttpException as err:
        if err.status_code in (404, 409):
            return ""
        raise


def remove_servers(sdk: Any) -> Sequence[Any]:
    """Have every instance that is called like the sample removed; they go some time later."""
    servers = [s for s in sdk.compute.servers(name=f"^{PREFIX}") if _is_ours(s)]
    for server in servers:
        sdk.compute.delete_server(server, ignore_missing=True, force=False)
    return servers


def is_gone(sdk: Any, server: Any) -> bool:
    """Whether the instance is no more."""
    return sdk.compute.find_server(server.id, ignore_missing=True) is None


def remove_rest(sdk: Any) -> int:
    """Remove all else that is called like the sample, users first; returns how many things."""
    return sum(1 for _ in _remove_rest(sdk))


def _remove_rest(sdk: Any) -> Iterator[Any]:
    network = sdk.network
    for floating in network.ips(description=PREFIX):
        network.delete_ip(floating)
        yield floating
    for router in filter(_is_ours, network.routers()):
        for port in network.ports(device_id=router.id):
            if port.device_owner.startswith("network:router_interface"):
                network.remove_interface_from_router(router, port=port.id)
        network.delete_router(router)
        yield router
    for one, delete in (
        *((n, network.delete_network) for n in filter(_is_ours, network.networks())),
        *((g, network.delete_security_group) for g in _groups(sdk)),
        *((k, sdk.compute.delete_keypair) for k in filter(_is_ours, sdk.compute.keypairs())),
        *((f, sdk.compute.delete_flavor) for f in filter(_is_ours, sdk.compute.flavors())),
        *((i, sdk.image.delete_image) for i in filter(_is_ours, sdk.image.images())),
    ):
        delete(one)
        yield one


def _groups(sdk: Any) -> Iterator[Any]:
    return filter(_is_ours, sdk.network.security_groups())


def _is_ours(thing: Any) -> bool:
    return str(thing.name).startswith(PREFIX)
