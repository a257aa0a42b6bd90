"""The plan is the blueprint minus what was observed; digests are of what decides a thing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudwright.declare import ini
from cloudwright.errors import Missing, UnsafePlan
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.checks import check
from cloudwright.plan.difference import Change, Observed, Seen, make_plan
from cloudwright.plan.graph import closure, in_order
from cloudwright.plan.steps import (
    ConfigFile,
    ContainerBody,
    MakeVolume,
    RunContainer,
    RunJob,
    Step,
    WriteFiles,
    digest_of,
)


def volume(id: str, *needs: str) -> Step:
    return Step(id=id, host="h", action=MakeVolume(volume=id), needs=frozenset(needs))


def container(id: str, image_id: str = "1", **body: object) -> Step:
    name = id.partition("/")[2].partition("@")[0]
    return Step(
        id=id,
        host=id.partition("@")[2],
        action=RunContainer(
            container=name,
            body=ContainerBody(image="i", image_id=image_id, environment={}, binds=(), **body),  # type: ignore[arg-type]
            config_digest="c",
        ),
    )


def blueprint(*steps: Step) -> Blueprint:
    return Blueprint(cloud="c", steps={s.id: s for s in steps}, secrets={})


def all_seen(plan: Blueprint) -> dict[str, Seen]:
    return {id: Seen(digest=s.digest) for id, s in plan.steps.items()}


def test_an_empty_world_needs_every_step() -> None:
    plan = make_plan(blueprint(volume("a"), volume("b", "a")), Observed())
    assert [p.step.id for p in plan.planned] == ["a", "b"]
    assert {p.change for p in plan.planned} == {Change.MAKE}


def test_a_whole_world_needs_nothing() -> None:
    wanted = blueprint(volume("a"), volume("b", "a"))
    plan = make_plan(wanted, Observed(seen=all_seen(wanted)))
    assert plan.is_empty
    assert plan.unchanged == 2


def test_a_drifted_step_says_why() -> None:
    wanted = blueprint(volume("a"))
    plan = make_plan(wanted, Observed(seen={"a": Seen(digest="other", why="is stopped")}))
    assert [(p.change, p.why) for p in plan.planned] == [(Change.ALTER, "is stopped")]


def test_needs_look_through_steps_that_are_done() -> None:
    wanted = blueprint(volume("a"), volume("b", "a"), volume("c", "b"))
    seen = all_seen(wanted)
    del seen["a"], seen["c"]
    assert make_plan(wanted, Observed(seen=seen)).needs["c"] == {"a"}


def test_strays_are_removed() -> None:
    plan = make_plan(blueprint(), Observed(strays=(("h", "old"),)))
    assert [(p.change, p.step.id) for p in plan.planned] == [(Change.REMOVE, "stray/old@h")]


def test_a_circle_is_named() -> None:
    with pytest.raises(UnsafePlan, match="circle") as caught:
        in_order([volume("a", "b"), volume("b", "a")])
    assert "a" in caught.value.why and "b" in caught.value.why


def test_closure_takes_what_is_needed_along() -> None:
    steps = {s.id: s for s in (volume("a"), volume("b", "a"), volume("c"))}
    assert closure(steps, ["b"]) == {"a", "b"}


def test_a_jobs_digest_is_of_its_meaning_alone() -> None:
    body = ContainerBody(image="i", image_id="1", environment={}, binds=())
    one = RunJob(job="j", body=body, probe="p", meaning="2026.2 sync")
    assert digest_of(one) == digest_of(replace(one, body=replace(body, image_id="2")))
    assert digest_of(one) != digest_of(replace(one, meaning="2027.1 sync"))


def test_a_containers_digest_is_of_image_spec_and_config() -> None:
    one = container("s/c@h")
    assert one.digest == container("s/c@h").digest
    assert one.digest != container("s/c@h", image_id="2").digest
    assert one.digest != container("s/c@h", privileged=True).digest


def test_a_secrets_generation_changes_the_digest() -> None:
    def files(text: str) -> str:
        return digest_of(WriteFiles(directory="/d", files=(ConfigFile(name="f", text=text),)))

    assert files("⟦secret:a:1⟧") != files("⟦secret:a:2⟧")


def test_missing_images_are_refused_before_anything_is_touched() -> None:
    wanted = blueprint(container("s/c@h", image_id=""))
    with pytest.raises(Missing, match="images are missing"):
        check(make_plan(wanted, Observed()), wanted)


def test_later_fragments_win_and_none_removes() -> None:
    merged = ini.merge({"a": {"x": 1, "y": 2}}, {"a": {"x": 3, "y": None}, "b": {"z": True}})
    assert merged == {"a": {"x": 3}, "b": {"z": True}}


def test_ini_renders_lists_as_repeated_options() -> None:
    text = ini.render({"DEFAULT": {"driver": ("one", "two"), "debug": False}})
    assert text == "[DEFAULT]\ndriver = one\ndriver = two\ndebug = false\n"


def test_every_option_knows_who_set_it() -> None:
    found = ini.settings([("nova", {"a": {"x": 1}}), ("config/nova.conf:3", {"a": {"x": 2}})])
    assert [(s.option, s.value, s.origin) for s in found] == [("x", 2, "config/nova.conf:3")]
