"""Which instances of lost hosts can be brought up elsewhere, where, and what each loses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cloudwright.errors import InvalidCloud, Problem
from cloudwright.model.cloud import Cloud
from cloudwright.operations.what_if import meant

Amounts = Mapping[str, int]
"""Resource class of Placement (VCPU, MEMORY_MB, DISK_GB, …) → how much."""

REBUILDING = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
"""Nova's task states of an evacuation under way (nova/compute/task_states.py)."""

STATES = ("active", "stopped", "error")
"""The states that Nova evacuates from (`API.evacuate` in nova/compute/api.py)."""

Policy = Literal["", "affinity", "anti-affinity"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A server group whose policy is no mere wish; `per_host`: of one with `anti-affinity`, how
    many of its members one host may have; `members`: ids of instances."""

    id: str = ""
    policy: Policy = ""
    per_host: int = 1
    members: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """An instance of a lost host, as Nova holds it.

    `image` is what it was booted from: its name, empty for a volume; `image_why` is why that
    cannot be used. `volumes` counts those attached. `zone` is the availability zone that it was
    asked for in, empty when in none. `needs` is what it holds of its host in Placement.
    """

    id: str
    name: str
    host: str
    state: str
    task: str
    needs: Amounts
    image: str = ""
    image_why: str = ""
    volumes: int = 0
    zone: str = ""
    group: Group = field(default_factory=Group)

    @property
    def under_way(self) -> bool:
        """Whether an earlier run asked for it, and Nova is at it."""
        return self.task in REBUILDING


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What a remaining host has free: `free` of each class, `most` that one instance may have of
    it; `members` counts the members of groups that it has."""

    host: str
    zone: str
    free: Amounts
    most: Amounts = field(default_factory=dict)
    members: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """An instance and the host that it goes to."""

    instance: Instance
    host: str
    zone: str

    @property
    def forced(self) -> bool:
        """Whether Nova's scheduler must be passed by, as it would send the instance nowhere but
        to its lost zone, or to the lost host of its group."""
        pinned = self.instance.zone not in ("", self.zone)
        return pinned or self.instance.group.policy == "affinity"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What an evacuation would do: `moves` in the order in which they are asked for, those
    `under_way` already, and who stays, with why."""

    moves: tuple[Move, ...]
    under_way: tuple[Instance, ...]
    stays: tuple[tuple[Instance, str], ...]
    homeless: tuple[tuple[Instance, str], ...]
    """Those that could be moved if there were room."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask for or to wait for."""
        return not (self.moves or self.under_way)


def compute_hosts(cloud: Cloud, names: Iterable[str]) -> tuple[str, ...]:
    """The compute hosts among what is named (`site:NAME`, `host:NAME`, `NAME`), in file order.

    Raises InvalidCloud for an unknown name, or one behind which no host runs instances.
    """
    hosts = {host.name for host in cloud.hosts_with("compute")}
    chosen: set[str] = set()
    for name in names:
        found = meant(cloud, name) & hosts
        if not found:
            text = f'"{name}" has no host that runs instances'
            hint = f"hosts of role compute: {', '.join(sorted(hosts)) or 'none'}"
            raise InvalidCloud((Problem(file="cloud.yaml", text=text, hint=hint),))
        chosen |= found
    return tuple(host.name for host in cloud.hosts if host.name in chosen)


def hindrance(instance: Instance) -> str:
    """Why Nova would not evacuate it, whatever room there is; empty when it would."""
    if instance.state not in STATES:
        return f"it is {instance.state}; Nova evacuates what is {', '.join(STATES)}"
    if instance.task:
        return f"it is {instance.task} since its host was lost; reset its state first"
    if instance.image_why:
        return instance.image_why
    if not instance.needs:
        return "Placement knows of nothing that it has on its host"
    if instance.group.policy == "affinity" and instance.group.members - {instance.id}:
        return "its server group must be on one host, and Nova moves none of such a group alone"
    return ""


def loss(instance: Instance) -> str:
    """What becomes of its disks, in words."""
    volumes = {0: "", 1: "; its volume is kept"}.get(
        instance.volumes, f"; its {instance.volumes} volumes are kept"
    )
    if instance.image:
        return f"rebuilt from image {instance.image}: all it wrote since is lost{volumes}"
    return "boots from its volume: kept" if instance.volumes < 2 else "all its volumes are kept"


def outlook(instances: Iterable[Instance], rooms: Sequence[Room]) -> Outlook:
    """Sort the instances of lost hosts, and give a host to each that can have one."""
    every = sorted(instances, key=_rank)
    rest = [i for i in every if not i.under_way]
    stays = tuple((i, why) for i in rest if (why := hindrance(i)))
    movable = [i for i in rest if not hindrance(i)]
    places = pack(movable, rooms)
    zones = {room.host: room.zone for room in rooms}
    return Outlook(
        moves=tuple(
            Move(instance=i, host=places[i.id], zone=zones[places[i.id]])
            for i in movable
            if i.id in places
        ),
        under_way=tuple(i for i in every if i.under_way),
        stays=stays,
        homeless=tuple((i, _lacks(i, rooms)) for i in movable if i.id not in places),
    )


def pack(instances: Iterable[Instance], rooms: Sequence[Room]) -> Mapping[str, str]:
    """Instance id → host, for as many as find room; no host gets more than it has free.

    Those that run come first, the largest of them first, then by name. Spread over the hosts if
    all fit so, else packed tight if more of them fit so. No search for the best of all packings:
    an instance that is left out has no room beside the others, and might have beside others.
    """
    ordered = sorted(instances, key=_rank)
    spread, tight = (_fill(ordered, rooms, tight=way) for way in (False, True))
    return tight if len(tight) > len(spread) else spread


def _rank(instance: Instance) -> tuple[bool, list[int], str, str]:
    sizes = [-instance.needs.get(name, 0) for name in ("MEMORY_MB", "VCPU", "DISK_GB")]
    return (instance.state == "stopped", sizes, instance.name, instance.id)


@dataclass(kw_only=True, slots=True)
class _Bin:
    room: Room
    free: dict[str, int]
    members: dict[str, int]

    def takes(self, instance: Instance) -> bool:
        return not _short(instance, self.free, self.room.most) and _may_join(
            instance.group, self.members
        )

    def take(self, instance: Instance) -> None:
        for name, amount in instance.needs.items():
            self.free[name] -= amount
        self.members[instance.group.id] = self.members.get(instance.group.id, 0) + 1

    def left(self, instance: Instance) -> float:
        """The share of what is free that would stay so, of the class that is scarcest then."""
        shares = [
            (self.free[name] - amount) / self.free[name]
            for name, amount in instance.needs.items()
            if amount
        ]
        return min(shares, default=1.0)


def _fill(ordered: Iterable[Instance], rooms: Sequence[Room], *, tight: bool) -> dict[str, str]:
    bins = [
        _Bin(room=room, free=dict(room.free), members=dict(room.members))
        for room in sorted(rooms, key=lambda room: room.host)
    ]
    places: dict[str, str] = {}
    for instance in ordered:
        able = [one for one in bins if one.takes(instance)]
        if able:
            sign = 1 if tight else -1
            best = min(able, key=lambda one: sign * one.left(instance))
            best.take(instance)
            places[instance.id] = best.room.host
    return places


def _short(instance: Instance, free: Amounts, most: Amounts) -> tuple[str, ...]:
    """The classes of which it needs more than there is, or than one instance may have."""
    return tuple(
        name
        for name, amount in instance.needs.items()
        if amount > free.get(name, 0) or amount > most.get(name, amount)
    )


def _may_join(group: Group, members: Mapping[str, int]) -> bool:
    return group.policy != "anti-affinity" or members.get(group.id, 0) < group.per_host


def _lacks(instance: Instance, rooms: Sequence[Room]) -> str:
    """Why an instance has no place: no room on any host even alone, or none beside the others."""
    if not rooms:
        return "no host is left that could take it"
    if not any(_may_join(instance.group, room.members) for room in rooms):
        return "its server group keeps it off every host that is left"
    short = [_short(instance, room.free, room.most) for room in rooms]
    if all(short):
        least = min(short, key=len)
        return f"no host has {', '.join(f'{instance.needs[name]} {name}' for name in least)} free"
    return "no room is left beside the others"
