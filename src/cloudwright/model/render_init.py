"""The text of a first `cloud.yaml` for a few hosts, commented where the operator must look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from cloudwright.errors import CloudError
from cloudwright.model.cloud import ROLES
from cloudwright.model.decode import suggestion
from cloudwright.model.draft import address_of
from cloudwright.model.rules import DNS_LABEL

EXAMPLE_NETWORKS = ("203.0.113.0/24", "198.51.100.0/24")
"""Stand-ins until the operator writes the real one. Source: RFC 5737, networks for examples."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstHost:
    """A host as it is given on the command line; no roles means: by its place in the list."""

    name: str
    address: str
    roles: tuple[str, ...] = ()


def parse_host(text: str) -> FirstHost:
    """`NAME=ADDRESS` or `NAME=ADDRESS,ROLE+ROLE`; CloudError says what is wrong in it."""
    name, equals, rest = text.partition("=")
    address, comma, roles = rest.partition(",")
    shape = "NAME=ADDRESS or NAME=ADDRESS,ROLE+ROLE, such as ctl-1=10.64.0.11,control+network"
    if not equals or (comma and not roles):
        raise CloudError(f'"{text}" is no host', hint=shape)
    if not DNS_LABEL.fullmatch(name):
        raise CloudError(f'"{name}" is no name for a host', where=text, hint="a-z, 0-9 and -")
    if address_of(address) is None:
        raise CloudError(f'"{address}" is no IPv4 address', where=text, hint=shape)
    chosen = tuple(roles.split("+")) if roles else ()
    for role in chosen:
        if role not in ROLES:
            raise CloudError(f'unknown role "{role}"', where=text, hint=suggestion(role, ROLES))
    return FirstHost(name=name, address=address, roles=chosen)


def render_init(name: str, hosts: Sequence[FirstHost]) -> str:
    """The text of a `cloud.yaml`. Equal hosts give equal text; `hosts` must not be empty.

    Hosts without roles: one does everything; of two the second carries instances alone; of more,
    the first three are controllers, and carry instances too when there are no others. What cannot
    be known (external network, network cards) is an example that says so. Whether the roles that
    were given make a cloud is for `model.load.read` to say.
    """
    hosts = [_with_roles(host, place, len(hosts)) for place, host in enumerate(hosts)]
    management = _covering([IPv4Address(host.address) for host in hosts])
    external = next(
        network
        for text in EXAMPLE_NETWORKS
        if not (network := IPv4Network(text)).overlaps(management)
    )
    blocks = [_HEAD.format(name=name)]
    blocks += [_host(host) for host in hosts]
    blocks.append(_networks(management, external))
    blocks.append(_api(hosts, management))
    return "\n".join(blocks)


def _with_roles(host: FirstHost, place: int, count: int) -> FirstHost:
    if host.roles:
        return host
    controls = place < (3 if count >= 3 else 1)
    carries = not controls or count in (1, 3)
    roles = ("control", "network") * controls + ("compute",) * carries
    return FirstHost(name=host.name, address=host.address, roles=roles)


def _covering(addresses: Sequence[IPv4Address]) -> IPv4Network:
    """The smallest network of /24 or wider with every address as a usable one."""
    network = IPv4Network((addresses[0], 24), strict=False)
    while any(
        a not in network or a in (network.network_address, network.broadcast_address)
        for a in addresses
    ):
        if network.prefixlen == 0:
            break
        network = network.supernet()
    return network


_HEAD = """\
# What this cloud is. `cloudwright check` reads it, `cloudwright plan` says what would be done,
# `cloudwright apply` does it. Lines with CHANGE hold examples: write your own values there.
name: {name}
release: "2026.2"               # OpenStack's

sites: [a]                      # data centers: what fails together

# ssh: {{user: root, key: ~/.ssh/id_ed25519}}   # how hosts are reached, when not by root's default

hosts:                          # roles: control (APIs, database), network (way out), compute"""


def _host(host: FirstHost) -> str:
    lines = [
        f"  {host.name}:",
        "    site: a",
        f"    roles: [{', '.join(host.roles)}]",
        f"    address: {host.address}",
    ]
    if "network" in host.roles:
        lines.append(
            "    external_interface: eth1  # CHANGE: a card with no address, for external"
        )
    return "\n".join(lines)


def _networks(management: IPv4Network, external: IPv4Network) -> str:
    first = external.network_address
    return f"""
networks:
  management: {{cidr: {management}}}   # where the hosts' addresses are
  # tunnel: {{cidr: 10.99.0.0/24}}     # its own network for traffic between instances; then each
  #                                  # host of role network or compute needs a tunnel_address
  external:                     # CHANGE: floating IPs come from here
    cidr: {external}
    gateway: {first + 1}        # your router
    pool_start: {first + 100}   # first and last that the cloud may hand out
    pool_end: {first + 199}
"""


def _api(hosts: Sequence[FirstHost], management: IPv4Network) -> str:
    controllers = [host for host in hosts if "control" in host.roles]
    if len(controllers) == 1:
        address, comment = controllers[0].address, "the only controller's own address"
    else:
        taken = {host.address for host in hosts}
        free = (str(a) for a in management.hosts() if a > management.network_address + 1)
        address = next(a for a in free if a not in taken)
        comment = "CHANGE: an address that nothing uses; it moves between controllers"
    return f"""\
api:                            # {comment}
  internal: {address}
  external: {address}
"""
