"""Whatever fails, and wherever a run is cut, `apply` again reaches the same whole world."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudwright.execute.events import Event, Outcome
from cloudwright.execute.run import walk
from cloudwright.execute.simulated import Failure, Killed, SimulatedWorld
from cloudwright.execute.steplog import StepLogs
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import Blueprint, World, make_blueprint
from cloudwright.plan.difference import Plan, make_plan
from cloudwright.services import SERVICES

EXAMPLES = Path(__file__).parents[2] / "examples"


def blueprint_of(cloud: Cloud, *, image_id: str = "1") -> Blueprint:
    facts = {h.name: Facts(host=h.name, cores=2, memory_bytes=8 * 1024**3) for h in cloud.hosts}
    prefix = cloud.images.prefix
    names = {s.image.name for s in SERVICES if s.image}
    ids = {f"{prefix}/{name}:{cloud.release}": f"{name}-{image_id}" for name in names}
    return make_blueprint(cloud, SERVICES, World(facts=facts, image_ids=ids), Overrides())


AIO = load(EXAMPLES / "aio.yaml")
BLUEPRINT = blueprint_of(AIO)
IDS = sorted(BLUEPRINT.steps)


def apply(world: SimulatedWorld, blueprint: Blueprint, logs: Path) -> tuple[Plan, Outcome]:
    plan = make_plan(blueprint, world.observe(blueprint))
    events: list[Event] = []
    outcome = asyncio.run(walk(plan, world.perform, events.append, StepLogs(logs)))
    return plan, outcome


def whole(blueprint: Blueprint, logs: Path) -> SimulatedWorld:
    world = SimulatedWorld()
    _, outcome = apply(world, blueprint, logs)
    assert outcome.is_whole
    return world


def test_second_apply_is_empty(tmp_path: Path) -> None:
    world = whole(BLUEPRINT, tmp_path)
    plan, _ = apply(world, BLUEPRINT, tmp_path)
    assert plan.is_empty
    assert set(world.effects) == set(BLUEPRINT.steps)


def test_every_step_comes_after_what_it_needs(tmp_path: Path) -> None:
    world = whole(BLUEPRINT, tmp_path)
    place = {id: n for n, id in enumerate(world.order)}
    for step in BLUEPRINT.steps.values():
        assert all(place[need] < place[step.id] for need in step.needs), step.id


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(failures=st.dictionaries(st.sampled_from(IDS), st.sampled_from(Failure), max_size=6))
def test_failures_anywhere_converge(failures: dict[str, Failure], tmp_path: Path) -> None:
    wanted = whole(BLUEPRINT, tmp_path).state()
    world = SimulatedWorld(failures=dict(failures))
    _, outcome = apply(world, BLUEPRINT, tmp_path)
    assert set(outcome.failed) <= set(failures)
    for _ in failures:  # a failed step may hide another behind it
        apply(world, BLUEPRINT, tmp_path)
    assert world.state() == wanted
    assert make_plan(BLUEPRINT, world.observe(BLUEPRINT)).is_empty


def test_killed_at_every_step_converges(tmp_path: Path) -> None:
    wanted = whole(BLUEPRINT, tmp_path).state()
    for cut in range(len(IDS)):
        world = SimulatedWorld(kill_at=cut)
        with contextlib.suppress(Killed, BaseExceptionGroup):
            apply(world, BLUEPRINT, tmp_path)
        world.kill_at = -1
        apply(world, BLUEPRINT, tmp_path)
        assert world.state() == wanted, f"cut at {cut}"


def test_a_failure_skips_only_what_needed_it(tmp_path: Path) -> None:
    victim = "glance/glance-api@aio"
    world = SimulatedWorld(failures={victim: Failure.BEFORE})
    _, outcome = apply(world, BLUEPRINT, tmp_path)
    assert list(outcome.failed) == [victim]
    assert all(because == victim for because in outcome.skipped.values())
    assert "keystone/keystone-api@aio" in outcome.done


def test_a_new_image_remakes_only_its_containers(tmp_path: Path) -> None:
    world = whole(BLUEPRINT, tmp_path)
    newer = blueprint_of(AIO, image_id="2")
    one = {
        id: newer.steps[id] if id.startswith("glance/") else step
        for id, step in BLUEPRINT.steps.items()
    }
    changed = Blueprint(cloud=AIO.name, steps=one, secrets=BLUEPRINT.secrets)
    plan, _ = apply(world, changed, tmp_path)
    assert [p.step.id for p in plan.planned] == ["glance/glance-api@aio"]


def test_a_container_that_nothing_declares_is_removed(tmp_path: Path) -> None:
    world = whole(BLUEPRINT, tmp_path)
    world.running["aio", "old-api"] = "x"
    plan, _ = apply(world, BLUEPRINT, tmp_path)
    assert [p.step.id for p in plan.planned] == ["stray/old-api@aio"]
    assert ("aio", "old-api") not in world.running
