"""What must be true of a cloud's networks: addresses, cards, ways in and out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from cloudwright.errors import Problem
from cloudwright.model.cloud import Networks
from cloudwright.model.decode import Path
from cloudwright.model.draft import Draft, Rule, address_of, network_of, no_host_at


def check_networks(draft: Draft) -> Iterator[Problem]:
    """Every network is an IPv4 network, and the tunnel network is apart from the others."""
    if draft.networks is None:
        return
    cidrs = _cidrs(draft.networks)
    for name, cidr in cidrs.items():
        if network_of(cidr) is None:
            yield draft.problem(
                ("networks", name, "cidr"), f'"{cidr}" is no IPv4 network', _cidr_hint(cidr)
            )
    tunnel = network_of(cidrs.get("tunnel", ""))
    for name in ("management", "external"):
        other = network_of(cidrs[name])
        if tunnel and other and tunnel.overlaps(other):
            hint = "leave `tunnel` out to use the management network" * (name == "management")
            said = f"the tunnel network {tunnel} overlaps the {name} network {other}"
            yield draft.problem(("networks", "tunnel", "cidr"), said, hint)
    management, external = (network_of(cidrs[name]) for name in ("management", "external"))
    if management and external and management != external and management.overlaps(external):
        said = f"the external network {external} overlaps the management network {management}"
        yield draft.problem(("networks", "external", "cidr"), said, "they may be equal or apart")


def check_addresses(draft: Draft) -> Iterator[Problem]:
    """Every address is an IPv4 address of its network."""
    cidrs = _cidrs(draft.networks) if draft.networks else {}
    for path, address, names in _addresses(draft):
        ip = address_of(address)
        if ip is None:
            yield draft.problem(path, f'"{address}" is no IPv4 address')
            continue
        if why := no_host_at(ip):
            yield draft.problem(path, f"no host has the address {ip}: {why}")
            continue
        candidates = [(name, network_of(cidrs.get(name, ""))) for name in names]
        networks = [(name, network) for name, network in candidates if network]
        if len(networks) < len(names):
            continue  # a network that cannot be read is a problem of its own
        if not any(ip in network for _, network in networks):
            where = " nor ".join(f"in the {name} network {network}" for name, network in networks)
            yield draft.problem(path, f"{address} is not {where}")
        elif any(_is_reserved(ip, network) for _, network in networks):
            yield draft.problem(path, f"{address} is the first or last of its network")


def check_addresses_differ(draft: Draft) -> Iterator[Problem]:
    """No two hosts have the same address."""
    seen: dict[str, tuple[Path, str]] = {}
    for host in draft.hosts:
        for key, address in (("address", host.address), ("tunnel_address", host.tunnel_address)):
            path = ("hosts", host.name, key)
            if address is None or (key == "tunnel_address" and address == host.address):
                continue
            if address in seen:
                first, owner = seen[address]
                said = f'{address} is here twice (first on line {draft.line(first)}, "{owner}")'
                yield draft.problem(path, said)
            else:
                seen[address] = (path, host.name)


def check_api_addresses(draft: Draft) -> Iterator[Problem]:
    """The API's addresses are free to move, or the only controller's own."""
    alone = draft.controllers[0] if len(draft.controllers) == 1 else None
    for key, address in _api_addresses(draft):
        for host in draft.hosts:
            if address not in (host.address, host.tunnel_address) or host == alone:
                continue
            if "control" in host.roles:
                why = f"; {len(draft.controllers)} controllers need one that can move between them"
            else:
                why = ", which is no controller"
            yield draft.problem(
                ("api", key),
                f'{address} is the address of host "{host.name}"{why}',
                f"write {alone.address}, the only controller's own"
                if alone
                else "give an address of the management network that nothing uses",
            )


def check_api_addresses_come_up(draft: Draft) -> Iterator[Problem]:
    """Somebody brings the API's addresses up: keepalived gives them to cards in the management
    network where there are several controllers; what one controller has is there already."""
    if draft.networks is None or not draft.knows_roles:
        return
    management = network_of(draft.networks.management.cidr)
    external = network_of(draft.networks.external.cidr)
    first, *others = draft.controllers or (None,)
    hosts = {address for host in draft.hosts for address in (host.address, host.tunnel_address)}
    for key, address in _api_addresses(draft):
        if not first or not management or not external or address in hosts:
            continue
        if not others and _is_in(address, management) and _is_in(first.address, management):
            yield draft.problem(
                ("api", key),
                f'{address} is not the address of host "{first.name}", the only controller: '
                "nobody would bring it up (keepalived moves addresses between several)",
                f"write {first.address}",
            )
        elif others and key == "external" and management != external and _is_in(address, external):
            yield draft.problem(
                ("api", key),
                f"{address} is in the external network {external}, and {1 + len(others)} "
                "controllers move it between their cards in the management network "
                f"{management}, where nobody looks for it",
                "give an address of the management network that nothing uses; it may be that of "
                "`api.internal`",
            )


NOT_YET = {
    "anycast": "each controller would have to announce the address to its router by BGP, and take "
    "it back when its load balancer or the majority is gone: no service here speaks BGP",
    "dns": "a name server would have to answer with what works, certificates and endpoints to "
    "bear a name, and callers to ask again after a failure: nothing here does so",
}
"""Why each mode that `cloud.yaml` may name is not there."""


def check_api_mode(draft: Draft) -> Iterator[Problem]:
    """The addresses are moved in a way that exists."""
    if draft.api and (why := NOT_YET.get(draft.api.mode)):
        yield draft.problem(
            ("api", "mode"),
            f"`api.mode: {draft.api.mode}` is not there yet: {why}",
            "say `mode: vrrp`, or leave it out: the addresses then move within one management "
            "network stretched over the sites of all controllers",
        )


def check_tunnels(draft: Draft) -> Iterator[Problem]:
    """With a tunnel network, every host that carries instances' traffic has an address in it."""
    if draft.networks is None:
        return
    for host in draft.hosts:
        carries = {"network", "compute"} & set(host.roles)
        if draft.networks.tunnel and carries and host.tunnel_address is None:
            said = f'host "{host.name}" has no "tunnel_address", but there is a tunnel network'
            yield draft.problem(("hosts", host.name, "name"), said)
        if not draft.networks.tunnel and host.tunnel_address not in (None, host.address):
            said = f'host "{host.name}" has a "tunnel_address", but there is no tunnel network'
            hint = "add `networks.tunnel`"
            yield draft.problem(("hosts", host.name, "tunnel_address"), said, hint)


def check_interfaces(draft: Draft) -> Iterator[Problem]:
    """A host whose packets leave the cloud has a card for the external network, and it is that
    alone."""
    for host in draft.hosts:
        path = ("hosts", host.name, "external_interface")
        if "network" in host.roles and not host.external_interface:
            said = f'host "{host.name}" has the role network, but no "external_interface"'
            yield draft.problem(("hosts", host.name, "name"), said, "such as eth2")
        elif draft.ha == "distributed" and "compute" in host.roles and not host.external_interface:
            yield draft.problem(
                ("hosts", host.name, "name"),
                f'host "{host.name}" has the role compute, but no "external_interface": with '
                "`network.ha: distributed` its instances' floating IPs leave by the host itself",
                "name a card of it in the external network, such as eth2; or say "
                "`network: {ha: central}`",
            )
        for key in ("external_interface", "tunnel_interface"):
            card = getattr(host, key)
            if card and not re.fullmatch(r"[^\s/:]{1,15}", card):
                said = f'"{card}" is no name of a network card'
                yield draft.problem((*path[:2], key), said, "at most 15 characters")
        if host.external_interface and host.external_interface == host.tunnel_interface:
            said = f'"{host.external_interface}" is the card of the tunnels too'
            yield draft.problem(path, said)


def check_external_pool(draft: Draft) -> Iterator[Problem]:
    """The pool is in order, and holds nobody's address."""
    if draft.networks is None:
        return
    external = draft.networks.external
    start, end = address_of(external.pool_start), address_of(external.pool_end)
    if start is None or end is None:
        return
    pool = f"the pool {start} to {end}"
    if end < start:
        said = f"{pool} ends before it starts"
        yield draft.problem(("networks", "external", "pool_end"), said)
    taken: list[tuple[Path, str, str]] = [
        (("networks", "external", "gateway"), "the gateway", external.gateway)
    ]
    taken += [
        (("hosts", host.name, "address"), f'host "{host.name}"', host.address)
        for host in draft.hosts
    ]
    taken += [(("api", key), "the API", address) for key, address in _api_addresses(draft)]
    for path, owner, address in taken:
        ip = address_of(address)
        if ip and start <= ip <= end:
            hint = "the cloud gives the pool's addresses to instances"
            yield draft.problem(path, f"{ip} of {owner} is in {pool}", hint)


RULES: tuple[Rule, ...] = (
    check_networks,
    check_addresses,
    check_addresses_differ,
    check_api_addresses,
    check_api_addresses_come_up,
    check_api_mode,
    check_tunnels,
    check_interfaces,
    check_external_pool,
)


def _cidr_hint(cidr: str) -> str:
    if ":" in cidr:
        return "IPv6 between hosts is not there yet"
    try:
        meant = IPv4Network(cidr, strict=False)
    except ValueError:
        return "such as 10.64.0.0/24"
    return f'did you mean "{meant}"?' if "/" in cidr else "add the prefix length, such as /24"


def _cidrs(networks: Networks) -> dict[str, str]:
    cidrs = {"management": networks.management.cidr, "external": networks.external.cidr}
    return cidrs | ({"tunnel": networks.tunnel.cidr} if networks.tunnel else {})


def _addresses(draft: Draft) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Every address, where it stands, and the networks it may be of."""
    for host in draft.hosts:
        yield ("hosts", host.name, "address"), host.address, ("management",)
        if host.tunnel_address is not None and host.tunnel_address != host.address:
            yield ("hosts", host.name, "tunnel_address"), host.tunnel_address, ("tunnel",)
    for key, address in _api_addresses(draft):
        networks = ("management", "external") if key == "external" else ("management",)
        yield ("api", key), address, networks
    if draft.networks:
        external = draft.networks.external
        for key in ("gateway", "pool_start", "pool_end"):
            yield ("networks", "external", key), getattr(external, key), ("external",)


def _api_addresses(draft: Draft) -> tuple[tuple[str, str], ...]:
    """(key, address) of both; none when they could not be read."""
    api = draft.api
    return (("internal", api.internal), ("external", api.external)) if api else ()


def _is_in(address: str, network: IPv4Network) -> bool:
    """Whether a host of `network` may have this address."""
    ip = address_of(address)
    return ip is not None and ip in network and not _is_reserved(ip, network)


def _is_reserved(ip: IPv4Address, network: IPv4Network) -> bool:
    reserved = (network.network_address, network.broadcast_address)
    return network.prefixlen < 31 and ip in reserved
