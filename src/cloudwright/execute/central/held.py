"""Compute hosts that Nova takes for down whatever they say, because somebody told it so."""

from __future__ import annotations

from cloudwright.execute.central.keystone import Keystone
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.steps import MakeIdentity

VERSION = {"OpenStack-API-Version": "compute 2.53"}
"""Nova's microversion of the `forced_down` that is read here."""


def compute_url(blueprint: Blueprint) -> str:
    """The internal URL of the compute API; empty for a cloud that has none."""
    actions = (step.action for step in blueprint.steps.values())
    endpoints = (e for a in actions if isinstance(a, MakeIdentity) for e in a.endpoints)
    return next((e.internal for e in endpoints if e.type == "compute"), "")


async def held_out(keystone: Keystone, url: str) -> tuple[str, ...]:
    """The hosts that the compute API at `url` holds out, by name."""
    path = f"{url}/os-services?binary=nova-compute"
    services = await keystone.listed(path, "services", VERSION)
    return tuple(sorted(one["host"] for one in services if one.get("forced_down")))
