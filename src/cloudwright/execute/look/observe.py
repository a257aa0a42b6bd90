"""Look at every host, database and Keystone at once, and say of each step what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloudwright.engine.api import ContainerSpec, ContainerState, Engine
from cloudwright.errors import EngineError
from cloudwright.execute.central import central
from cloudwright.execute.central.links import Links, open_links
from cloudwright.execute.host import labels
from cloudwright.execute.host.config import Looked, look
from cloudwright.execute.host.container import spec_of
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.host.judge import (
    Config,
    container_seen,
    files_seen,
    is_declared_otherwise,
    reading_seen,
)
from cloudwright.execute.host.switch import switch_difference
from cloudwright.execute.look.strays import strays
from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.cloud import Cloud
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import DRIFTED, Observed, Seen
from cloudwright.plan.steps import (
    MakeVolume,
    ReadAgain,
    RunContainer,
    SetSwitch,
    Step,
    WriteFiles,
)

QUESTIONS = 4
"""So many at a time about the containers of one host: each needs a connection of its own through
SSH, which costs more than a question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _HostView:
    """What one host holds."""

    seen: Mapping[str, Seen]
    strays: tuple[tuple[str, str], ...]


async def observe(fleet: Fleet, cloud: Cloud, blueprint: Blueprint, vault: Vault) -> Observed:
    """What was found for each step. Writes nothing outside the vault (which makes secrets)."""
    async with open_links(fleet, cloud, blueprint, vault) as links:
        steps = list(blueprint.steps.values())
        by_host: dict[str, list[Step]] = {name: [] for name in fleet.members}
        for step in steps:
            by_host[step.host].append(step)
        hosts = asyncio.gather(
            *(_host(fleet, cloud, name, own, links, vault) for name, own in by_host.items())
        )
        views, once = await asyncio.gather(hosts, central.look(links, steps))
    seen: dict[str, Seen] = {}
    for view in views:
        seen.update(view.seen)
    seen.update(central.unseen(once, [id for id in seen if _is_container(blueprint, id)]))
    seen.update(once.seen)
    return Observed(seen=seen, strays=tuple(s for view in views for s in view.strays))


def _is_container(blueprint: Blueprint, id: str) -> bool:
    return isinstance(blueprint.steps[id].action, RunContainer)


async def _host(
    fleet: Fleet, cloud: Cloud, name: str, own: Sequence[Step], links: Links, vault: Vault
) -> _HostView:
    engine = fleet.engine(name)
    containers, volumes, looked = await asyncio.gather(
        engine.containers(), engine.volumes(), _files(fleet, name, own, links, vault)
    )
    files = looked.configs
    found = {c.name: c for c in containers}
    ours = {c.name: c for c in containers if c.labels.get(labels.CLOUD) == cloud.name}
    there = {v.name for v in volumes}
    seen: dict[str, Seen] = {}
    for step in own:
        match step.action:
            case RunContainer(container=container):
                if container in found:
                    config = _config(step, files)
                    seen[step.id] = container_seen(step, found[container], config, cloud.name)
            case ReadAgain(container=container) if container in ours:
                seen[step.id] = reading_seen(step, ours[container], _config(step, files))
            case WriteFiles() if step.id in files:
                seen[step.id] = files_seen(step, files[step.id])
            case MakeVolume(volume=volume) if volume in there:
                seen[step.id] = Seen(digest=step.digest)
            case _:
                pass
    told, switches = await asyncio.gather(
        _looked_into(engine, cloud, [s for s in own if s.id in seen], seen, ours),
        _switches(fleet, name, own, ours),
    )
    seen.update(told | switches)
    # A directory is left alone where a run was cut before its container was made.
    left_over = {one.name for one in strays(containers, cloud.name, own)} | looked.others
    return _HostView(seen=seen, strays=tuple((name, one) for one in sorted(left_over)))


def _config(step: Step, files: Mapping[str, Config]) -> Config | None:
    return next((files[need] for need in step.needs if need in files), None)


async def _looked_into(
    engine: Engine,
    cloud: Cloud,
    steps: Iterable[Step],
    seen: Mapping[str, Seen],
    ours: Mapping[str, ContainerState],
) -> dict[str, Seen]:
    """What the engine says of containers whose labels say that they are as declared, and which are
    not; and of those that are declared otherwise now: in what."""
    few = asyncio.Semaphore(QUESTIONS)

    async def ask(step: Step) -> Seen | None:
        assert isinstance(step.action, RunContainer)
        judged, spec = seen[step.id], spec_of(step, step.action.body, cloud.name)
        state = ours.get(step.action.container)
        as_declared = judged.digest == step.digest
        if not as_declared and not (state and judged.up and is_declared_otherwise(step, state)):
            return None
        kept = _lasting(spec.labels) if as_declared else {}
        async with few:
            words = await _differences(engine, replace(spec, labels=kept))
        told = words if as_declared else (judged.why, *words)
        return replace(judged, digest=DRIFTED, why=", ".join(told)) if words else None

    asked = [step for step in steps if isinstance(step.action, RunContainer)]
    found = await asyncio.gather(*(ask(step) for step in asked))
    return {step.id: told for step, told in zip(asked, found, strict=True) if told}


def _lasting(said: Mapping[str, str]) -> Mapping[str, str]:
    """The labels that decide: not what it read as it started, for it may have read again since."""
    return {n: value for n, value in said.items() if n not in (labels.READ, labels.CONFIG)}


async def _differences(engine: Engine, spec: ContainerSpec) -> tuple[str, ...]:
    try:
        return await engine.differences(spec)
    except EngineError as err:
        if err.status != 404:
            raise
        return ("it went while we looked",)


async def _files(
    fleet: Fleet, name: str, steps: Iterable[Step], links: Links, vault: Vault
) -> Looked:
    wanted = {s.id: s.action for s in steps if isinstance(s.action, WriteFiles)}
    return await look(fleet.host(name), wanted, links.values, vault.kept)


async def _switches(
    fleet: Fleet, name: str, steps: Iterable[Step], running: Mapping[str, ContainerState]
) -> dict[str, Seen]:
    seen = {}
    for step in steps:
        if not isinstance(step.action, SetSwitch):
            continue
        container = running.get(step.action.container)
        if container is None or not container.running:
            continue
        why = await switch_difference(fleet.host(name), step.action)
        seen[step.id] = Seen(digest=DRIFTED, why=why) if why else Seen(digest=step.digest)
    return seen
