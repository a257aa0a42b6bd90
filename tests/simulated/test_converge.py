"""One cloud on one host: a run cut anywhere, failing anywhere, and what a change touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudwright.errors import UnsafePlan
from cloudwright.execute.simulated import Failure, SimulatedWorld
from cloudwright.plan.steps import ReadAgain, RunContainer
from tests.simulated.fleet import (
    Wanted,
    apply,
    assert_same,
    cloud_of,
    edited,
    everything,
    fresh,
    planned,
)

AIO = Wanted(cloud=cloud_of(("control", "network", "compute")))
THREE = Wanted(cloud=cloud_of(("control", "network"), ("control",), ("control",), ("compute",)))
WITNESSED = Wanted(
    cloud=cloud_of(("control", "network"), ("control",), ("witness",), ("compute",), sites=2)
)
FIVE = Wanted(cloud=cloud_of(("control", "network"), *[("control",)] * 4))
THREE_ELSEWHERE = replace(
    THREE,
    cloud=replace(THREE.cloud, api=replace(THREE.cloud.api, external="203.0.113.9")),
)
"""What users call is elsewhere: the load balancers read their file again."""

CHANGED = AIO.with_build("glance").with_option("keystone.conf", "x", "1")
IDS = sorted(everything(AIO).steps)


def changes(world: SimulatedWorld, wanted: Wanted) -> list[str]:
    """What would be done."""
    return [p.step.id for p in planned(world, wanted)[1].planned]


def test_second_apply_is_empty(tmp_path: Path) -> None:
    world = fresh(AIO, tmp_path)
    plan, _ = apply(world, AIO, tmp_path)
    assert plan.is_empty
    assert plan.unchanged == len(everything(AIO).steps)


def test_every_step_comes_after_what_it_needs(tmp_path: Path) -> None:
    world = fresh(AIO, tmp_path)
    place = {id: n for n, id in enumerate(world.order)}
    steps = everything(AIO).steps
    for id in place:
        assert all(place[n] < place[id] for n in steps[id].needs if n in place), id
    left = {id for id in steps if id not in place}
    assert {type(steps[id].action) for id in left} == {ReadAgain}  # a start reads everything


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(failures=st.dictionaries(st.sampled_from(IDS), st.sampled_from(Failure), max_size=6))
def test_failures_anywhere_converge(failures: dict[str, Failure], tmp_path: Path) -> None:
    world = SimulatedWorld(failures=dict(failures))
    _, outcome = apply(world, AIO, tmp_path)
    assert outcome and set(outcome.failed) <= set(failures)
    for _ in failures:  # a failed step may hide another behind it
        apply(world, AIO, tmp_path)
    assert_same(world, AIO, fresh(AIO, tmp_path))


def cut_everywhere(
    start: Callable[[], SimulatedWorld], wanted: Wanted, logs: Path, boots: str = "h0"
) -> int:
    """From `start`, a run to `wanted` is killed at each of its moments, and the next one ends it;
    meanwhile a host boots, so that containers read whatever files are there. The moments."""
    pure, cut = fresh(wanted, logs), 0
    while True:
        world = start()
        world.begin_run()
        world.kill_at = cut
        _, outcome = apply(world, wanted, logs)
        world.host(boots).reboot()
        world.begin_run()
        if outcome:
            break  # it was over before
        apply(world, wanted, logs)
        assert_same(world, wanted, pure)
        cut += 1
    assert cut > 5
    return cut


def test_a_first_run_killed_at_every_moment_converges(tmp_path: Path) -> None:
    cut_everywhere(SimulatedWorld, AIO, tmp_path)


def test_a_change_killed_at_every_moment_converges(tmp_path: Path) -> None:
    cut_everywhere(lambda: fresh(AIO, tmp_path), CHANGED, tmp_path)


def test_a_repair_of_edited_files_killed_at_every_moment_converges(tmp_path: Path) -> None:
    """The processes have read the edited files: right files alone are not enough."""

    def all_edited() -> SimulatedWorld:
        world = fresh(AIO, tmp_path)
        edit(world, "haproxy", "haproxy.cfg")
        edit(world, "glance-api", "glance-api.conf")
        world.host("h0").reboot()
        return world

    cut_everywhere(all_edited, AIO, tmp_path)


@pytest.mark.parametrize(
    ("cloud", "boots"), [(THREE, "h1"), (WITNESSED, "h2")], ids=["controllers", "a witness"]
)
def test_a_remade_cluster_killed_at_every_moment_converges(
    cloud: Wanted, boots: str, tmp_path: Path
) -> None:
    """And at no moment, before the kill or after it, are two of its members down."""
    wanted = cloud.with_build("mariadb").with_option("keystone.conf", "x", "1")
    moments = cut_everywhere(lambda: fresh(cloud, tmp_path), wanted, tmp_path, boots)
    assert moments > 30


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_change_that_was_cut_and_taken_back_leaves_nothing(cut: int, tmp_path: Path) -> None:
    def half_changed() -> SimulatedWorld:
        world = fresh(AIO, tmp_path)
        world.begin_run()
        world.kill_at = cut
        apply(world, CHANGED, tmp_path)
        world.host("h0").reboot()
        return world

    world = half_changed()
    world.begin_run()
    apply(world, AIO, tmp_path)
    assert_same(world, AIO, fresh(AIO, tmp_path))


def edit(world: SimulatedWorld, container: str, name: str) -> None:
    """By hand, on the first host."""
    files = world.host("h0").files[container]
    files[name] = edited(files[name])


def test_a_failure_skips_only_what_needed_it(tmp_path: Path) -> None:
    victim = "glance/glance-api@h0"
    world = SimulatedWorld(failures={victim: Failure.BEFORE})
    _, outcome = apply(world, AIO, tmp_path)
    assert outcome and list(outcome.failed) == [victim]
    assert all(because == victim for because in outcome.skipped.values())
    assert "keystone/keystone-api@h0" in outcome.done


def test_a_new_image_remakes_only_its_containers(tmp_path: Path) -> None:
    world = fresh(AIO, tmp_path)
    assert changes(world, AIO.with_build("glance")) == ["glance/glance-api@h0"]


def test_an_option_touches_only_the_containers_that_read_it(tmp_path: Path) -> None:
    world = fresh(AIO, tmp_path)
    assert sorted(changes(world, AIO.with_option("glance.conf", "x", "1"))) == [
        "glance/files/glance-api@h0",
        "glance/glance-api@h0",
    ]


def test_a_container_that_nothing_declares_is_removed(tmp_path: Path) -> None:
    world = fresh(AIO, tmp_path)
    host = world.host("h0")
    host.processes["old-api"] = host.processes["glance-api"]
    plan, _ = apply(world, AIO, tmp_path)
    assert [p.step.id for p in plan.planned] == ["stray/old-api@h0"]
    assert "old-api" not in host.processes


def test_configuration_that_a_run_left_alone_is_removed(tmp_path: Path) -> None:
    """It was cut before the container was made, and nothing declares that any more."""
    world = fresh(AIO, tmp_path)
    host = world.host("h0")
    host.files["old-api"] = dict(host.files["glance-api"])
    plan, _ = apply(world, AIO, tmp_path)
    assert [p.step.id for p in plan.planned] == ["stray/old-api@h0"]
    assert "old-api" not in host.files


def test_what_never_became_healthy_is_made_anew(tmp_path: Path) -> None:
    """A container that runs is not yet one that works: the next run does not take it for done."""
    wanted = AIO.with_build("keystone")
    world = fresh(AIO, tmp_path)
    step = everything(wanted).steps["keystone/keystone-api@h0"]
    world.sick = {step.digest}
    _, outcome = apply(world, wanted, tmp_path)
    assert outcome and list(outcome.failed) == [step.id]
    assert changes(world, wanted) == [step.id]
    world.sick = set()
    apply(world, wanted, tmp_path)
    assert_same(world, wanted, fresh(wanted, tmp_path))


def test_a_canary_that_dies_keeps_the_others_as_they_are(tmp_path: Path) -> None:
    wanted = THREE.with_option("keystone.conf", "x", "1")
    world = fresh(THREE, tmp_path)
    steps = everything(wanted).steps
    world.sick = {steps["keystone/keystone-api@h0"].digest}
    _, outcome = apply(world, wanted, tmp_path)
    assert outcome and list(outcome.failed) == ["keystone/keystone-api@h0"]
    old = everything(THREE).steps
    for host in ("h1", "h2"):
        process = world.host(host).processes["keystone-api"]
        assert process.healthy
        assert process.step.digest == old[f"keystone/keystone-api@{host}"].digest
        assert "x = 1" not in world.host(host).files["keystone-api"]["keystone.conf"].text


def test_a_quorum_is_remade_one_by_one(tmp_path: Path) -> None:
    wanted = THREE.with_build("mariadb")
    world = fresh(THREE, tmp_path)
    world.order.clear()
    plan, outcome = apply(world, wanted, tmp_path)
    assert outcome and outcome.is_whole
    assert world.order == [f"mariadb/mariadb@h{n}" for n in range(3)]
    assert all(isinstance(p.step.action, RunContainer) for p in plan.planned)
    assert world.broken == []


def test_a_file_that_can_be_read_again_stops_nothing(tmp_path: Path) -> None:
    world = fresh(THREE, tmp_path)
    before = {
        (h, name): world.host(h).processes[name].id
        for h in ("h0", "h1", "h2")
        for name in ("haproxy", "keepalived")
    }
    done = changes(world, THREE_ELSEWHERE)
    assert "haproxy/reload/haproxy@h0" in done
    assert "haproxy/haproxy@h0" not in done
    apply(world, THREE_ELSEWHERE, tmp_path)
    assert {(h, n): world.host(h).processes[n].id for h, n in before} == before
    assert_same(world, THREE_ELSEWHERE, fresh(THREE_ELSEWHERE, tmp_path))


def test_an_option_that_a_process_takes_as_it_runs_restarts_nothing_else_does(
    tmp_path: Path,
) -> None:
    """Nova's API is served by uWSGI, which takes nothing; nova-compute ends at the signal."""
    wanted = THREE.with_option("nova.conf", "debug", "true")
    world = fresh(THREE, tmp_path)
    done = changes(world, wanted)
    ids = {id.rpartition("@")[0] for id in done if "/files/" not in id}
    assert ids == {
        "nova/nova-api",
        "nova/nova-metadata",
        "nova/nova-novncproxy",
        "nova/nova-compute",
        "nova/reload/nova-conductor",
        "nova/reload/nova-scheduler",
    }
    apply(world, wanted, tmp_path)
    assert_same(world, wanted, fresh(wanted, tmp_path))
    both = wanted.with_option("nova.conf", "rpc_response_timeout", "90")
    assert not [id for id in changes(world, both) if "/reload/" in id]
    apply(world, both, tmp_path)
    assert_same(world, both, fresh(both, tmp_path))


def test_a_hand_edited_file_is_read_again_by_who_can_and_else_remade(tmp_path: Path) -> None:
    world = fresh(AIO, tmp_path)
    edit(world, "haproxy", "haproxy.cfg")
    edit(world, "glance-api", "glance-api.conf")
    assert sorted(changes(world, AIO)) == [
        "glance/files/glance-api@h0",
        "glance/glance-api@h0",
        "haproxy/files/haproxy@h0",
        "haproxy/reload/haproxy@h0",
    ]
    apply(world, AIO, tmp_path)
    assert_same(world, AIO, fresh(AIO, tmp_path))


def test_a_lost_host_holds_up_only_what_needs_it(tmp_path: Path) -> None:
    """The others get what changed; what the host missed comes with the next run."""
    wanted = THREE.with_option("glance.conf", "x", "1")
    world = fresh(THREE, tmp_path)
    world.host("h2").up = False
    _, outcome = apply(world, wanted, tmp_path)
    assert outcome and outcome.is_whole
    assert "glance/glance-api@h1" in outcome.done
    world.host("h2").up = True
    assert sorted(changes(world, wanted)) == [
        "glance/files/glance-api@h2",
        "glance/glance-api@h2",
    ]
    apply(world, wanted, tmp_path)
    assert_same(world, wanted, fresh(wanted, tmp_path))


def test_a_database_member_is_not_touched_while_another_is_away(tmp_path: Path) -> None:
    world = fresh(THREE, tmp_path)
    world.host("h2").up = False
    with pytest.raises(UnsafePlan, match="mariadb@h0 while mariadb@h2 may not work"):
        apply(world, THREE.with_build("mariadb"), tmp_path)


def test_of_five_members_one_is_remade_at_a_time_though_a_host_is_gone(tmp_path: Path) -> None:
    """Whoever burnt holds nobody up: three remain. Two such are too many."""
    wanted = FIVE.with_build("mariadb")
    world = fresh(FIVE, tmp_path)
    world.host("h4").up = False
    world.order.clear()
    _, outcome = apply(world, wanted, tmp_path)
    assert outcome and outcome.is_whole
    assert world.order == [f"mariadb/mariadb@h{n}" for n in range(4)]
    assert world.broken == []
    world.host("h3").up = False
    with pytest.raises(UnsafePlan, match="mariadb@h0 while mariadb@h3, mariadb@h4 may not work"):
        apply(world, wanted.with_build("mariadb"), tmp_path)


def test_of_five_members_none_is_stopped_while_another_is_down(tmp_path: Path) -> None:
    """Down without a word: the plan takes it for one that works, and each turn looks again."""
    world = fresh(FIVE, tmp_path)
    world.host("h4").processes["mariadb"].healthy = False
    _, outcome = apply(world, FIVE.with_build("mariadb"), tmp_path)
    assert outcome and list(outcome.failed) == ["mariadb/mariadb@h0"]
    assert world.broken == []


def test_a_site_lost_in_the_middle_leaves_a_majority_that_serves(tmp_path: Path) -> None:
    wanted = THREE.with_build("mariadb").with_build("keystone")
    world = fresh(THREE, tmp_path)
    world.begin_run()
    world.events = {3: lambda: setattr(world.host("h2"), "up", False)}
    _, outcome = apply(world, wanted, tmp_path)
    assert outcome and not outcome.is_whole
    up = world.standing().up
    assert {("h0", "mariadb"), ("h1", "mariadb")} <= up
    assert any((h, "keystone-api") in up for h in ("h0", "h1"))
    world.host("h2").up = True
    world.begin_run()
    apply(world, wanted, tmp_path)
    assert_same(world, wanted, fresh(wanted, tmp_path))


def test_a_load_balancers_new_file_waits_for_the_canary_too(tmp_path: Path) -> None:
    """Also where others need the load balancer: they need it whole."""
    world = fresh(THREE, tmp_path)
    plan = planned(world, THREE_ELSEWHERE)[1]
    assert "haproxy/reload/haproxy@h0" in plan.needs["haproxy/files/haproxy@h1"]
