"""What must be true of a cloud beyond the type of each value: one function for each rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network

from cloudwright.errors import Problem
from cloudwright.model.cloud import ROLES, Networks
from cloudwright.model.decode import Path, suggestion
from cloudwright.model.draft import Draft, address_of, network_of

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""RFC 1123, lower-case alone: names end up in host names, certificates and file names."""

MTU = range(1280, 65536)
"""Bytes. 1280 is the least that IPv6 instances may meet (RFC 8200)."""


NECESSARY = tuple(role for role in ROLES if role != "witness")
"""The roles that no cloud can be without."""

Rule = Callable[[Draft], Iterator[Problem]]


def check_names(draft: Draft) -> Iterator[Problem]:
    """The cloud, sites and hosts are called by DNS labels."""
    named: list[tuple[Path, str]] = [(("name",), draft.name)] if draft.name else []
    named += [(("sites", site.name, "name"), site.name) for site in draft.sites]
    named += [(("hosts", host.name, "name"), host.name) for host in draft.hosts]
    for path, name in named:
        if not DNS_LABEL.fullmatch(name):
            yield draft.problem(
                path,
                f'"{name}" is no name',
                "1 to 63 of a-z, 0-9 and -, with neither end a -",
            )


def check_words(draft: Draft) -> Iterator[Problem]:
    """Release, region, physical network and image prefix look like what they are."""
    physical = draft.networks.external.physical_network if draft.networks else ""
    wanted = (
        (("release",), draft.release, r"20\d\d\.[12]", "such as 2026.2"),
        (("region",), draft.region, r"[A-Za-z0-9._-]{1,255}", "letters, digits and . _ -"),
        (
            ("networks", "external", "physical_network"),
            physical,
            r"[A-Za-z0-9_-]{1,64}",
            "letters, digits and _ -",
        ),
        (
            ("images", "prefix"),
            draft.prefix,
            r"[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9][a-z0-9._-]*)*",
            "a registry and a folder in it, such as localhost/cloudwright",
        ),
    )
    for path, text, pattern, hint in wanted:
        if text and not re.fullmatch(pattern, text):
            yield draft.problem(path, f'"{text}" cannot be the {path[-1]}', hint)


def check_numbers(draft: Draft) -> Iterator[Problem]:
    """Ports, VRRP's number and packet sizes are within their bounds."""
    found: list[tuple[Path, int, range]] = [
        (("hosts", h.name, "ssh", "port"), h.ssh.port, range(1, 65536)) for h in draft.hosts
    ]
    if draft.api:
        found.append((("api", "virtual_router_id"), draft.api.virtual_router_id, range(1, 256)))
    if draft.networks:
        found.append((("networks", "management", "mtu"), draft.networks.management.mtu, MTU))
        found.append((("networks", "external", "mtu"), draft.networks.external.mtu, MTU))
    if draft.networks and draft.networks.tunnel:
        found.append((("networks", "tunnel", "mtu"), draft.networks.tunnel.mtu, MTU))
    for path, number, bounds in found:
        if number not in bounds:
            said = f'"{".".join(path)}" must be {bounds[0]} to {bounds[-1]}, not {number}'
            yield draft.problem(path, said)


def check_roles(draft: Draft) -> Iterator[Problem]:
    """Every host has at least one role, none twice, none unknown."""
    for host in draft.hosts:
        path = ("hosts", host.name, "roles")
        if not host.roles:
            yield draft.problem(path, f'host "{host.name}" has no role', suggestion("", ROLES))
        for index, role in enumerate(host.roles):
            if role not in ROLES:
                said = f'unknown role "{role}" of host "{host.name}"'
                yield draft.problem((*path, str(index)), said, suggestion(role, ROLES))
            elif role in host.roles[:index]:
                said = f'host "{host.name}" has the role "{role}" twice'
                yield draft.problem((*path, str(index)), said)


def check_sites(draft: Draft) -> Iterator[Problem]:
    """Every host stands in a site of the file."""
    names = [site.name for site in draft.sites]
    for host in draft.hosts:
        if host.site not in names and (names or draft.whole):
            said = f'unknown site "{host.site}" of host "{host.name}"'
            yield draft.problem(("hosts", host.name, "site"), said, suggestion(host.site, names))


def check_sites_have_hosts(draft: Draft) -> Iterator[Problem]:
    """No site stands empty."""
    names = {site.name for site in draft.sites}
    if not draft.whole or any(host.site not in names for host in draft.hosts):
        return  # the host with the unknown site may be the one that is missed here
    for site in draft.sites:
        if not any(host.site == site.name for host in draft.hosts):
            said = f'site "{site.name}" has no host'
            hint = "remove the site, or put a host in it"
            yield draft.problem(("sites", site.name, "name"), said, hint)


def check_witnesses(draft: Draft) -> Iterator[Problem]:
    """A witness site carries neither instances nor APIs: its hosts vote, and nobody else does so
    alone."""
    witnesses = {site.name for site in draft.sites if site.witness}
    for host in draft.hosts:
        for index, role in enumerate(host.roles):
            path = ("hosts", host.name, "roles", str(index))
            if host.site in witnesses and role in ROLES and role != "witness":
                yield draft.problem(
                    path,
                    f'host "{host.name}" has the role "{role}", but its site "{host.site}" is a '
                    "witness, which only votes",
                    "give it the role witness alone, or remove `witness: true`",
                )
            elif role == "witness" and host.site not in witnesses:
                yield draft.problem(
                    path,
                    f'host "{host.name}" has the role "witness", but its site "{host.site}" '
                    "is no witness",
                    "a controller votes already; or say `witness: true` of a third site",
                )


def check_every_role_is_had(draft: Draft) -> Iterator[Problem]:
    """A cloud needs a host of every role."""
    if not draft.whole or any(role not in ROLES for host in draft.hosts for role in host.roles):
        return  # the unknown role may be the one that is missed here
    for role in NECESSARY:
        if not any(role in host.roles for host in draft.hosts):
            hint = "add it to the roles of a host"
            yield draft.problem(("hosts",), f'no host has the role "{role}"', hint)


def check_voters(draft: Draft) -> Iterator[Problem]:
    """An even number of voters survives no more failures than one fewer, and can be split
    into halves that both stop (Galera, RabbitMQ and OVSDB all decide by majority)."""
    voters = draft.voters
    count = len(voters)
    if not draft.whole or not count or count % 2:
        return
    last = voters[-1]
    role = "control" if "control" in last.roles else "witness"
    survives = "none may fail, as with one" if count == 2 else f"only {count // 2 - 1} may fail"
    kind = "controllers" if voters == draft.controllers else "controllers and witnesses"
    yield draft.problem(
        ("hosts", last.name, "roles"),
        f"{count} {kind}: a majority needs an odd number ({survives})",
        "add a controller, or a host of role witness in a third site with `witness: true`, "
        f'or take the role {role} from "{last.name}"',
    )


def check_survives(draft: Draft) -> Iterator[Problem]:
    """No site holds half of the votes or more, unless the operator says that it may: its loss
    would stop every cluster."""
    sites = {host.site for host in draft.hosts}
    if not draft.whole or draft.survive != "site" or len(sites) < 2:
        return
    voters = draft.voters
    for site in draft.sites:
        own = sum(host.site == site.name for host in voters)
        if voters and len(voters) % 2 and own * 2 > len(voters):
            yield draft.problem(
                ("sites", site.name, "name"),
                f'the loss of site "{site.name}" takes {own} of {len(voters)} votes: database, '
                "queue and OVN would stop everywhere",
                "spread the controllers, with a third site that is a witness if there are two; "
                "or say `survive: host`",
            )


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
    if draft.api is None:
        return
    alone = draft.controllers[0].name if len(draft.controllers) == 1 else None
    for key, address in (("internal", draft.api.internal), ("external", draft.api.external)):
        for host in draft.hosts:
            if address not in (host.address, host.tunnel_address) or host.name == alone:
                continue
            if "control" in host.roles:
                why = f"; {len(draft.controllers)} controllers need one that can move between them"
            else:
                why = ", which is no controller"
            yield draft.problem(
                ("api", key),
                f'{address} is the address of host "{host.name}"{why}',
                "give an address of the management network that nothing uses",
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
    """A host of role network has a card for the external network, and it is that alone."""
    for host in draft.hosts:
        path = ("hosts", host.name, "external_interface")
        if "network" in host.roles and not host.external_interface:
            said = f'host "{host.name}" has the role network, but no "external_interface"'
            yield draft.problem(("hosts", host.name, "name"), said, "such as eth2")
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
    if draft.api:
        taken.append((("api", "internal"), "the API", draft.api.internal))
        taken.append((("api", "external"), "the API", draft.api.external))
    for path, owner, address in taken:
        ip = address_of(address)
        if ip and start <= ip <= end:
            hint = "the cloud gives the pool's addresses to instances"
            yield draft.problem(path, f"{ip} of {owner} is in {pool}", hint)


RULES: tuple[Rule, ...] = (
    check_names,
    check_words,
    check_numbers,
    check_roles,
    check_sites,
    check_sites_have_hosts,
    check_witnesses,
    check_every_role_is_had,
    check_voters,
    check_survives,
    check_networks,
    check_addresses,
    check_addresses_differ,
    check_api_addresses,
    check_tunnels,
    check_interfaces,
    check_external_pool,
)


def check(draft: Draft) -> tuple[Problem, ...]:
    """Every problem that every rule finds."""
    return tuple(problem for rule in RULES for problem in rule(draft))


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
    if draft.api:
        yield ("api", "internal"), draft.api.internal, ("management",)
        yield ("api", "external"), draft.api.external, ("management", "external")
    if draft.networks:
        external = draft.networks.external
        for key in ("gateway", "pool_start", "pool_end"):
            yield ("networks", "external", key), getattr(external, key), ("external",)


def _is_reserved(ip: IPv4Address, network: IPv4Network) -> bool:
    reserved = (network.network_address, network.broadcast_address)
    return network.prefixlen < 31 and ip in reserved
