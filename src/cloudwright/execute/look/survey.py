"""What the hosts are: facts in one round trip each, and the container images that they hold."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Mapping

from cloudwright.errors import HostError
from cloudwright.execute.host import kvm
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.look.fitness import clock_skew
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts, Interface
from cloudwright.operations.deliver import Holdings
from cloudwright.plan.blueprint import World
from cloudwright.plan.body import image_reference

# One line a fact, so that a host needs nothing but a POSIX shell.
_QUESTIONS = r"""
echo cores=$(getconf _NPROCESSORS_ONLN)
echo memory=$(awk '/^MemTotal/ {print $2*1024}' /proc/meminfo)
echo disk=$(df -PB1 /var/lib/containers /var/lib 2>/dev/null | awk 'NR==2 {print $4}')
echo arch=$(uname -m)
echo now=$(date +%s.%N)
if [ -d /sys/module/openvswitch ] || modprobe -n openvswitch 2>/dev/null; then
  if [ -d /sys/module/geneve ] || modprobe -n geneve 2>/dev/null; then echo ovs=yes; fi
fi
echo tunnel=$(cat /var/lib/cloudwright/run/openvswitch/tunnel 2>/dev/null)
echo interfaces=$(ip -json address 2>/dev/null | tr -d '\n')
"""

LocalImages = Mapping[str, str]
"""Reference → id of the cloud's container images on this machine."""


async def survey(fleet: Fleet, cloud: Cloud, looked: Awaitable[Holdings]) -> World:
    """Facts and images of every host that was reached, all at once; HostError names one that did
    not answer. `looked` is who says what images there are."""
    names = [host.name for host in cloud.hosts if host.name in fleet.members]
    images, answers = await asyncio.gather(
        looked, asyncio.gather(*(_answers(fleet, name) for name in names))
    )
    probe = images.ids.get(image_reference(cloud, "nova-libvirt"), "")
    # Where the image is not yet, KVM is not tried; what was found once is kept on the host.
    hypervisors = [
        h.name for h in cloud.hosts_with("compute") if probe in images.held.get(h.name, ())
    ]
    facts = await asyncio.gather(
        *(
            _facts(fleet, name, probe if name in hypervisors else "", said)
            for name, said in zip(names, answers, strict=True)
        )
    )
    return World(facts=dict(zip(names, facts, strict=True)), image_ids=images.ids)


async def holdings(fleet: Fleet, cloud: Cloud, local: LocalImages) -> Holdings:
    """The container images here and on every host that was reached.

    Which content a reference stands for is said by this machine where it has the image, since it
    is what builds and sends them; else by the hosts.
    """
    names = [host.name for host in cloud.hosts if host.name in fleet.members]
    folder = cloud.images.prefix
    images = await asyncio.gather(*(fleet.engine(name).images(folder) for name in names))
    ids = {tag: image.id for found in images for image in found for tag in image.tags}
    held = [frozenset(image.id for image in found) for found in images]
    return Holdings(local=local, held=dict(zip(names, held, strict=True)), ids={**ids, **local})


async def _facts(fleet: Fleet, name: str, kvm_image: str, answer: Mapping[str, str]) -> Facts:
    """`kvm_image` has QEMU for the KVM probe; empty on a host that has no such image, or no
    use for it: there KVM is not tried."""
    host, engine = fleet.host(name), fleet.engine(name)
    version = await engine.version()
    try:
        works = await kvm.kvm_works(host, engine, kvm_image, answer) if kvm_image else None
        return Facts(
            host=name,
            engine=version.kind,
            engine_version=version.version,
            cores=int(answer["cores"]),
            memory_bytes=int(float(answer["memory"])),
            disk_free_bytes=int(answer.get("disk") or 0),
            kvm=works,
            kernel_ovs=answer.get("ovs") == "yes",
            time_skew=round(float(answer["skew"]), 1),
            architecture=answer["arch"],
            interfaces=_interfaces(answer.get("interfaces", ""), answer.get("tunnel", "")),
        )
    except (KeyError, ValueError) as err:
        raise HostError("a host did not say what it is", where=name, why=repr(err)) from err


async def _answers(fleet: Fleet, name: str) -> dict[str, str]:
    """What the host says of itself, and how far its clock is ahead of ours (`clock_skew`)."""
    before = time.time()
    done = await fleet.host(name).run(_QUESTIONS + kvm.QUESTIONS)
    after = time.time()
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    answers = {key: value for key, _, value in pairs}
    if answers.get("now", "").replace(".", "", 1).isdecimal():
        answers["skew"] = str(clock_skew(float(answers["now"]), before, after))
    return answers


def _interfaces(text: str, tunnel: str) -> tuple[Interface, ...]:
    """The cards; `tunnel` is the card and address that a switch in user space took over (the card
    is still where that address belongs)."""
    card, _, address = tunnel.partition(" ")
    found = []
    for link in json.loads(text or "[]"):
        addresses = [
            f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", ()) if "local" in a
        ]
        addresses = [a for a in addresses if a != address]
        if card and link["ifname"] == card:
            addresses.append(address)
        found.append(
            Interface(
                name=str(link["ifname"]),
                mtu=int(link.get("mtu", 1500)),
                addresses=tuple(addresses),
            )
        )
    return tuple(found)
