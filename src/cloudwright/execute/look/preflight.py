"""`check --hosts`: what on the hosts would stand in the way, found before anything is touched."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from cloudwright.engine.quirks import ENGINES, PODMAN
from cloudwright.errors import CloudError
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.look.docker import judge_start, judge_store
from cloudwright.execute.look.engine import SETTINGS, Quirk, find_start, find_store
from cloudwright.execute.look.fitness import MAX_SKEW_SECONDS, Condition, look, taken
from cloudwright.execute.look.round_trips import Trips, measure
from cloudwright.model.cloud import Cloud, Host, datapath, virt_type
from cloudwright.model.facts import Facts
from cloudwright.operations.round_trip import judge
from cloudwright.plan.blueprint import Blueprint, World
from cloudwright.plan.steps import RunContainer

GIB = 1024**3
MIN_CORES = 2
MIN_MEMORY = {"control": 6 * GIB, "network": GIB, "compute": 2 * GIB, "witness": GIB}
"""Bytes that each role takes; a host with several needs the largest, plus room for instances."""
MIN_DISK = 10 * GIB

ENABLED = "enabled"
"""What `systemctl is-enabled` says of a unit that starts when the host boots; not of one that is
static, which something else has to start (systemctl(1))."""

Severity = Literal["ok", "warning", "error"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFinding:
    """One thing looked at on one host, and what to do when it is not well."""

    host: str
    subject: str
    severity: Severity
    text: str
    hint: str = ""


async def preflight(
    fleet: Fleet, cloud: Cloud, world: World, blueprint: Blueprint
) -> tuple[HostFinding, ...]:
    """Every finding of every host, in the file's order, then of what is between. Changes nothing;
    where Podman is the engine it starts containers that end at once.

    Of a host that is lost there is one: why.
    """
    hosts = asyncio.gather(*(_host(fleet, cloud, host, world, blueprint) for host in cloud.hosts))
    trips, parts = await asyncio.gather(measure(fleet, cloud), hosts)
    return (*(finding for part in parts for finding in part), *check_round_trips(trips))


async def _host(
    fleet: Fleet, cloud: Cloud, host: Host, world: World, blueprint: Blueprint
) -> tuple[HostFinding, ...]:
    if host.name in fleet.lost:
        return (lost(host, fleet.lost[host.name]),)
    facts = world.facts[host.name]
    condition, units, quirks = await asyncio.gather(
        look(fleet, host, blueprint),
        _units(fleet, host.name),
        _quirks(fleet, host.name, facts),
    )
    return (
        *check_machine(host, facts),
        *check_boot(host, facts, units),
        *check_interfaces(cloud, host, facts),
        *check_engine(host, facts, *quirks),
        *check_choices(cloud, host, facts),
        *check_images(host, world, blueprint),
        *check_ports(host, blueprint, condition),
    )


def lost(host: Host, error: CloudError) -> HostFinding:
    """That nothing else can be said of a host; the cause is the last that it, or SSH, said."""
    *_, cause = ("", *error.why.splitlines())
    return HostFinding(
        host=host.name,
        subject="reached",
        severity="error",
        text=f"{error.what}: {cause}" if cause else error.what,
        hint=error.hint,
    )


def check_machine(host: Host, facts: Facts) -> Iterable[HostFinding]:
    """Cores, memory, disk and clock."""
    memory = max((MIN_MEMORY[r] for r in host.roles), default=GIB)
    for subject, found, least, unit in (
        ("cores", facts.cores, MIN_CORES, 1),
        ("memory", facts.memory_bytes, memory, GIB),
        ("disk", facts.disk_free_bytes, MIN_DISK, GIB),
    ):
        text = f"{found / unit:.0f} of at least {least / unit:.0f}" + (" GiB" if unit > 1 else "")
        few = found < least
        yield HostFinding(
            host=host.name,
            subject=subject,
            severity="error" if few else "ok",
            text=text,
            hint="give the host more, or fewer roles" if few else "",
        )
    skewed = abs(facts.time_skew) > MAX_SKEW_SECONDS
    yield HostFinding(
        host=host.name,
        subject="clock",
        severity="error" if skewed else "ok",
        text=f"{facts.time_skew:+.1f} s from this machine's",
        hint="run a time service (chrony) on the host" if skewed else "",
    )


def check_boot(host: Host, facts: Facts, units: Mapping[str, str]) -> Iterable[HostFinding]:
    """After a power cut the engine starts what the host ran; `units` is unit of systemd → state,
    empty where there is no systemd."""
    if not units:
        return
    needed = next(q.at_boot for q in ENGINES if q.kind == facts.engine)
    off = [among[0] for among in needed if ENABLED not in map(units.get, among)]
    yield HostFinding(
        host=host.name,
        subject="boot",
        severity="error" if off else "ok",
        text=f"the host would boot without {', '.join(off)}"
        if off
        else "the host's containers start with it",
        hint=f"`systemctl enable {' '.join(off)}` on the host" if off else "",
    )


def check_round_trips(trips: Trips) -> Iterable[HostFinding]:
    """The voters are near enough to each other for what the database's members agree on."""
    for host, others in trips.items():
        for other, seconds in others.items():
            if seconds:
                verdict = judge(seconds)
                severity, hint = verdict.severity, verdict.hint
                text = f"to {other}: {verdict.text}"
            else:
                severity, text = "warning", f"to {other}: not known, no answer to ping or SSH"
                hint = "voters must reach each other: look at routes and firewalls between them"
            yield HostFinding(
                host=host, subject="round trip", severity=severity, text=text, hint=hint
            )


def check_interfaces(cloud: Cloud, host: Host, facts: Facts) -> Iterable[HostFinding]:
    """The addresses and network cards that `cloud.yaml` names are there; on the only controller
    the API's too, which nobody else brings up."""
    addresses = [host.address, host.tunnel]
    if "control" in host.roles and not cloud.needs_virtual_address:
        addresses += [cloud.api.internal, cloud.api.external]
    for address in dict.fromkeys(addresses):
        name = facts.interface_of(address)
        yield HostFinding(
            host=host.name,
            subject="address",
            severity="ok" if name else "error",
            text=f"{address} on {name}" if name else f"no card has {address}",
            hint="" if name else "give the card this address, or correct it in cloud.yaml",
        )
    card = host.external_interface
    if card is None:
        return
    found = next((i for i in facts.interfaces if i.name == card), None)
    if found is None:
        names = ", ".join(i.name for i in facts.interfaces)
        text, hint = f"no card {card}", f"the host has {names}"
    elif any(":" not in address for address in found.addresses):
        text, hint = (
            f"{card} has an address",
            "the switch takes the card whole: remove its address",
        )
    else:
        text, hint = f"{card} is free", ""
    yield HostFinding(
        host=host.name,
        subject="external card",
        severity="error" if hint else "ok",
        text=text,
        hint=hint,
    )


def check_engine(
    host: Host, facts: Facts, start: Quirk | None, store: Quirk | None
) -> Iterable[HostFinding]:
    """The engine, and what stands in its way here: as it starts containers, as it keeps images."""
    found = f"{facts.engine} {facts.engine_version}"
    yield _row(host, "engine", start or Quirk(severity="ok", text=""), found)
    if store:
        yield _row(host, "storage", store)


def _row(host: Host, subject: str, quirk: Quirk, name: str = "") -> HostFinding:
    """In one line: the reasons beside what was found, and a cure that can be pasted."""
    hint = quirk.cure
    if quirk.settings:
        text = shlex.quote(quirk.settings.replace("\n", "\\n"))
        hint = f"on the host: printf {text} | install -D -m 644 /dev/stdin {SETTINGS}"
    parts = [name, quirk.text, *quirk.why]
    return HostFinding(
        host=host.name,
        subject=subject,
        severity=quirk.severity,
        text="; ".join(part for part in parts if part),
        hint=hint,
    )


def check_choices(cloud: Cloud, host: Host, facts: Facts) -> Iterable[HostFinding]:
    """How instances run and packets are switched here, and whether a forced choice can work."""
    if "compute" in host.roles:
        yield _virtualisation(cloud, host, facts)
    if not host.has("network+compute"):
        return  # no switch
    path = datapath(cloud, facts)
    impossible = path == "kernel" and not facts.kernel_ovs
    yield HostFinding(
        host=host.name,
        subject="datapath",
        severity="error" if impossible else "ok" if path == "kernel" else "warning",
        text=f"Open vSwitch in the {'kernel' if path == 'kernel' else 'user space (slower)'}",
        hint="the kernel has no openvswitch and geneve modules" if impossible else "",
    )


def _virtualisation(cloud: Cloud, host: Host, facts: Facts) -> HostFinding:
    virt = virt_type(cloud, facts)
    severity: Severity
    match facts.kvm, virt:
        case _, "qemu" if cloud.compute.virt == "qemu":
            severity, text, hint = "warning", "emulation, as compute.virt says", ""
        case None, _:
            severity, text = "warning", "KVM was not tried: the image with QEMU is not there yet"
            hint = "`apply` brings it first, and tries then"
        case True, _:
            severity, text, hint = "ok", "KVM runs a guest", ""
        case _, "kvm":
            severity, text = "error", "KVM does not run a guest"
            hint = "enable virtualisation in the firmware, or set compute.virt to qemu"
        case _:
            severity, text, hint = "warning", "KVM does not run a guest: emulation", ""
    return HostFinding(
        host=host.name, subject="virtualisation", severity=severity, text=text, hint=hint
    )


def check_images(host: Host, world: World, blueprint: Blueprint) -> Iterable[HostFinding]:
    """Every container image that this host runs is known."""
    wanted = {
        s.action.body.image
        for s in blueprint.steps.values()
        if s.host == host.name and isinstance(s.action, RunContainer)
    }
    missing = sorted(wanted - world.image_ids.keys())
    yield HostFinding(
        host=host.name,
        subject="images",
        severity="error" if missing else "ok",
        text=f"missing: {', '.join(missing)}" if missing else f"{len(wanted)} present",
        hint="`cloudwright images build` makes them" if missing else "",
    )


def check_ports(host: Host, blueprint: Blueprint, condition: Condition) -> Iterable[HostFinding]:
    """No port that a container of ours will listen on belongs to somebody else."""
    actions = (s.action for s in blueprint.steps.values() if s.host == host.name)
    for text, hint in taken(condition, actions):
        yield HostFinding(host=host.name, subject="port", severity="error", text=text, hint=hint)


async def _quirks(fleet: Fleet, name: str, facts: Facts) -> tuple[Quirk | None, Quirk | None]:
    """How the host's engine starts containers and keeps images."""
    if facts.engine != PODMAN.kind:
        info = await fleet.engine(name).info()
        return judge_start(info), judge_store(info)
    host = fleet.host(name)
    return await find_start(host), await find_store(host)


async def _units(fleet: Fleet, name: str) -> dict[str, str]:
    """Unit that an engine may need → what systemd says of it; empty without systemd."""
    units = " ".join(unit for q in ENGINES for among in q.at_boot for unit in among)
    done = await fleet.host(name).run(
        f"[ -d /run/systemd/system ] || exit 0; for unit in {units}; do "
        'echo "$unit $(systemctl is-enabled "$unit" 2>/dev/null)"; done',
        check=False,
    )
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {unit: state for unit, _, state in pairs}
