"""What a lab consists of: segments, links and stand-in hosts, worked out from a cloud."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from cloudwright.errors import InvalidCloud, Problem
from cloudwright.model.cloud import Cloud, Host

PREFIX = "cwl-"
"""Every network device, container, volume and namespace of every lab begins with it."""

_DIGITS = string.digits + string.ascii_lowercase


@dataclass(frozen=True, kw_only=True, slots=True)
class Wire:
    """A network of the cloud, before it is split into one segment per site."""

    name: str
    """`management`, `tunnel` or `external`."""
    cidr: str
    mtu: int
    gateway: str | None
    """This machine's own address there, without prefix length; None to stay off this network."""
    soft_switched: bool
    """Whether a switch in user space reads its packets, which must then carry whole checksums."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A bridge: one network in one site, or, with `site` None, what joins a network's sites."""

    bridge: str
    wire: Wire
    site: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A cable from a site's segment to what joins the sites; cut it to cut the site off."""

    segment_end: str
    backbone_end: str
    segment: Segment
    backbone: Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class Nic:
    """A network card of a lab host; `address` has a prefix length, None is a bare card."""

    name: str
    cable: str
    segment: Segment
    address: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LabHost:
    """A stand-in for one host: a privileged container."""

    name: str
    container: str
    """Also the name of its volume and of its network namespace."""
    address: str
    user: str
    port: int
    site: str
    nics: tuple[Nic, ...]
    route: str | None
    """Where its packets to the rest of the world go."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabSpec:
    """A whole lab; `directory` holds its keys and lies beside `cloud.yaml`."""

    id: str
    cloud: str
    directory: Path
    segments: tuple[Segment, ...]
    links: tuple[Link, ...]
    hosts: tuple[LabHost, ...]

    @property
    def devices(self) -> str:
        """What the name of every network device of this lab begins with."""
        return f"{PREFIX}{self.id}-"

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites by name, in the cloud's order."""
        return tuple(dict.fromkeys(s.site for s in self.segments if s.site is not None))

    def host(self, name: str) -> LabHost:
        """The lab host called `name`; raises InvalidCloud with the names there are."""
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(h.name for h in self.hosts)
        problem = Problem(file="cloud.yaml", text=f"no host is called {name}", hint=known)
        raise InvalidCloud((problem,))

    def chosen(self, names: Sequence[str]) -> tuple[LabHost, ...]:
        """The hosts that `names` mean, each a host or `site:NAME`; raises InvalidCloud."""
        found: list[LabHost] = []
        for name in names:
            site = name.removeprefix("site:")
            mine = [host for host in self.hosts if host.site == site]
            if site != name and not mine:
                known = ", ".join(self.sites)
                problem = Problem(file="cloud.yaml", text=f"no site is called {site}", hint=known)
                raise InvalidCloud((problem,))
            found += mine if site != name else [self.host(name)]
        return tuple(dict.fromkeys(found))


def spec_of(cloud: Cloud, file: Path) -> LabSpec:
    """The lab for the cloud that `file` (`cloud.yaml`) describes.

    Raises InvalidCloud when a host's address is outside its network, or two networks overlap.
    """
    directory = file.resolve().parent / ".cloudwright" / "lab"
    lab_id = _lab_id(cloud.name, file)
    wires = _wires(cloud)
    _check(cloud, wires, file)
    segments, links = _segments(cloud, wires, lab_id)
    return LabSpec(
        id=lab_id,
        cloud=cloud.name,
        directory=directory,
        segments=segments,
        links=links,
        hosts=_hosts(cloud, segments, lab_id),
    )


def _lab_id(cloud: str, file: Path) -> str:
    # The file's place is in it, so that two checkouts of one cloud do not fight over a bridge.
    return hashlib.sha256(f"{cloud}\0{file.resolve().parent}".encode()).hexdigest()[:6]


def _wires(cloud: Cloud) -> tuple[Wire, ...]:
    nets = cloud.networks
    wires = [
        Wire(
            name="management",
            cidr=nets.management.cidr,
            mtu=nets.management.mtu,
            gateway=_own_address(cloud, nets.management.cidr),
            soft_switched=nets.tunnel is None,
        )
    ]
    if nets.tunnel is not None:
        wires.append(
            Wire(
                name="tunnel",
                cidr=nets.tunnel.cidr,
                mtu=nets.tunnel.mtu,
                gateway=None,
                soft_switched=True,
            )
        )
    wires.append(
        Wire(
            name="external",
            cidr=nets.external.cidr,
            mtu=nets.external.mtu,
            gateway=nets.external.gateway,
            soft_switched=True,
        )
    )
    return tuple(wires)


def _own_address(cloud: Cloud, cidr: str) -> str:
    """The first address of `cidr` that the cloud does not use: this machine's."""
    taken = {host.address for host in cloud.hosts} | {cloud.api.internal, cloud.api.external}
    return next(str(a) for a in IPv4Network(cidr).hosts() if str(a) not in taken)


def _check(cloud: Cloud, wires: tuple[Wire, ...], file: Path) -> None:
    problems: list[Problem] = []
    nets = {wire.name: IPv4Network(wire.cidr) for wire in wires}
    for host in cloud.hosts:
        for wire, address in (("management", host.address), ("tunnel", host.tunnel_address)):
            if address is None or wire not in nets or IPv4Interface(address).ip in nets[wire]:
                continue
            text = f"{host.name}: {address} is not in the {wire} network {nets[wire]}"
            hint = "a lab host lives on the lab's own networks only"
            problems.append(Problem(file=str(file), text=text, hint=hint))
    names = list(nets)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if nets[one].overlaps(nets[other]):
                text = f"the {one} and {other} networks overlap"
                problems.append(Problem(file=str(file), text=text))
    if problems:
        raise InvalidCloud(tuple(problems))


def _segments(
    cloud: Cloud, wires: tuple[Wire, ...], lab_id: str
) -> tuple[tuple[Segment, ...], tuple[Link, ...]]:
    segments: list[Segment] = []
    links: list[Link] = []
    for wire in wires:
        short = f"{PREFIX}{lab_id}-{wire.name[0]}"
        own = [
            Segment(bridge=f"{short}{_DIGITS[i]}", wire=wire, site=site.name)
            for i, site in enumerate(cloud.sites)
        ]
        segments += own
        if len(own) < 2:
            continue
        backbone = Segment(bridge=f"{short}x-", wire=wire, site=None)
        segments.append(backbone)
        links += [
            Link(
                segment_end=f"{segment.bridge}sa",
                backbone_end=f"{segment.bridge}sb",
                segment=segment,
                backbone=backbone,
            )
            for segment in own
        ]
    return tuple(segments), tuple(links)


def _hosts(cloud: Cloud, segments: tuple[Segment, ...], lab_id: str) -> tuple[LabHost, ...]:
    marks = _marks(host.name for host in cloud.hosts)
    return tuple(
        LabHost(
            name=host.name,
            container=f"{PREFIX}{lab_id}-{host.name}",
            address=host.address,
            user=host.ssh.user,
            port=host.ssh.port,
            site=host.site,
            nics=_nics(host, segments, f"{PREFIX}{lab_id}-{marks[host.name]}"),
            route=next(s.wire.gateway for s in segments if s.wire.name == "management"),
        )
        for host in cloud.hosts
    )


def _marks(names: Iterable[str]) -> dict[str, str]:
    """Three letters for each host that do not change when other hosts come and go."""
    marks: dict[str, str] = {}
    for name in names:
        salt = 0
        while not marks.get(name):
            number = int(hashlib.sha256(f"{name}{salt or ''}".encode()).hexdigest()[:8], 16)
            mark = "".join(_DIGITS[number // 36**i % 36] for i in range(3))
            if mark not in marks.values():
                marks[name] = mark
            salt += 1
    return marks


def _nics(host: Host, segments: tuple[Segment, ...], cable: str) -> tuple[Nic, ...]:
    nics: list[Nic] = []
    address: str | None
    for segment in segments:
        if segment.site != host.site:
            continue
        prefix = IPv4Network(segment.wire.cidr).prefixlen
        match segment.wire.name:
            case "management":
                name, address = "eth0", f"{host.address}/{prefix}"
            case "tunnel" if host.tunnel_address is not None:
                name, address = host.tunnel_interface or "eth1", f"{host.tunnel_address}/{prefix}"
            case "external" if host.external_interface is not None:
                name, address = host.external_interface, None
            case _:
                continue
        nics.append(Nic(name=name, cable=f"{cable}{len(nics)}", segment=segment, address=address))
    return tuple(nics)
