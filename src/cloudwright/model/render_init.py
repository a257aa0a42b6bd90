"""The text of a first `cloud.yaml` for a few hosts, commented where the operator must look."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from cloudwright.errors import InvalidCloud, Problem
from cloudwright.model import load
from cloudwright.model.cloud import DEFAULT_RELEASE, ROLES
from cloudwright.model.decode import suggestion
from cloudwright.model.draft import address_of, no_host_at
from cloudwright.model.rules import DNS_LABEL

EXAMPLE_NETWORKS = ("203.0.113.0/24", "198.51.100.0/24")
"""Stand-ins until the operator writes the real one. Source: RFC 5737, networks for examples."""

WIDEST = 8
"""Bits of a network's prefix: no operator has a wider one (RFC 1918)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _FirstHost:
    """A host as it will be written."""

    name: str
    address: str
    roles: tuple[str, ...]


def render_init(name: str, hosts: Sequence[tuple[str, str]]) -> str:
    """The text of a `cloud.yaml` for `(name, "ADDRESS" or "ADDRESS,ROLE+ROLE")`; at least one.

    Hosts without roles: one does everything; of two the second carries instances alone; of more,
    the first three are controllers, and carry instances too when there are no others. What cannot
    be known (external network, network cards) is an example that says so. Equal hosts give equal
    text. InvalidCloud with every problem, when what was given makes no cloud.
    """
    problems = [problem for host in hosts for problem in _problems(*host)]
    names = [host_name for host_name, _ in hosts]
    addresses = [rest.partition(",")[0] for _, rest in hosts]
    problems += [
        Problem(file=given, text=f"this {kind} is here twice")
        for kind, all_given in (("name", names), ("address", addresses))
        for given in sorted({one for one in all_given if all_given.count(one) > 1})
    ]
    if problems:
        raise InvalidCloud(tuple(problems))
    read = [_host_of(place, host, len(hosts)) for place, host in enumerate(hosts)]
    management = _covering([IPv4Address(host.address) for host in read])
    examples = (IPv4Network(text) for text in EXAMPLE_NETWORKS)
    external = next(network for network in examples if not network.overlaps(management))
    givens = [f"{host_name}={rest}" for host_name, rest in hosts]
    blocks = [(f"--name {name}", _HEAD.format(name=name, release=DEFAULT_RELEASE))]
    blocks += [(given, _host(host)) for given, host in zip(givens, read, strict=True)]
    blocks += [("init", _networks(management, external)), ("init", _api(read, management))]
    text = "\n".join(block for _, block in blocks)
    try:
        load.read(text.encode(), "cloud.yaml")
    except InvalidCloud as error:
        lines = [given for given, block in blocks for _ in block.split("\n")]
        raise InvalidCloud(tuple(_as_given(p, lines) for p in error.problems)) from None
    return text


def _as_given(problem: Problem, lines: Sequence[str]) -> Problem:
    """A problem of the text that nobody has seen, at the word that each of its lines is from."""
    word = lines[problem.line - 1] if 0 < problem.line <= len(lines) else "init"
    return dataclasses.replace(problem, file=word, line=0, column=0)


def _problems(name: str, rest: str) -> Iterator[Problem]:
    given = f"{name}={rest}"
    address, comma, roles = rest.partition(",")
    if not DNS_LABEL.fullmatch(name):
        yield Problem(file=given, text=f'"{name}" is no name for a host', hint="a-z, 0-9 and -")
    ip = address_of(address)
    if ip is not None and (why := no_host_at(ip)):
        yield Problem(file=given, text=f"no host has the address {ip}: {why}")
    if ip is None:
        hint = "NAME=ADDRESS or NAME=ADDRESS,ROLE+ROLE, such as ctl-1=10.64.0.11,control+network"
        yield Problem(file=given, text=f'"{address}" is no IPv4 address', hint=hint)
    for role in roles.split("+") if comma else ():
        if role not in ROLES:
            hint = suggestion(role, ROLES)
            yield Problem(file=given, text=f'unknown role "{role}"', hint=hint)


def _host_of(place: int, given: tuple[str, str], count: int) -> _FirstHost:
    name, (address, comma, roles) = given[0], given[1].partition(",")
    if comma:
        return _FirstHost(name=name, address=address, roles=tuple(roles.split("+")))
    controls = place < (3 if count >= 3 else 1)
    carries = not controls or count in (1, 3)
    chosen = ("control", "network") * controls + ("compute",) * carries
    return _FirstHost(name=name, address=address, roles=chosen)


def _covering(addresses: Sequence[IPv4Address]) -> IPv4Network:
    """The smallest network of /24 or wider with every address as a usable one, and one to spare
    for the APIs. InvalidCloud when they are too far apart to be of one network."""
    network = IPv4Network((addresses[0], 24), strict=False)
    while len(addresses) > network.num_addresses - 4 or any(
        a not in network or a in (network.network_address, network.broadcast_address)
        for a in addresses
    ):
        if network.prefixlen == WIDEST:
            ends = f"{min(addresses)} and {max(addresses)}"
            hint = "give each host's address in the management network, which is one for all sites"
            problem = Problem(file="init", text=f"{ends} are of no network together", hint=hint)
            raise InvalidCloud((problem,))
        network = network.supernet()
    return network


_HEAD = """\
# What this cloud is. `cloudwright check` reads it, `cloudwright plan` says what would be done,
# `cloudwright apply` does it. Lines with CHANGE hold examples: write your own values there.
name: {name}
release: "{release}"               # OpenStack's

sites: [a]                      # data centers: what fails together

# ssh: {{user: root, key: ~/.ssh/id_ed25519}}   # how hosts are reached, when not by root's default

hosts:                          # roles: control (APIs, database), network (way out), compute"""


def _host(host: _FirstHost) -> str:
    lines = [
        f"  {host.name}:",
        "    site: a",
        f"    roles: [{', '.join(host.roles)}]",
        f"    address: {host.address}",
    ]
    if "network" in host.roles:
        lines.append(
            "    external_interface: eth1    # CHANGE: a card with no address, for external"
        )
    return "\n".join(lines)


def _networks(management: IPv4Network, external: IPv4Network) -> str:
    first = external.network_address
    return f"""
# network: {{ha: distributed}}     # floating IPs leave by the host of each instance, rather than
#                                # pass one of role network; then each compute host needs an
#                                # external_interface

networks:
  management: {{cidr: {management}}}   # where the hosts' addresses are
  # tunnel: {{cidr: 10.99.0.0/24}}     # its own network for traffic between instances; then each
  #                                  # host of role network or compute needs a tunnel_address
  external:                     # CHANGE: floating IPs come from here
    cidr: {external}
    gateway: {first + 1}      # your router
    pool_start: {first + 100} # first and last that the cloud may hand out
    pool_end: {first + 199}
"""


def _api(hosts: Sequence[_FirstHost], management: IPv4Network) -> str:
    controllers = [host for host in hosts if "control" in host.roles]
    if len(controllers) == 1:
        address, comment = controllers[0].address, "the only controller's own address"
    else:
        taken = {host.address for host in hosts}
        free = (str(a) for a in management.hosts() if a > management.network_address + 1)
        address = next(a for a in free if a not in taken)
        comment = "CHANGE: an address that nothing uses; it moves between controllers"
    mode = "  # mode: vrrp                # the only one yet: keepalived moves the address\n"
    return f"""\
api:                            # {comment}
  internal: {address}
  external: {address}
{mode * (len(controllers) > 1)}"""
