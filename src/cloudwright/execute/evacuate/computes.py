"""Nova's compute services: which report, which are held out, and the records of evacuations."""

from __future__ import annotations

from dataclasses import dataclass

from cloudwright.execute.evacuate.apis import Apis

EVACUATION = "evacuation"
OPEN = ("accepted", "pre-migrating", "done")
"""States of an evacuation's record that the lost host's nova-compute has not cleaned up after:
it calls them `completed` once it has (`_destroy_evacuated_instances`, nova/compute/manager.py)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compute:
    """A host's nova-compute as Nova sees it. `up`: it has reported within `service_down_time`
    (20 or 40 s) and is not held out; `heard` is when it last changed, in Nova's own text."""

    id: str
    host: str
    up: bool
    enabled: bool
    held_out: bool
    heard: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """An evacuation, as the source host finds it when it comes back."""

    id: int
    instance: str
    source: str
    status: str


def computes(apis: Apis) -> dict[str, Compute]:
    """Every compute service by its host."""
    found = apis.nova("/os-services", binary="nova-compute")["services"]
    return {
        one["host"]: Compute(
            id=one["id"],
            host=one["host"],
            up=one["state"] == "up",
            enabled=one["status"] == "enabled",
            held_out=bool(one["forced_down"]),
            heard=one["updated_at"] or "never",
        )
        for one in found
    }


def hold_out(apis: Apis, compute: Compute, out: bool) -> None:
    """Tell Nova that the host is down whatever it says (forced_down), or no longer so."""
    body = {"forced_down": out}
    apis.compute.put(f"/os-services/{compute.id}", json=body, microversion="2.53")


def open_records(apis: Apis, host: str) -> tuple[Record, ...]:
    """Evacuations from `host` that it has not cleaned up after."""
    return tuple(one for one in _records(apis, source_compute=host) if one.status in OPEN)


def newest_record(apis: Apis, instance: str) -> Record | None:
    """The last evacuation of an instance."""
    found = _records(apis, instance_uuid=instance)
    return max(found, key=lambda one: one.id, default=None)


def _records(apis: Apis, **query: str) -> tuple[Record, ...]:
    found = apis.nova_pages("/os-migrations", "migrations", migration_type=EVACUATION, **query)
    return tuple(
        Record(
            id=one["id"],
            instance=one["instance_uuid"],
            source=one["source_compute"],
            status=one["status"],
        )
        for one in found
    )
