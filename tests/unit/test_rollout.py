"""Hosts that have the same container take turns; what is made for the first time never waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from cloudwright.declare.rollout import Batches, Canary, Quorum, Rollout
from cloudwright.errors import Unreachable, UnsafePlan
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.checks import Standing, breaches, check, kept, may_stop
from cloudwright.plan.difference import Change, Observed, Plan, Seen, make_plan
from cloudwright.plan.steps import (
    ConfigFile,
    ContainerBody,
    MakeVolume,
    Peer,
    RunContainer,
    Step,
    WriteFiles,
)

BODY = ContainerBody(image="i", image_id="1", environment={}, binds=())


def fleet(
    rollout: Rollout, count: int, needs: Mapping[int, frozenset[str]] | None = None
) -> Blueprint:
    """The container `c` with its files and its volume on hosts h0, h1, …"""
    steps = []
    members = tuple(f"h{n}" for n in range(count))
    for place, host in enumerate(members):
        files = WriteFiles(directory="/d", files=(ConfigFile(name="f", text="x"),))
        steps.append(Step(id=f"s/files/c@{host}", host=host, action=files))
        steps.append(Step(id=f"s/volume/v@{host}", host=host, action=MakeVolume(volume="v")))
        action = RunContainer(
            container="c",
            body=BODY,
            config_digest="x",
            rollout=rollout,
            members=tuple(Peer(host=name, container="c") for name in members),
        )
        own = frozenset({f"s/files/c@{host}", f"s/volume/v@{host}"})
        extra = (needs or {}).get(place, frozenset())
        steps.append(Step(id=id_of(place), host=host, action=action, needs=own | extra))
    return Blueprint(cloud="c", steps={s.id: s for s in steps}, secrets={})


def id_of(place: int) -> str:
    return f"s/c@h{place}"


def plan_of(wanted: Blueprint, **changed: Seen | None) -> Plan:
    """The plan when all is as declared but what is named: `h1=None` is not there at all."""
    seen = {id: Seen(digest=step.digest) for id, step in wanted.steps.items()}
    for host, what in changed.items():
        for id in (f"s/c@{host}", f"s/files/c@{host}"):
            if what is None:
                del seen[id]
            else:
                seen[id] = what
    return make_plan(wanted, Observed(seen=seen))


OLD = Seen(digest="old")
DOWN = Seen(digest="old", up=False)


def all_old(count: int) -> dict[str, Seen | None]:
    return {f"h{n}": OLD for n in range(count)}


@pytest.mark.parametrize(
    "rollout", [Quorum(), Canary(), Batches()], ids=lambda r: type(r).__name__
)
def test_what_is_made_for_the_first_time_waits_for_no_other_host(rollout: Rollout) -> None:
    wanted = fleet(rollout, 5)
    plan = make_plan(wanted, Observed())
    assert not plan.after
    assert {id: plan.needs[id] for id in wanted.steps} == {
        id: step.needs for id, step in wanted.steps.items()
    }


def test_quorum_members_take_turns() -> None:
    plan = plan_of(fleet(Quorum(), 3), **all_old(3))
    assert plan.needs[id_of(0)] == {"s/files/c@h0"}
    assert plan.needs[id_of(1)] == {"s/files/c@h1", id_of(0)}
    assert id_of(1) in plan.needs[id_of(2)]


def test_a_members_new_config_waits_with_it() -> None:
    plan = plan_of(fleet(Quorum(), 3), **all_old(3))
    assert plan.needs["s/files/c@h0"] == frozenset()
    assert plan.needs["s/files/c@h1"] == {id_of(0)}


def test_a_member_that_is_down_is_healed_before_another_is_touched() -> None:
    plan = plan_of(fleet(Quorum(), 3), h0=OLD, h1=OLD, h2=DOWN)
    assert id_of(2) in plan.needs[id_of(0)]
    assert id_of(2) in plan.needs[id_of(1)]
    assert not plan.needs[id_of(2)] & {id_of(0), id_of(1)}


def test_a_cluster_that_exists_has_no_founder() -> None:
    founded_by_first = {n: frozenset({id_of(0)}) for n in (1, 2)}
    wanted = fleet(Quorum(), 3, founded_by_first)
    assert id_of(0) in make_plan(wanted, Observed()).needs[id_of(2)]
    plan = plan_of(wanted, h0=OLD, h2=None)
    assert id_of(0) not in plan.needs[id_of(2)]
    assert id_of(2) in plan.needs[id_of(0)]


def test_a_canary_goes_first_and_alone() -> None:
    plan = plan_of(fleet(Canary(), 4), **all_old(4))
    assert all(id_of(0) in plan.needs[id_of(n)] for n in (1, 2, 3))
    assert not plan.needs[id_of(2)] & {id_of(1)}  # two of four side by side
    assert id_of(1) in plan.needs[id_of(3)]


def test_an_only_backend_waits_for_the_one_that_is_made_beside_it() -> None:
    plan = plan_of(fleet(Canary(), 2), h0=OLD, h1=None)
    assert id_of(1) in plan.needs[id_of(0)]


def test_a_host_that_cannot_be_healed_does_not_hold_up_backends_that_can_spare_one() -> None:
    plan = plan_of(fleet(Canary(), 3), h0=OLD, h1=OLD, h2=None)
    assert id_of(2) in plan.after[id_of(0)]
    assert id_of(2) not in plan.needs[id_of(0)]


def test_batches_keep_a_tenth_busy_and_only_the_first_ends_them() -> None:
    plan = plan_of(fleet(Batches(percent=10), 40), **all_old(40))
    assert all(id_of(0) in plan.needs[id_of(n)] for n in range(1, 40))
    assert plan.after[id_of(5)] == {id_of(1)}
    assert plan.after[id_of(39)] == {id_of(35)}
    assert id_of(1) not in plan.needs[id_of(5)]


@pytest.mark.parametrize(
    ("rollout", "members", "down", "lost", "may"),
    [
        (Quorum(), 1, 0, 0, True),
        (Quorum(), 2, 0, 0, True),
        (Quorum(), 2, 1, 0, False),
        (Quorum(), 2, 0, 1, False),
        (Quorum(), 3, 0, 0, True),
        (Quorum(), 3, 1, 0, False),
        (Quorum(), 3, 0, 1, False),
        (Quorum(), 4, 0, 1, False),
        (Quorum(), 5, 1, 0, False),  # three would remain, but it can be put right first
        (Quorum(), 5, 0, 1, True),  # it may never come back
        (Quorum(), 5, 1, 1, False),
        (Quorum(), 5, 0, 2, False),
        (Quorum(), 7, 0, 2, True),
        (Quorum(), 7, 0, 3, False),
        (Canary(), 1, 0, 0, True),
        (Canary(), 3, 1, 0, True),
        (Canary(), 3, 1, 1, False),
        (Batches(), 9, 5, 3, True),
    ],
)
def test_which_others_must_work(
    rollout: Rollout, members: int, down: int, lost: int, may: bool
) -> None:
    step = fleet(rollout, members).steps[id_of(0)]
    assert may_stop(step, down=down, lost=lost) is may


def test_an_ordered_plan_is_allowed() -> None:
    for rollout in (Quorum(), Canary(), Batches()):
        for count in (1, 2, 3, 5):
            wanted = fleet(rollout, count)
            check(plan_of(wanted, **all_old(count)), wanted)


def test_a_plan_whose_order_was_lost_is_refused() -> None:
    wanted = fleet(Quorum(), 3)
    plan = plan_of(wanted, **all_old(3))
    loose = {id: wanted.steps[id].needs for id in plan.needs}
    wild = Plan(cloud="c", planned=plan.planned, needs=loose, unchanged=0)
    with pytest.raises(UnsafePlan, match="stops c@h0 while c@h1, c@h2 may not work"):
        check(wild, wanted)


def test_healing_never_needs_permission() -> None:
    wanted = fleet(Quorum(), 3)
    check(plan_of(wanted, h0=DOWN, h1=DOWN, h2=DOWN), wanted)


def test_of_five_members_none_is_stopped_while_another_can_be_put_right() -> None:
    wanted = fleet(Quorum(), 5)
    plan = plan_of(wanted, h0=OLD, h1=OLD, h4=DOWN)
    check(plan, wanted)
    loose = {id: wanted.steps[id].needs for id in plan.needs}
    wild = Plan(cloud="c", planned=plan.planned, needs=loose, unchanged=0)
    with pytest.raises(UnsafePlan, match=r"stops c@h0 while .*c@h4 may not work"):
        check(wild, wanted)


def test_a_stray_goes_once_its_successors_work() -> None:
    wanted = fleet(Canary(), 2)
    plan = make_plan(wanted, Observed(strays=(("old", "c"), ("old", "unknown"))))
    assert [p.change for p in plan.planned][-2:] == [Change.REMOVE] * 2
    assert plan.needs["stray/c@old"] == {id_of(0), id_of(1)}
    assert plan.needs["stray/unknown@old"] == frozenset()


def standing(*places: int, volumes: tuple[int, ...] = (), lost: tuple[str, ...] = ()) -> Standing:
    return Standing(
        hosts=frozenset(f"h{n}" for n in range(9)) - set(lost),
        up=frozenset((f"h{n}", "c") for n in places),
        volumes=frozenset((f"h{n}", "v", "made first") for n in volumes),
    )


def test_a_step_may_not_take_the_majority_away() -> None:
    rules = kept(fleet(Quorum(), 3))
    two, one = standing(0, 1, lost=("h2",)), standing(0, lost=("h2",))
    assert list(breaches(standing(0, 1, 2), standing(0, 1), rules)) == []
    assert list(breaches(two, one, rules)) == ["c: 1 of 3 work, 2 must"]
    assert list(breaches(one, standing(), rules)) != []
    assert list(breaches(one, one, rules)) == []  # it was lost before


def test_no_step_takes_a_second_member_away() -> None:
    """Also where a majority would remain; but who is on a lost host may be away for good."""
    rules = kept(fleet(Quorum(), 5))
    assert list(breaches(standing(0, 1, 2, 3), standing(0, 1, 2), rules)) == [
        "c: down at a time are c@h3, c@h4"
    ]
    gone = ("h4",)
    assert not list(breaches(standing(0, 1, 2, 3, lost=gone), standing(0, 1, 2, lost=gone), rules))
    assert not list(breaches(standing(0, 1, 2), standing(0, 1, 2, 3), rules))


def test_a_step_may_not_take_the_last_backend_away() -> None:
    two, alone = kept(fleet(Canary(), 2)), kept(fleet(Canary(), 1))
    assert list(breaches(standing(0), standing(), two)) == ["c: 0 of 2 work, 1 must"]
    assert list(breaches(standing(0), standing(), alone)) == []


def test_a_step_may_not_remove_a_volume() -> None:
    before, after = standing(volumes=(0,)), standing()
    assert list(breaches(before, after, ())) == ["the volume v on h0 is gone"]


def lost(wanted: Blueprint, *hosts: str) -> Blueprint:
    """What is left to do when these hosts do not answer."""
    steps = {id: s for id, s in wanted.steps.items() if s.host not in hosts}
    return replace(wanted, steps=steps, unreachable=frozenset(hosts))


def test_a_member_is_not_stopped_while_another_cannot_be_reached() -> None:
    wanted = lost(fleet(Quorum(), 3), "h2")
    check(plan_of(wanted), wanted)
    with pytest.raises(UnsafePlan, match="stops c@h0 while c@h2 may not work"):
        check(plan_of(wanted, h0=OLD), wanted)
    five = lost(fleet(Quorum(), 5), "h2")
    check(plan_of(five, h0=OLD, h1=OLD), five)
    less = lost(fleet(Quorum(), 5), "h2", "h3")
    with pytest.raises(UnsafePlan, match="stops c@h0 while c@h2, c@h3 may not work"):
        check(plan_of(less, h0=OLD), less)


def test_backends_are_remade_while_another_cannot_be_reached() -> None:
    wanted = lost(fleet(Canary(), 3), "h2")
    check(plan_of(wanted, h0=OLD, h1=OLD), wanted)


def test_a_cluster_is_not_touched_without_its_majority() -> None:
    wanted = lost(fleet(Quorum(), 3), "h1", "h2")
    with pytest.raises(Unreachable, match="h1, h2") as caught:
        check(plan_of(wanted), wanted)
    assert "no majority: 1 of 3" in caught.value.why


def test_a_cluster_is_founded_by_all_of_its_members() -> None:
    wanted = lost(fleet(Quorum(), 3), "h2")
    with pytest.raises(Unreachable, match="h2") as caught:
        check(make_plan(wanted, Observed()), wanted)
    assert "founded by all" in caught.value.why


def test_files_that_others_wait_for_are_not_held_up() -> None:
    """A job that was run reads the first host's files: who needs the job may need them too."""
    through_a_job = {1: frozenset({"s/files/c@h0"})}
    plan = plan_of(fleet(Canary(), 2, through_a_job), h0=OLD, h1=None)
    assert id_of(1) in plan.needs[id_of(0)]
    assert not plan.needs["s/files/c@h0"]
