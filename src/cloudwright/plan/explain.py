"""A plan in words: what would change, on which host, why, and which privileges that takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudwright.declare.service import Container, Service
from cloudwright.errors import number
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.changes import Changes, FileChange
from cloudwright.plan.difference import Change, Plan, Planned
from cloudwright.plan.explain_changes import (
    change_lines,
    changes_json,
    restart_lines,
    restarts_json,
)
from cloudwright.plan.impact import rereads_of, restarts_of
from cloudwright.plan.steps import (
    Action,
    BringImages,
    MakeDatabase,
    MakeIdentity,
    MakeQueueUser,
    MakeVolume,
    MakeZone,
    ReadAgain,
    RemoveContainer,
    RunContainer,
    RunJob,
    SetSwitch,
    WriteFiles,
)

_VIRT = re.compile(r"^virt_type\s*=\s*(\S+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What preflight or the operator chose for a host; empty where the host does not do it."""

    datapath: str = ""
    virt: str = ""


def choices_of(blueprint: Blueprint) -> dict[str, Choice]:
    """Host → how it switches packets and runs instances, read from what it will be given."""
    datapaths: dict[str, str] = {}
    virts: dict[str, str] = {}
    for step in blueprint.steps.values():
        match step.action:
            case SetSwitch(datapath_type=type):
                datapaths[step.host] = "userspace" if type == "netdev" else "kernel"
            case WriteFiles(files=files):
                for file in files:
                    if file.name == "nova.conf" and (found := _VIRT.search(file.text)):
                        virts[step.host] = found[1]
            case _:
                pass
    return {
        host: Choice(datapath=datapaths.get(host, ""), virt=virts.get(host, ""))
        for host in sorted(datapaths.keys() | virts.keys())
    }


def explain(
    plan: Plan, blueprint: Blueprint, services: Sequence[Service], changes: Changes | None = None
) -> str:
    """The plan as text for a person: by service, one line a step, privileges with their reason.

    Below a step that writes files are its `changes`, told in full for the first host alone that
    has them; at the end what restarts, and what somebody at an API notices of that.
    """
    if plan.is_empty:
        return f"{plan.cloud}: nothing to do; all {plan.unchanged} things are as declared"
    lines = [f"{plan.cloud}: {summary(plan)}", *_choice_lines(blueprint), ""]
    summaries = {s.name: s.summary for s in services}
    declared = _declared(services)
    told: dict[tuple[FileChange, ...], str] = {}
    for name, group in _by_service(plan.planned).items():
        about = summaries.get(name, "")
        lines.append(f"{name}: {about}" if about else name)
        width = max(len(_short(p)) for p in group)
        for planned in group:
            lines += _step_lines(planned, width, declared)
            lines += _changed(planned, (changes or {}).get(planned.step.id, ()), told)
        lines.append("")
    lines += restart_lines(restarts_of(plan, blueprint, services), rereads_of(plan))
    return "\n".join(lines).rstrip()


def _changed(
    planned: Planned, changes: tuple[FileChange, ...], told: dict[tuple[FileChange, ...], str]
) -> Iterable[str]:
    if not changes:
        return
    if changes in told:
        yield f"      the same as {told[changes]}"
        return
    told[changes] = _short(planned)
    yield from (f"      {line}" for line in change_lines(changes))


def explain_json(
    plan: Plan, blueprint: Blueprint, services: Sequence[Service], changes: Changes | None = None
) -> dict[str, Any]:
    """The plan as plain data; its keys are kept from version to version."""
    declared = _declared(services)
    return {
        "cloud": plan.cloud,
        "summary": {**counts(plan), "unchanged": plan.unchanged},
        "hosts": {
            host: {"datapath": c.datapath, "virt": c.virt}
            for host, c in choices_of(blueprint).items()
        },
        "steps": [
            {
                "id": p.step.id,
                "service": _service(p),
                "host": p.step.host,
                "kind": type(p.step.action).__name__,
                "change": p.change.name.lower(),
                "what": what(p.step.action),
                "why": p.why,
                "needs": sorted(plan.needs.get(p.step.id, ())),
                "digest": p.step.digest,
                "privileges": dict(_privileges(p.step.action, declared)),
                "files": changes_json((changes or {}).get(p.step.id, ())),
            }
            for p in plan.planned
        ],
        "restarts": restarts_json(restarts_of(plan, blueprint, services)),
        "rereads": {name: list(hosts) for name, hosts in rereads_of(plan).items()},
    }


def counts(plan: Plan) -> dict[str, int]:
    """How many things are made, altered and removed."""
    return {c.name.lower(): sum(p.change is c for p in plan.planned) for c in Change}


def summary(plan: Plan) -> str:
    """One line: `3 to make, 1 to alter, 0 to remove; 120 as declared`."""
    parts = ", ".join(f"{n} to {name}" for name, n in counts(plan).items())
    return f"{parts}; {plan.unchanged} as declared"


def what(action: Action) -> str:
    """What a step does, in a few words."""
    match action:
        case WriteFiles(directory=directory, files=files):
            text = f"{number(len(files), 'file')} in {directory}"
        case MakeVolume(volume=volume):
            text = f"volume {volume}"
        case RunContainer(body=body):
            text = f"container of {body.image}"
        case ReadAgain(files=files):
            text = f"reads {', '.join(f.name for f in files)} again, without a restart"
        case RunJob(body=body):
            text = f"job, once, in {body.image}"
        case MakeDatabase() | MakeQueueUser() | MakeIdentity() | MakeZone() as entry:
            text = _what_entry(entry)
        case SetSwitch(bridges=bridges):
            text = f"bridges {', '.join(bridges)}" if bridges else "settings of Open vSwitch"
        case BringImages(images=images):
            text = f"{number(len(images), 'container image')} of this machine"
        case RemoveContainer(container=container):
            text = f"container {container} goes, its volumes stay"
    return text


def _what_entry(entry: MakeDatabase | MakeQueueUser | MakeIdentity | MakeZone) -> str:
    match entry:
        case MakeDatabase(database=database, user=user):
            return f"database {database}, user {user}"
        case MakeQueueUser(user=user, vhost=vhost):
            return f"queue user {user} in {vhost}"
        case MakeIdentity(user=user, endpoints=endpoints):
            names = [f"endpoint {e.type}" for e in endpoints]
            return ", ".join(([f"user {user}"] if user else []) + names)
        case MakeZone(zone=zone, hosts=hosts):
            return f"availability zone {zone} with {', '.join(hosts) or 'no host'}"


def _choice_lines(blueprint: Blueprint) -> Iterable[str]:
    for host, choice in choices_of(blueprint).items():
        parts = [f"{choice.datapath} datapath"] if choice.datapath else []
        parts += [f"instances by {choice.virt}"] if choice.virt else []
        yield f"  on {host}: {', '.join(parts)}"


def _step_lines(planned: Planned, width: int, declared: Mapping[str, Container]) -> Iterable[str]:
    step = planned.step
    line = f"  {planned.change.value} {_short(planned):<{width}}  {what(step.action)}"
    yield f"{line}: {planned.why}"
    for name, reason in _privileges(step.action, declared):
        yield f"      ! {name}: {reason}"


def _privileges(action: Action, declared: Mapping[str, Container]) -> Iterable[tuple[str, str]]:
    """(privilege, reason) of a container that is made."""
    if not isinstance(action, RunContainer) or action.container not in declared:
        return
    container = declared[action.container]
    if container.privileged:
        yield "privileged", container.privileged
    yield from sorted(container.capabilities.items())
    for shared, name, meaning in (
        (container.host_pid, "host_pid", "sees every process of the host"),
        (container.host_ipc, "host_ipc", "shares memory with processes of the host"),
        (container.host_cgroups, "host_cgroups", "sees every control group of the host"),
    ):
        if shared:
            yield name, meaning


def _declared(services: Sequence[Service]) -> dict[str, Container]:
    return {c.name: c for s in services for c in s.containers}


def _by_service(planned: Iterable[Planned]) -> dict[str, list[Planned]]:
    groups: dict[str, list[Planned]] = {}
    for item in planned:
        groups.setdefault(_service(item), []).append(item)
    return groups


def _service(planned: Planned) -> str:
    return planned.step.id.partition("/")[0]


def _short(planned: Planned) -> str:
    """The id without its service, and always with its host."""
    name = planned.step.id.partition("/")[2]
    host = planned.step.host
    return name if "@" in name or not host else f"{name}@{host}"
