"""A container that is there against the one that is declared: what is wrong with it, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudwright.declare.rollout import Quorum
from cloudwright.engine.api import ContainerState
from cloudwright.execute.host import labels
from cloudwright.execute.host.judge import container_seen
from cloudwright.plan.steps import ContainerBody, RunContainer, Step

BODY = ContainerBody(image="db:1", image_id="new", environment={}, binds=())
ACTION = RunContainer(
    container="db", body=BODY, config_digest="c", rollout=Quorum(speaks="tls"), members=()
)
STEP = Step(id="db/db@ctl", host="ctl", action=ACTION)
STATE = ContainerState(
    name="db",
    id="1",
    image="db:1",
    image_id="new",
    labels={
        labels.CLOUD: "tiny",
        labels.DIGEST: STEP.digest,
        labels.CONFIG: "c",
        labels.SPEAKS: "tls",
    },
    state="running",
)


def labelled(**changed: str) -> ContainerState:
    return replace(STATE, labels={**STATE.labels, **changed})


def test_the_declared_container_is_as_declared() -> None:
    assert container_seen(STEP, STATE, None, "tiny").digest == STEP.digest


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (replace(STATE, image_id="0123456789abcdef"), "runs another image: 0123456789ab → new"),
        (
            labelled(**{labels.DIGEST: "old", labels.CONFIG: "old"}),
            "its configuration changed",
        ),
        (labelled(**{labels.DIGEST: "old"}), "its specification changed"),
        (labelled(**{labels.CONFIG: "old"}), ""),  # it decides nothing
    ],
)
def test_what_changed_is_said(state: ContainerState, why: str) -> None:
    seen = container_seen(STEP, state, None, "tiny")
    assert seen.why == why
    assert (seen.digest == STEP.digest) is (not why)


def test_of_what_was_made_before_the_configuration_was_noted_less_is_known() -> None:
    said = {n: text for n, text in STATE.labels.items() if n != labels.CONFIG}
    old = replace(STATE, labels=said | {labels.DIGEST: "old"})
    why = "its configuration or specification changed"
    assert container_seen(STEP, old, None, "tiny").why == why


def test_an_image_that_nobody_has_any_more_is_no_change_of_the_specification() -> None:
    action = replace(ACTION, body=replace(BODY, image_id=""))
    step = Step(id=STEP.id, host="ctl", action=action)
    assert container_seen(step, STATE, None, "tiny").why == "its image is not known any more"


def test_a_member_that_speaks_otherwise_runs_and_is_not_kept() -> None:
    """Whatever else is new about it: it can do nothing with those that were made anew."""
    otherwise = labelled(**{labels.SPEAKS: "plain"})
    for state in (otherwise, replace(otherwise, image_id="old")):
        seen = container_seen(STEP, state, None, "tiny")
        assert (seen.up, seen.runs) == (False, True)
        assert seen.why == "speaks otherwise with the other members"
