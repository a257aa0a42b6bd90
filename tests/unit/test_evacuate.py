"""Which instances of dead hosts find room elsewhere, and what each of them is told to lose."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudwright.cli.evacuate_view import told
from cloudwright.cli.main import run
from cloudwright.errors import InvalidCloud
from cloudwright.execute.evacuate.estate import free_of
from cloudwright.model.load import load
from cloudwright.operations.evacuate import (
    Group,
    Instance,
    Outlook,
    Policy,
    Room,
    compute_hosts,
    hindrance,
    loss,
    outlook,
    pack,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
TWO = load(EXAMPLES / "two-sites.yaml")
CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")
POLICIES: tuple[Policy, ...] = ("", "anti-affinity")

amounts = st.fixed_dictionaries({name: st.integers(0, 12) for name in CLASSES})
groups = st.builds(
    Group, id=st.sampled_from(("g", "h")), policy=st.sampled_from(POLICIES), per_host=st.just(1)
)
instances = st.lists(
    st.builds(
        Instance,
        id=st.uuids().map(str),
        name=st.sampled_from(("web", "db", "job")),
        host=st.just("lost"),
        state=st.sampled_from(("active", "stopped", "error")),
        task=st.just(""),
        needs=amounts.filter(any),
        image=st.just("debian"),
        group=groups,
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)
rooms = st.lists(
    st.builds(
        Room,
        host=st.integers(0, 99).map(str),
        zone=st.sampled_from(("a", "b")),
        free=st.fixed_dictionaries({name: st.integers(0, 30) for name in CLASSES}),
        most=st.fixed_dictionaries({name: st.integers(4, 30) for name in CLASSES}),
        members=st.dictionaries(st.sampled_from(("g", "h")), st.integers(0, 1)),
    ),
    max_size=4,
    unique_by=lambda room: room.host,
)


def instance(name: str = "web", **words: object) -> Instance:
    known: dict[str, object] = {
        "id": f"id-{name}",
        "name": name,
        "host": "cmp-a",
        "state": "active",
        "task": "",
        "needs": {"VCPU": 1, "MEMORY_MB": 512},
        "image": "debian",
    }
    return Instance(**{**known, **words})  # type: ignore[arg-type]


def room(host: str = "cmp-b", zone: str = "b", **free: int) -> Room:
    return Room(host=host, zone=zone, free=free or {"VCPU": 4, "MEMORY_MB": 4096})


def fits(one: Instance, room: Room, free: Counter[str], members: Counter[str]) -> bool:
    joins = one.group.policy != "anti-affinity" or members[one.group.id] < one.group.per_host
    return joins and all(
        n <= free[name] and n <= room.most.get(name, n) for name, n in one.needs.items()
    )


@given(found=instances, left=rooms)
def test_no_host_is_overfilled_and_who_stays_has_no_room(
    found: list[Instance], left: list[Room]
) -> None:
    places = pack(found, left)
    free = {room.host: Counter(room.free) for room in left}
    members = {room.host: Counter(room.members) for room in left}
    by_host = {room.host: room for room in left}
    for one in found:
        if one.id in places:
            host = places[one.id]
            assert all(n <= by_host[host].most.get(name, n) for name, n in one.needs.items())
            free[host].subtract(one.needs)
            members[host][one.group.id] += 1
    assert all(amount >= 0 for host in free for amount in free[host].values())
    for one in found:
        if one.group.policy == "anti-affinity" and one.id in places:
            room = by_host[places[one.id]]
            assert room.members.get(one.group.id, 0) < one.group.per_host
    for one in found:
        if one.id not in places:
            assert not any(fits(one, room, free[room.host], members[room.host]) for room in left)


@given(found=instances, left=rooms, seed=st.randoms(use_true_random=False))
def test_the_order_in_which_they_are_listed_does_not_matter(
    found: list[Instance], left: list[Room], seed: object
) -> None:
    others, homes = list(found), list(left)
    seed.shuffle(others)  # type: ignore[attr-defined]
    seed.shuffle(homes)  # type: ignore[attr-defined]
    assert pack(found, left) == pack(others, homes)


@given(found=instances, left=rooms)
def test_everybody_is_told_of_once(found: list[Instance], left: list[Room]) -> None:
    plan = outlook(found, left)
    told_of = [move.instance.id for move in plan.moves]
    told_of += [one.id for one in plan.under_way]
    told_of += [one.id for one, why in (*plan.stays, *plan.homeless) if why]
    assert sorted(told_of) == sorted(one.id for one in found)


def test_they_are_spread_and_packed_tight_when_only_that_takes_all() -> None:
    two = (room("x", VCPU=4, MEMORY_MB=4096), room("y", VCPU=4, MEMORY_MB=4096))
    assert set(pack([instance("a"), instance("b")], two).values()) == {"x", "y"}
    small, wide = room("x", VCPU=2), room("y", VCPU=6)
    mix = [instance("big", needs={"VCPU": 4}), instance("one", needs={"VCPU": 2})]
    third = instance("two", needs={"VCPU": 2})
    assert len(pack([*mix, third], (small, wide))) == 3


def test_those_that_run_come_before_those_that_are_stopped() -> None:
    stopped = instance("off", state="stopped", needs={"VCPU": 4})
    running = instance("on", needs={"VCPU": 1})
    assert pack([stopped, running], [room(VCPU=4)]) == {"id-on": "cmp-b"}
    plan = outlook([stopped, running], [room(VCPU=4)])
    assert [(one.name, why) for one, why in plan.homeless] == [
        ("off", "no room is left beside the others")
    ]


def test_who_has_no_room_even_alone_is_told_of_what_there_is_too_little() -> None:
    [(_, why)] = outlook([instance(needs={"VCPU": 9, "MEMORY_MB": 1})], [room()]).homeless
    assert why == "no host has 9 VCPU free"
    [(_, why)] = outlook([instance()], []).homeless
    assert why == "no host is left that could take it"
    group = Group(id="g", policy="anti-affinity")
    full = Room(host="b", zone="b", free={"VCPU": 9, "MEMORY_MB": 9999}, members={"g": 1})
    [(_, why)] = outlook([instance(group=group)], [full]).homeless
    assert why == "its server group keeps it off every host that is left"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"state": "paused"}, "it is paused"),
        ({"task": "powering-off"}, "reset its state first"),
        ({"image_why": "its image debian is gone"}, "is gone"),
        ({"needs": {}}, "Placement knows of nothing"),
        (
            {"group": Group(id="g", policy="affinity", members=frozenset(("id-web", "id-db")))},
            "must be on one host",
        ),
    ],
)
def test_what_nova_would_not_take_stays(words: dict[str, object], why: str) -> None:
    assert why in hindrance(instance(**words))
    plan = outlook([instance(**words)], [room()])
    assert plan.is_empty
    assert len(plan.stays) == 1


def test_what_an_earlier_run_asked_for_is_awaited_and_not_asked_for_again() -> None:
    plan = outlook([instance(task="rebuild_spawning")], [room()])
    assert (plan.moves, [one.name for one in plan.under_way]) == ((), ["web"])
    assert not plan.is_empty


def test_the_scheduler_is_passed_by_only_where_it_would_refuse() -> None:
    def forced(one: Instance) -> bool:
        [move] = outlook([one], [room()]).moves
        return move.forced

    assert forced(instance(zone="a"))
    assert not forced(instance(zone="b"))
    assert not forced(instance())
    alone = Group(id="g", policy="affinity", members=frozenset(("id-web",)))
    assert forced(instance(group=alone))


def test_each_is_told_what_it_loses() -> None:
    assert loss(instance()) == "rebuilt from image debian: all it wrote since is lost"
    assert loss(instance(volumes=2)).endswith("is lost; its 2 volumes are kept")
    assert "lost" not in loss(instance(image="", volumes=1))
    plan = outlook([instance(zone="a"), instance("late", state="paused")], [room()])
    text = told(plan, ("cmp-a",))
    assert "cmp-b (was asked for in zone a)" in text
    assert "cannot be moved" in text
    empty = Outlook(moves=(), under_way=(), stays=(), homeless=())
    assert told(empty, ("cmp-a",)) == "no instance is on cmp-a"


def test_what_placement_gives_knows_of_ratio_and_reserve() -> None:
    memory = {"total": 1000, "reserved": 100, "allocation_ratio": 1.5}
    assert free_of(memory, 350) == 1000
    assert free_of(memory, 2000) == 0


def test_a_site_means_its_compute_hosts() -> None:
    assert compute_hosts(TWO, ["site:a"]) == ("cmp-a",)
    assert compute_hosts(TWO, ["host:cmp-b", "site:a"]) == ("cmp-a", "cmp-b")
    with pytest.raises(InvalidCloud, match="1 problem"):
        compute_hosts(TWO, ["site:a", "ctl-b"])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("site:c", 'there is no "site:c"'),
        ("site:w", "has no host that runs instances"),
        ("host:ctl-a", "has no host that runs instances"),
    ],
)
def test_a_name_behind_which_nothing_runs_is_refused_before_a_host_is_asked(
    name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evacuate", name, "-c", str(EXAMPLES / "two-sites.yaml")]) == 2
    assert why in capsys.readouterr().err
