"""The cables and bridges of a lab, made with ip(8) on this machine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from cloudwright.errors import HostError, Missing
from cloudwright.lab.cuts import Uplink
from cloudwright.lab.spec import PREFIX, LabHost, LabSpec, Link, Nic, Segment
from cloudwright.transport.host import Host


async def devices(machine: Host) -> dict[str, dict[str, Any]]:
    """Every network device of this machine by name, as `ip -json address` tells it."""
    done = await machine.run("ip -json address")
    return {link["ifname"]: link for link in json.loads(done.stdout or "[]")}


async def make_segments(machine: Host, spec: LabSpec) -> None:
    """Make the bridges and links that are missing, and give this machine its addresses there.

    Raises HostError when another device of this machine is already in one of the networks.
    """
    there = await devices(machine)
    _check_free(there, spec)
    lines: list[str] = []
    for segment in spec.segments:
        lines += [] if segment.bridge in there else _bridge(segment)
        if _own(segment, spec) not in _addresses(there.get(segment.bridge, {})) | {None}:
            lines.append(f"address replace {_own(segment, spec)} dev {segment.bridge}")
    for link in spec.links:
        lines += [] if link.segment_end in there else _link(link)
    await _ip(machine, lines)


async def plug(machine: Host, host: LabHost) -> None:
    """Make the network namespace of `host` anew, with every card and cable in it."""
    space = host.container
    await unplug(machine, host)
    outside, inside = [f"netns add {space}"], ["link set lo up"]
    for nic in host.nics:
        outside += _cable(nic, space)
        inside += _card(nic)
    if host.route:
        inside.append(f"route replace default via {host.route}")
    await _ip(machine, outside)
    await _ip(machine, inside, f"-netns {space}")
    commands = [f"ip netns exec {space} {_whole(n.name)}" for n in host.nics if _soft(n)]
    commands += [_whole(n.cable) for n in host.nics if _soft(n)]
    if commands:
        await machine.run(" && ".join(commands))


async def unplug(machine: Host, host: LabHost) -> None:
    """Pull the cables of `host` and forget its network namespace."""
    # The cables go by name: a namespace that a dying process still holds keeps its cards.
    names = " ".join(nic.cable for nic in host.nics)
    await machine.run(
        f"for cable in {names}; do ip link delete $cable 2>/dev/null; done; "
        f"ip netns delete {host.container} 2>/dev/null; true"
    )


async def silence(machine: Host, hosts: Sequence[LabHost]) -> None:
    """Let no packet in or out of `hosts` any more; `plug` gives each new cables."""
    cables = [nic.cable for host in hosts for nic in host.nics]
    await _ip(machine, [f"link set {cable} down" for cable in cables])


async def plugged(machine: Host, spec: LabSpec) -> frozenset[str]:
    """The hosts of the lab whose every cable is in and whose namespace is there."""
    there = await devices(machine)
    done = await machine.run("ls /run/netns 2>/dev/null || true")
    spaces = set(done.stdout.split())
    return frozenset(
        host.name
        for host in spec.hosts
        if host.container in spaces and all(nic.cable in there for nic in host.nics)
    )


async def uplinks(machine: Host, spec: LabSpec) -> dict[str, Uplink]:
    """How each site's uplinks are; of a lab with one site, nothing. Missing when it is not up."""
    done = await machine.run("ip -json -details link")
    there = {link["ifname"]: link for link in json.loads(done.stdout or "[]")}
    found: dict[str, Uplink] = {}
    for link in spec.links:
        if link.backbone_end not in there:
            hint = "`cloudwright lab up` makes it"
            raise Missing("the lab is not up", why=f"no {link.backbone_end} is here", hint=hint)
        end = there[link.backbone_end]
        port = end.get("linkinfo", {}).get("info_slave_data", {})
        state: Uplink = "isolated" if port.get("isolated") else "up"
        if "UP" not in end.get("flags", ()):
            state = "down"
        found[str(link.segment.site)] = state
    return found


async def set_uplinks(machine: Host, spec: LabSpec, states: Mapping[str, Uplink]) -> None:
    """Make every network's uplink of each site as `states` says."""
    lines: list[str] = []
    for link in spec.links:
        state = states[str(link.segment.site)]
        isolated = "on" if state == "isolated" else "off"
        lines.append(f"link set {link.backbone_end} type bridge_slave isolated {isolated}")
        lines.append(f"link set {link.backbone_end} {'down' if state == 'down' else 'up'}")
    await _ip(machine, lines)


async def remove_devices(machine: Host, lab_id: str) -> None:
    """Remove every device and namespace of the lab, whatever a killed run left of it."""
    prefix = f"{PREFIX}{lab_id}-"
    names = [name for name in await devices(machine) if name.startswith(prefix)]
    # One end of a cable takes the other with it, so that a later one may be gone already.
    loop = "".join(f"ip link delete {name} 2>/dev/null; " for name in names)
    spaces = (
        f"for n in $(ls /run/netns 2>/dev/null | grep '^{prefix}'); do ip netns delete $n; done"
    )
    await machine.run(f"{loop}{spaces}; true")


def _check_free(there: dict[str, dict[str, Any]], spec: LabSpec) -> None:
    wanted = {IPv4Network(s.wire.cidr): s for s in spec.segments}
    for name, link in there.items():
        if name.startswith(spec.devices):
            continue
        for info in link.get("addr_info", ()):
            if info.get("family") != "inet":
                continue
            found = IPv4Network(f"{info['local']}/{info['prefixlen']}", strict=False)
            for network, segment in wanted.items():
                if network.overlaps(found):
                    _refuse(name, str(found), segment)


def _refuse(device: str, found: str, segment: Segment) -> None:
    other = device.startswith(PREFIX)
    hint = (
        "another lab has it: `cloudwright lab down` there, or give this cloud other networks"
        if other
        else "give this cloud other networks in cloud.yaml"
    )
    raise HostError(
        f"the {segment.wire.name} network {segment.wire.cidr} is taken on this machine",
        why=f"{device} is in {found}",
        hint=hint,
    )


def _addresses(link: dict[str, Any]) -> set[str | None]:
    return {f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", ())}


def _own(segment: Segment, spec: LabSpec) -> str | None:
    """This machine's address on `segment`: it stands where the sites meet."""
    joined = any(link.segment == segment for link in spec.links)
    if segment.wire.gateway is None or joined:
        return None
    return f"{segment.wire.gateway}/{IPv4Network(segment.wire.cidr).prefixlen}"


def _bridge(segment: Segment) -> list[str]:
    # Without IPv6 autoconfiguration a bridge is silent until a host speaks.
    name, mtu = segment.bridge, segment.wire.mtu
    return [
        f"link add {name} mtu {mtu} type bridge mcast_snooping 0",
        f"link set {name} up",
    ]


def _link(link: Link) -> list[str]:
    one, other, mtu = link.segment_end, link.backbone_end, link.segment.wire.mtu
    return [
        f"link add {one} mtu {mtu} type veth peer name {other}",
        f"link set {other} mtu {mtu} master {link.backbone.bridge} up",
        f"link set {one} master {link.segment.bridge} up",
    ]


def _cable(nic: Nic, space: str) -> list[str]:
    mtu = nic.segment.wire.mtu
    return [
        f"link add {nic.cable} mtu {mtu} type veth peer name {nic.name} mtu {mtu} netns {space}",
        f"link set {nic.cable} master {nic.segment.bridge} up",
    ]


def _card(nic: Nic) -> list[str]:
    address = [f"address add {nic.address} dev {nic.name}"] if nic.address else []
    return [*address, f"link set {nic.name} up"]


def _soft(nic: Nic) -> bool:
    return nic.segment.wire.soft_switched


def _whole(device: str) -> str:
    """Have the kernel finish checksums before a packet leaves: nothing after it would."""
    return f"ethtool -K {device} tx off >/dev/null"


async def _ip(machine: Host, lines: list[str], options: str = "") -> None:
    if lines:
        batch = "\n".join(lines) + "\n"
        await machine.run(f"ip {options} -batch {shlex.quote('-')}", stdin=batch.encode())
