"""The options that a container has on one host, as that host really is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloudwright.declare.service import Container, Service, hosts_of
from cloudwright.errors import CloudError, HostError, Missing
from cloudwright.execute.host.fleet import open_fleet
from cloudwright.execute.look.survey import holdings, survey
from cloudwright.execute.session import STATE_DIRECTORY, read_cloud
from cloudwright.images.schemas import Schemas
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.plan.blueprint import World, ats_of
from cloudwright.plan.effective import Effective, effective_options
from cloudwright.plan.provenance import DEFAULT


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """A container's options on `host`; `others` are further hosts that have the container."""

    container: str
    host: str
    others: tuple[str, ...]
    options: tuple[Effective, ...]
    lost: Mapping[str, CloudError] = field(default_factory=dict)
    """Hosts that would have been asked first and cannot be used."""

    @property
    def given(self) -> tuple[Effective, ...]:
        """Those that a file sets: all but upstream's defaults."""
        return tuple(one for one in self.options if one.origin != DEFAULT)


async def explained(
    path: Path, services: Sequence[Service], name: str, host: str = "", *, offline: bool = False
) -> Explained:
    """Every option of the container `name` on `host` (when not given, the first that has it and
    answers).

    The host alone is asked what it is, and not even that when `offline`: it then counts as one
    of which nothing is known. Missing for a container or host that there is none of.
    """
    cloud, overrides = read_cloud(path, services)
    container = find_container(cloud, services, name)
    hosts = [one.name for one in hosts_of(cloud, container)]
    if host and host not in hosts:
        raise Missing(f"no {name} on host {host!r}", hint=_nearest(host, hosts, "it runs on"))
    wanted = [host] if host else hosts
    lost: dict[str, CloudError] = {}
    facts = Facts(host=wanted[0])
    if not offline:
        facts, lost = await _first_facts(path, cloud, wanted)
    chosen = facts.host
    at = ats_of(cloud, services, World(facts={chosen: facts}))[chosen]
    schemas = Schemas(release=cloud.release)
    return Explained(
        container=name,
        host=chosen,
        others=tuple(one for one in hosts if one != chosen),
        options=effective_options(container, at, overrides, schemas.of),
        lost=lost,
    )


def find_container(cloud: Cloud, services: Sequence[Service], name: str) -> Container:
    """The container of that name; Missing when this cloud has none."""
    known = {c.name: c for s in services for c in s.containers if hosts_of(cloud, c)}
    if name not in known:
        raise Missing(f"no container {name!r}", hint=_nearest(name, list(known), "there are"))
    return known[name]


def find_option(found: Explained, asked: str) -> tuple[Effective, ...]:
    """The options that `cpu_mode` or `libvirt.cpu_mode` means; Missing when there is none."""
    section, _, option = asked.rpartition(".")
    hits = tuple(
        one
        for one in found.options
        if one.option == option and section.lower() in ("", one.section.lower())
    )
    if hits:
        return hits
    names = [f"{one.section}.{one.option}" for one in found.options]
    names += [one.option for one in found.options]
    raise Missing(f"{found.container} has no option {asked!r}", hint=_nearest(asked, names, ""))


async def _first_facts(
    path: Path, cloud: Cloud, hosts: Sequence[str]
) -> tuple[Facts, dict[str, CloudError]]:
    """What the first host that can be used is, and why those before it cannot; with one host, or
    when none can, the error is raised."""
    lost: dict[str, CloudError] = {}
    for name in hosts:
        try:
            return await _facts(path, cloud, name), lost
        except HostError as error:
            lost[name] = error
    raise lost[hosts[0]]


async def _facts(path: Path, cloud: Cloud, host: str) -> Facts:
    """What the host is; no other one need be there."""
    alone = replace(cloud, hosts=(cloud.host(host),))
    async with open_fleet(alone, path.resolve().parent / STATE_DIRECTORY / "lab") as fleet:
        return (await survey(fleet, alone, holdings(fleet, alone, {}))).facts[host]


def _nearest(word: str, known: Sequence[str], else_say: str) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"{else_say} {', '.join(known)}" if else_say else ""
