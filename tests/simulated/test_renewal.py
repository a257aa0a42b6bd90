"""Certificates are renewed in turns; what stands in for something never goes along with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudwright.execute.simulated import SimulatedWorld
from cloudwright.plan.difference import Observed
from cloudwright.plan.generations import in_use
from cloudwright.plan.steps import ReadAgain, RunContainer, WriteFiles
from tests.simulated.fleet import (
    Wanted,
    apply,
    assert_same,
    cloud_of,
    everything,
    fresh,
    planned,
)

THREE = Wanted(cloud=cloud_of(("control", "network"), ("control",), ("control",), ("compute",)))
RENEWED = THREE.with_new_certificates()

READ_AGAIN = {"haproxy", "mariadb", "rabbitmq", "ovn-nb-db", "ovn-sb-db", "ovn-northd"}
"""What must not be restarted for a certificate: all others would feel it."""


def test_new_certificates_restart_no_cluster_and_break_nothing(tmp_path: Path) -> None:
    world = fresh(THREE, tmp_path)
    before = processes(world)
    plan, outcome = apply(world, RENEWED, tmp_path)
    assert outcome and outcome.is_whole
    assert world.broken == []
    read = {p.step.action.container for p in plan.planned if isinstance(p.step.action, ReadAgain)}
    made = {
        p.step.action.container for p in plan.planned if isinstance(p.step.action, RunContainer)
    }
    assert read >= READ_AGAIN
    assert made.isdisjoint(read)
    for place, id in processes(world).items():
        assert (id == before[place]) == (place[1] not in made), place
    assert planned(world, RENEWED)[1].is_empty
    assert_same(world, RENEWED, fresh(RENEWED, tmp_path))


@pytest.mark.parametrize("container", sorted(READ_AGAIN))
def test_members_read_their_new_certificates_one_after_another(
    container: str, tmp_path: Path
) -> None:
    world = fresh(THREE, tmp_path)
    world.order.clear()
    plan, _ = apply(world, RENEWED, tmp_path)
    turns = [
        p.step.id
        for p in plan.planned
        if isinstance(p.step.action, ReadAgain) and p.step.action.container == container
    ]
    assert len(turns) == 3
    for id in turns[1:]:
        assert turns[0] in all_before(id, plan.gates)


def test_a_run_that_was_cut_is_resumed_with_the_same_certificates(tmp_path: Path) -> None:
    pure = fresh(RENEWED, tmp_path)
    for moment in range(0, 120, 7):
        world = fresh(THREE, tmp_path)
        world.begin_run()
        world.kill_at = moment
        apply(world, RENEWED, tmp_path)
        world.begin_run()
        _, outcome = apply(world, RENEWED, tmp_path)
        assert outcome is None or outcome.is_whole
        assert world.broken == []
        assert_same(world, RENEWED, pure)


def test_a_host_uses_the_old_certificate_until_it_has_the_new_one(tmp_path: Path) -> None:
    world = fresh(THREE, tmp_path)
    assert generations_in_use(world) == {1}
    world.begin_run()
    world.kill_at = 60
    apply(world, RENEWED, tmp_path)
    assert generations_in_use(world) == {1, 2}
    world.begin_run()
    apply(world, RENEWED, tmp_path)
    assert generations_in_use(world) == {2}
    assert not in_use(everything(RENEWED), Observed())


def generations_in_use(world: SimulatedWorld) -> set[int]:
    blueprint, _ = planned(world, RENEWED)
    used = in_use(blueprint, world.observe(blueprint))
    return {generation for lineage, generation in used if lineage.startswith("tls/")}


def test_nobody_else_has_a_containers_key() -> None:
    keys = 0
    for step in everything(THREE).steps.values():
        if not isinstance(step.action, WriteFiles):
            continue
        container = step.id.rpartition("/")[2]
        for file in step.action.files:
            for word in file.text.split("⟦secret:tls/")[1:]:
                assert word.startswith(f"{container}:1~"), step.id
            assert "⟦secret:authority:1#key⟧" not in file.text
            keys += file.name == "tls.key" and "#key⟧" in file.text
    assert keys > 30


def processes(world: SimulatedWorld) -> dict[tuple[str, str], str]:
    return {
        (host, name): process.id
        for host, one in world.hosts.items()
        for name, process in one.processes.items()
    }


def all_before(id: str, gates: dict[str, frozenset[str]]) -> set[str]:
    found: set[str] = set()
    todo = [id]
    while todo:
        for gate in gates.get(todo.pop(), frozenset()):
            if gate not in found:
                found.add(gate)
                todo.append(gate)
    return found
