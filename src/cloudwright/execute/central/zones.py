"""Nova's availability zones: a host aggregate for each, seen and made over its API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudwright.execute.central.keystone import Keystone
from cloudwright.plan.steps import MakeZone

KEY = "availability_zone"
"""The property by which Nova takes an aggregate for a zone."""

LABEL = "cloudwright"
"""A property of the aggregates that are ours; those of the operator are left alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Aggregate:
    """A host aggregate of ours, as Nova holds it."""

    id: int
    name: str
    zone: str
    hosts: frozenset[str]


async def look(keystone: Keystone, url: str) -> Mapping[str, Aggregate]:
    """Name → each aggregate of ours, as the compute API at `url` holds it."""
    return {
        found["name"]: Aggregate(
            id=int(found["id"]),
            name=found["name"],
            zone=found["metadata"].get(KEY, ""),
            hosts=frozenset(found["hosts"]),
        )
        for found in await keystone.listed(f"{url}/os-aggregates", "aggregates")
        if LABEL in found["metadata"]
    }


def difference(action: MakeZone, aggregates: Mapping[str, Aggregate]) -> str | None:
    """What of the zone Nova does not hold, in words; None when all is there, empty when nothing
    is."""
    found = aggregates.get(action.zone)
    if found is None:
        return ""
    words = []
    if found.zone != action.zone:
        words.append(f"it is zone {found.zone or 'of no name'}")
    if missing := set(action.hosts) - found.hosts:
        words.append(f"lacks {', '.join(sorted(missing))}")
    if strange := found.hosts - {*action.hosts, *action.others}:
        words.append(f"has {', '.join(sorted(strange))}")
    return ", ".join(words) or None


async def make(keystone: Keystone, action: MakeZone) -> None:
    """The aggregate, its zone and its hosts; again changes nothing."""
    there = await look(keystone, action.url)
    await keystone.as_admin(lambda api: _make(api, action, there))


def _make(api: Any, action: MakeZone, there: Mapping[str, Aggregate]) -> None:
    own = there.get(action.zone)
    wanted = set(action.hosts)
    for other in there.values():
        # Nova lets no host be in two zones.
        gone = other.hosts - wanted - set(action.others) if other is own else other.hosts & wanted
        for host in sorted(gone):
            _tell(api, action, other.id, {"remove_host": {"host": host}})
    id = own.id if own else _new(api, action)
    if own and own.zone != action.zone:
        _tell(api, action, id, {"set_metadata": {"metadata": {KEY: action.zone}}})
    for host in sorted(wanted - (own.hosts if own else set())):
        _tell(api, action, id, {"add_host": {"host": host}})


def _new(api: Any, action: MakeZone) -> int:
    wanted = {"aggregate": {"name": action.zone, KEY: action.zone}}
    id = int(api.post(f"{action.url}/os-aggregates", json=wanted).json()["aggregate"]["id"])
    _tell(api, action, id, {"set_metadata": {"metadata": {LABEL: "site"}}})
    return id


def _tell(api: Any, action: MakeZone, id: int, body: Mapping[str, Any]) -> None:
    api.post(f"{action.url}/os-aggregates/{id}/action", json=body)
