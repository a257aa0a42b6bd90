"""Bring container images to the hosts that lack them, before anything there needs one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloudwright.declare.service import Service, hosts_of
from cloudwright.model.cloud import Cloud
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.body import image_of
from cloudwright.plan.difference import Observed, Plan, Seen, make_plan
from cloudwright.plan.steps import BringImages, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Holdings:
    """Which container images there are: `local` (reference → id) on this machine, `held` (ids) on
    each host that was reached; and `ids`, the content that a reference stands for in this cloud.
    """

    local: Mapping[str, str]
    held: Mapping[str, frozenset[str]]
    ids: Mapping[str, str]


def deliver(
    cloud: Cloud, services: Sequence[Service], holdings: Holdings, hosts: Sequence[str] = ()
) -> tuple[Blueprint, Plan]:
    """A step for each host (of `hosts`, if given) that lacks an image which the cloud runs there.

    An image that neither this machine nor the host has is left out: what needs it says so.
    """
    steps: dict[str, Step] = {}
    seen: dict[str, Seen] = {}
    for name, references in needed_images(cloud, services).items():
        if name not in holdings.held or (hosts and name not in hosts):
            continue
        wanted = {r: holdings.ids.get(r, "") for r in references}
        lacking = {
            reference: id
            for reference, id in wanted.items()
            if id not in holdings.held[name] and holdings.local.get(reference) == id
        }
        action = BringImages(images=lacking or wanted)
        step = Step(id=f"images/images@{name}", host=name, action=action)
        steps[step.id] = step
        if not lacking:
            seen[step.id] = Seen(digest=step.digest)
    blueprint = Blueprint(cloud=cloud.name, steps=steps, secrets={})
    return blueprint, make_plan(blueprint, Observed(seen=seen))


def needed_images(cloud: Cloud, services: Sequence[Service]) -> Mapping[str, tuple[str, ...]]:
    """Host → references of all images that its containers and jobs run, in a stable order."""
    needed: dict[str, dict[str, None]] = {host.name: {} for host in cloud.hosts}
    for service in services:
        for container in service.containers:
            for host in hosts_of(cloud, container):
                needed[host.name][image_of(service, container, cloud)] = None
    return {name: tuple(references) for name, references in needed.items()}
