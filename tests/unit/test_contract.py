"""A plan in a file is done as it was shown, or refused; a part of a cloud brings what it needs."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudwright.errors import UnsafePlan
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.contract import Contract, Origin, contract_of, hold, moved
from cloudwright.plan.difference import Observed, Seen, make_plan
from cloudwright.plan.sealed import identity_of, read, write
from cloudwright.plan.select import Selection, restrict
from cloudwright.plan.steps import MakeVolume, Step

SEAL = "seal of this cloud"
IDS = ("a/one@h1", "a/two@h2", "b/one@h1", "b/two@h2", "c/one@h1")


def step(id: str, *needs: str) -> Step:
    return Step(
        id=id, host=id.partition("@")[2], action=MakeVolume(volume=id), needs=frozenset(needs)
    )


STEPS = (
    step("a/one@h1"),
    step("a/two@h2"),
    step("b/one@h1", "a/one@h1"),
    step("b/two@h2", "a/two@h2", "b/one@h1"),
    step("c/one@h1", "b/two@h2"),
)
BLUEPRINT = Blueprint(cloud="c", steps={s.id: s for s in STEPS}, secrets={})
ORIGIN = Origin(
    cloud="c",
    identity=identity_of(SEAL),
    description="d",
    version="1",
    release="2026.2",
    made="now",
    selection=Selection(services=("a",), hosts=("h1",)),
)


def contract(observed: Observed, blueprint: Blueprint = BLUEPRINT, **origin: str) -> Contract:
    changed = dataclasses.replace(ORIGIN, **origin)  # type: ignore[arg-type]
    return contract_of(changed, blueprint, observed, make_plan(blueprint, observed))


worlds = st.builds(
    Observed,
    seen=st.dictionaries(
        st.sampled_from(IDS),
        st.builds(
            Seen,
            digest=st.sampled_from([s.digest for s in STEPS] + ["drifted"]),
            why=st.sampled_from(["", "is exited, not running", "runs another image"]),
        ),
    ),
    strays=st.sets(st.tuples(st.sampled_from(["h1", "h2"]), st.sampled_from("xyz"))).map(tuple),
)


@given(worlds)
def test_what_is_written_is_read_again(world: Observed) -> None:
    wanted = contract(world)
    assert read(write(wanted, SEAL), "f", ORIGIN, SEAL) == wanted


@given(worlds, worlds)
def test_a_plan_holds_exactly_while_nothing_moved(one: Observed, two: Observed) -> None:
    same = one.seen == two.seen and set(one.strays) == set(two.strays)
    assert (not moved(contract(one), contract(two))) == same


@given(worlds, st.data())
def test_no_character_of_a_plan_can_be_changed(world: Observed, data: st.DataObject) -> None:
    text = write(contract(world), SEAL)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda c: c != text[at]))
    changed = text[:at] + other + text[at + 1 :]
    try:
        if json.loads(changed) == json.loads(text):
            return  # blanks between the parts mean nothing
    except ValueError:
        pass
    with pytest.raises(UnsafePlan):
        read(changed, "f", ORIGIN, SEAL)


@given(worlds, st.data())
def test_no_plan_can_be_cut(world: Observed, data: st.DataObject) -> None:
    text = write(contract(world), SEAL).rstrip()
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    with pytest.raises(UnsafePlan):
        read(cut, "f", ORIGIN, SEAL)


def test_a_seal_cannot_be_made_without_the_clouds_secret() -> None:
    text = write(contract(Observed()), "a guess")
    with pytest.raises(UnsafePlan, match="was changed"):
        read(text, "f", ORIGIN, SEAL)


def test_what_moved_is_named() -> None:
    world = Observed(seen={id: Seen(digest=s.digest) for id, s in BLUEPRINT.steps.items()})
    less = dict(world.seen)
    del less["a/one@h1"]
    less["b/one@h1"] = Seen(digest="drifted", why="is exited, not running")
    later = Observed(seen=less, strays=(("h2", "old"),))
    assert moved(contract(world), contract(later, description="e")) == (
        "cloud.yaml or a file of its overrides was changed",
        "a/one@h1: as declared → not there",
        "b/one@h1: as declared → is exited, not running",
        "old@h2 was not there, and nothing declares it",
    )


def test_another_declaration_breaks_a_plan() -> None:
    other = dict(BLUEPRINT.steps)
    del other["c/one@h1"]
    other["a/one@h1"] = Step(id="a/one@h1", host="h1", action=MakeVolume(volume="new"))
    changed = Blueprint(cloud="c", steps=other, secrets={})
    with pytest.raises(UnsafePlan) as caught:
        hold(contract(Observed()), contract(Observed(), changed))
    assert caught.value.why == (
        "a/one@h1 is declared otherwise\nc/one@h1 is not declared any more"
    )


def test_a_service_brings_all_that_it_needs_and_nothing_that_needs_it() -> None:
    part = restrict(BLUEPRINT, Observed(strays=(("h1", "x"),)), Selection(services=("b",)))
    assert set(part.blueprint.steps) == set(IDS) - {"c/one@h1"}
    assert part.along == {"a/one@h1", "a/two@h2"}
    assert part.observed.strays == ()


def test_a_host_brings_what_it_needs_of_others_and_its_own_strays() -> None:
    world = Observed(seen={id: Seen(digest="x") for id in IDS}, strays=(("h1", "x"), ("h2", "y")))
    part = restrict(BLUEPRINT, world, Selection(hosts=("h2",)))
    assert set(part.blueprint.steps) == {"a/one@h1", "a/two@h2", "b/one@h1", "b/two@h2"}
    assert part.along == {"a/one@h1", "b/one@h1"}
    assert set(part.observed.seen) == set(part.blueprint.steps)
    assert part.observed.strays == (("h2", "y"),)


def test_everything_is_left_as_it_is() -> None:
    world = Observed(strays=(("h1", "x"),))
    assert restrict(BLUEPRINT, world, Selection()).observed == world


@given(st.sets(st.sampled_from("abc")), st.sets(st.sampled_from(["h1", "h2"])), worlds)
def test_a_part_is_never_without_what_it_needs(
    services: set[str], hosts: set[str], world: Observed
) -> None:
    selection = Selection(services=tuple(sorted(services)), hosts=tuple(sorted(hosts)))
    try:
        part = restrict(BLUEPRINT, world, selection)
    except UnsafePlan:
        assert services == {"c"} and hosts == {"h2"}
        return
    kept = part.blueprint.steps
    assert all(step.needs <= kept.keys() for step in kept.values())
    plan = make_plan(part.blueprint, part.observed)
    whole = {p.step.id: p for p in make_plan(BLUEPRINT, world).planned}
    assert all(whole[p.step.id] == p for p in plan.planned)
