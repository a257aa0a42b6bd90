"""Clouds in memory: what is declared, what answers, and a run of `apply` over it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from dataclasses import dataclass, replace
from pathlib import Path

from cloudwright.execute.journal.events import Event, Outcome
from cloudwright.execute.journal.steplog import StepLogs
from cloudwright.execute.run import walk
from cloudwright.execute.simulated import Killed, SimulatedWorld
from cloudwright.images.schemas import Schemas
from cloudwright.model.cloud import Api, Cloud, External, Host, Network, Networks, Site
from cloudwright.model.facts import Facts
from cloudwright.model.overrides import Override, OverrideFile, Overrides
from cloudwright.model.secrets import Certificate
from cloudwright.plan.blueprint import Blueprint, World, make_blueprint
from cloudwright.plan.checks import check, kept
from cloudwright.plan.difference import Plan, make_plan
from cloudwright.plan.steps import ConfigFile
from cloudwright.services import SERVICES

SCHEMAS = Schemas(release="2026.2")
IMAGES = tuple(sorted({s.image.name for s in SERVICES if s.image}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """All that decides a blueprint: the cloud, the build of each image, the operator's options."""

    cloud: Cloud
    builds: tuple[tuple[str, int], ...] = ()
    options: tuple[tuple[str, str, str], ...] = ()
    """(file, option of DEFAULT, value); `debug` is one that a running process may take."""
    generations: tuple[tuple[str, int], ...] = ()
    """Of certificates that were renewed: `Secret.lineage`, generation."""

    def with_build(self, image: str) -> Wanted:
        """A new build of one image."""
        builds = dict(self.builds)
        builds[image] = builds.get(image, 0) + 1
        return replace(self, builds=tuple(sorted(builds.items())))

    def with_new_certificates(self) -> Wanted:
        """The next generation of every certificate that is used."""
        before = dict(self.generations)
        used = {
            secret.lineage
            for secret in everything(self).secrets.values()
            if isinstance(secret.recipe, Certificate)
        }
        renewed = {lineage: before.get(lineage, 1) + 1 for lineage in used}
        return replace(self, generations=tuple(sorted(renewed.items())))

    def with_option(self, file: str, option: str, value: str) -> Wanted:
        """An option of the operator's."""
        others = tuple(o for o in self.options if o[:2] != (file, option))
        return replace(self, options=(*others, (file, option, value)))


def cloud_of(*roles: tuple[str, ...], sites: int = 1) -> Cloud:
    """A cloud with one host for each set of roles, spread over the sites; witnesses have one of
    their own."""
    names = "abc"[:sites]
    witnesses = (Site(name="w", witness=True),) if ("witness",) in roles else ()
    hosts = tuple(
        Host(
            name=f"h{n}",
            address=f"10.0.0.{n + 1}",
            site="w" if own == ("witness",) else names[n % sites],
            roles=own,
            external_interface="eth2",
        )
        for n, own in enumerate(roles)
    )
    controllers = [h for h in hosts if "control" in h.roles]
    internal = "10.0.0.200" if len(controllers) > 1 else controllers[0].address
    return Cloud(
        name="sim",
        sites=(*(Site(name=name) for name in names), *witnesses),
        hosts=hosts,
        networks=Networks(
            management=Network(cidr="10.0.0.0/24"),
            external=External(
                cidr="203.0.113.0/24",
                gateway="203.0.113.1",
                pool_start="203.0.113.10",
                pool_end="203.0.113.20",
            ),
        ),
        api=Api(internal=internal, external=internal),
    )


@functools.lru_cache(maxsize=256)
def blueprint_of(wanted: Wanted, answering: frozenset[str]) -> Blueprint:
    """What must exist on the hosts that answer."""
    cloud, builds = wanted.cloud, dict(wanted.builds)
    facts = {
        h.name: Facts(host=h.name, cores=2, memory_bytes=8 * 1024**3)
        for h in cloud.hosts
        if h.name in answering
    }
    ids = {
        f"{cloud.images.prefix}/{name}:{cloud.release}": f"{name}-{builds.get(name, 0)}"
        for name in IMAGES
    }
    world = World(facts=facts, image_ids=ids, generations=dict(wanted.generations))
    return make_blueprint(cloud, SERVICES, world, overrides_of(wanted), SCHEMAS.of)


def overrides_of(wanted: Wanted) -> Overrides:
    """The operator's files."""
    return Overrides(
        files=tuple(
            OverrideFile(
                path=f"config/{file}",
                name=file,
                overrides=(Override(section="DEFAULT", option=option, values=(value,), line=1),),
            )
            for file, option, value in wanted.options
        )
    )


def everything(wanted: Wanted) -> Blueprint:
    """What must exist when every host answers."""
    return blueprint_of(wanted, frozenset(h.name for h in wanted.cloud.hosts))


def planned(world: SimulatedWorld, wanted: Wanted) -> tuple[Blueprint, Plan]:
    """What `plan` shows: of the hosts that answer."""
    answering = frozenset(h.name for h in wanted.cloud.hosts if world.host(h.name).up)
    blueprint = blueprint_of(wanted, answering)
    return blueprint, make_plan(blueprint, world.observe(blueprint))


def apply(world: SimulatedWorld, wanted: Wanted, logs: Path) -> tuple[Plan, Outcome | None]:
    """One run, as the verb does it; without an outcome when it was killed."""
    blueprint, plan = planned(world, wanted)
    check(plan, blueprint)
    world.rules = kept(blueprint)
    events: list[Event] = []
    with contextlib.suppress(Killed, BaseExceptionGroup):
        return plan, asyncio.run(walk(plan, world.perform, events.append, StepLogs(logs)))
    return plan, None


def edited(file: ConfigFile) -> ConfigFile:
    """With another content, by somebody else's hand."""
    return replace(file, text="edited", fixed=None if file.fixed else file.fixed)


def fresh(wanted: Wanted, logs: Path) -> SimulatedWorld:
    """The world after a first run in which nothing failed."""
    world = SimulatedWorld(cloud=wanted.cloud.name)
    _, outcome = apply(world, wanted, logs)
    assert outcome and outcome.is_whole
    return world


def assert_same(world: SimulatedWorld, wanted: Wanted, pure: SimulatedWorld) -> None:
    """`world` is, in all that is declared, what a run without failures makes from nothing."""
    _, plan = planned(world, wanted)
    assert [p.step.id for p in plan.planned] == []
    for host in wanted.cloud.hosts:
        mine, theirs = world.host(host.name).whole(), pure.host(host.name).whole()
        for part in ("files", "processes"):
            assert mine[part] == theirs[part], f"{part} on {host.name}"
        for part in ("volumes", "switches"):
            assert set(theirs[part]) <= set(mine[part]), f"{part} on {host.name}"
    assert pure.central.items() <= world.central.items()
    assert world.broken == []
